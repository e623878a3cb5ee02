import { z } from 'zod';
import type { HostRun, StepRun } from '../run/run.ts';
import { preparedSchema } from './prepare-host.ts';

const found = z.looseObject({
  state: z.string(),
  pid: z.int(),
  service: z.string().optional(),
  reasons: z.array(z.string()),
  candidates: z.array(z.looseObject({ pid: z.int() })).default([]),
});
const recovered = z.looseObject({
  mode: z.string(),
  service: z.string(),
  succeeded: z.boolean(),
  downSeconds: z.number().optional(),
});
const pulled = z.looseObject({ case: z.string(), storedBytes: z.number() });
const cleaned = z.looseObject({ kept: z.array(z.looseObject({ path: z.string(), coreBytes: z.number() })) });

/** What happened on a host, for people; the first line says what matters most. */
export function describeHostRun(host: HostRun, run: string): readonly string[] {
  const find = outputOf(host.steps, found);
  const recovery = outputOf(host.steps, recovered);
  const pull = outputOf(host.steps, pulled);
  return [
    ...firstLine(host, find, recovery),
    ...(host.error === undefined ? [] : [`  ${host.error.code}: ${host.error.message}`, `  fix: ${host.error.fix}`]),
    ...forgiven(host),
    ...(recovery?.succeeded === true
      ? [`  ${recovery.service || 'the service'} was restarted and was down for ${recovery.downSeconds ?? '?'} s`]
      : []),
    ...(pull === undefined
      ? []
      : [`  the core is in case ${pull.case} (${pull.storedBytes} bytes): runbook analyze ${pull.case}`]),
    ...preparation(host),
    ...keptCores(host, run),
    ...(host.error === undefined ? [] : [`  what was done: runbook show ${run}`]),
  ];
}

function firstLine(
  { name, status, steps }: HostRun,
  find: z.infer<typeof found> | undefined,
  recovery: z.infer<typeof recovered> | undefined,
): readonly string[] {
  const service = find?.service ?? 'the service';
  const why = find === undefined ? '' : `: ${find.reasons.join('; ')}`;
  if (status === 'finished' && find?.state === 'healthy')
    return [`${name}: ${service} is healthy${why}. Nothing was touched.`, ...lookAllTheSame(name, find)];
  if (status === 'finished') return [`${name}: finished${endedBy(steps)}`];
  const isLeftDown =
    find?.state === 'hung' &&
    recovery?.succeeded !== true &&
    !steps.some(({ id, reason }) => id === 'recover' && reason === 'when');
  const restart = `restart it: runbook hang --host ${name} --on-capture-failure recover, or there: service ${service} restart`;
  if (status !== 'succeeded' && isLeftDown) return [`${name}: ${service.toUpperCase()} IS STILL DOWN; ${restart}`];
  return [`${name}: ${status}${why === '' ? '' : `; process ${find?.pid} of ${service} is ${find?.state}${why}`}`];
}

/** The command that takes the core of a healthy process, which `hang` never does: its check may miss what users see. */
function lookAllTheSame(host: string, { pid, candidates }: z.infer<typeof found>): readonly string[] {
  const others = candidates.map(candidate => candidate.pid).filter(other => other !== pid);
  const told = others.slice(0, toldCandidates).join(', ');
  const more = others.length > toldCandidates ? ` and ${others.length - toldCandidates} more` : '';
  const choice = others.length === 0 ? '' : ` (or another one of its processes: ${told}${more})`;
  return [
    `  to look inside all the same: runbook capture --host ${host} --pid ${pid}${choice}`,
    '  it takes a core, restarts nothing, and names the case to analyze',
  ];
}

const toldCandidates = 4;

/** The last step that was run: behind it nothing more was needed. */
function endedBy(steps: readonly StepRun[]): string {
  const last = steps.findLast(
    (step, at) => step.status === 'succeeded' && steps.slice(at + 1).some(({ reason }) => reason === 'finished'),
  );
  return last === undefined ? '' : ` at "${last.id}": the steps behind it were not needed`;
}

/** Steps that failed and were passed over. */
function forgiven({ steps, error }: HostRun): readonly string[] {
  return steps
    .filter(step => step.status === 'failed' && step.error !== undefined && step.error.message !== error?.message)
    .flatMap(({ id, rescued, error: own }) => [
      `  ${id} failed${rescued === true ? ' and was rescued' : ''}: ${own?.code}: ${own?.message}`,
      ...(rescued === true ? [] : [`  fix: ${own?.fix}`]),
    ]);
}

/** What was done to a host that was prepared, or what was taken back. */
function preparation({ steps }: HostRun): readonly string[] {
  const done = outputOf(steps, preparedSchema);
  if (done === undefined) return [];
  const { changed, failed, kept } = done;
  if (changed.length + failed.length + kept.length === 0) return ['  nothing had to be changed'];
  return [...linesOf('changed', changed), ...linesOf('kept', kept), ...linesOf('failed', failed)];
}

function linesOf(word: string, each: readonly { readonly id: string; readonly text: string }[]): readonly string[] {
  return each.map(({ id, text }) => `  ${word} ${id}: ${text}`);
}

function keptCores({ steps, name }: HostRun, run: string): readonly string[] {
  const kept = outputOf(steps, cleaned)?.kept ?? [];
  return kept.map(
    ({ path, coreBytes }) =>
      `  the core stays on ${name}, for no verified copy is here: ${path} (${coreBytes} bytes); fetch it: runbook resume ${run}`,
  );
}

/** The output of the step that has that shape: outputs are told apart by what they hold, whatever the step's id. */
function outputOf<T>(steps: readonly StepRun[], schema: z.ZodType<T>): T | undefined {
  for (const { outputs } of steps) {
    const parsed = schema.safeParse(outputs);
    if (parsed.success) return parsed.data;
  }
  return undefined;
}
