import { z } from 'zod';
import { HangarError } from '../errors.ts';
import type { DeclaredOutputs } from '../runbook/outputs.ts';
import type { Place, Probe, StepRuntime } from '../runbook/step-kind.ts';
import { type Printed, probeWork, runWork, type Work, workLines } from '../ssh/remote-work.ts';
import { extractOutputs, outputsSchema } from './declared-outputs.ts';
import { fetchFile, keptPath } from './fetch-file.ts';
import type { Incident, Machine } from './incident.ts';

/** Variables of a command. */
export const envSchema = z
  .record(
    z.string().regex(/^[A-Za-z_]\w*$/, 'a variable is letters, digits and _'),
    z.union([z.string(), z.number(), z.boolean()]),
  )
  .describe('environment variables of the command: how values get into it');

/** What every step takes that runs a command. */
export const workInput = {
  env: envSchema.optional(),
  become: z.boolean().default(false).describe('as root'),
  outputs: outputsSchema.optional(),
};

/** What every such step gives out, beside the outputs that it declares. */
export const workOutput = z.looseObject({
  exitCode: z.int(),
  stdout: z.string().describe('without white space at its end; at most 64 KiB'),
  stderr: z.string().describe('its last 4 KiB'),
  truncated: z.boolean().optional().describe('true: stdout was longer'),
});

export type WorkOutput = z.infer<typeof workOutput>;

/** A command as a step has it. */
export interface WorkRequest {
  readonly script: string;
  readonly args?: readonly string[];
  readonly interpreter?: string;
  readonly env?: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly become: boolean;
  readonly outputs?: DeclaredOutputs | undefined;
}

const keptBytes = 64 * 1024;
const keptStderrBytes = 4 * 1024;
/** Of work whose step has no limit: a day. */
const limitSeconds = 86_400;

/** Runs the command, or joins it; its exit code is part of what it gives out, never an error. Errors as `runWork`. */
export async function runWorkStep(request: WorkRequest, incident: Incident, runtime: StepRuntime): Promise<WorkOutput> {
  const machine = incident.workplace(runtime.where, request.become);
  const { signal } = runtime;
  const onEnded = (cut: Printed): void => runtime.keep(shownOf(cut));
  const { exitCode, ...whole } = await runWork(machine.shell, workOf(request, machine, runtime), { signal, onEnded });
  const printed = { exitCode, ...shownOf(whole) };
  // What was printed explains an output that cannot be had.
  runtime.keep(printed);
  const declared = await extractOutputs(request.outputs ?? {}, {
    stdout: whole.stdout.toString('utf8'),
    lenient: exitCode !== 0,
    fetch: async from => {
      const to = keptPath(await runtime.folder(), machine, runtime.key, from);
      return fetchFile(machine, { from, become: request.become, to }, runtime);
    },
  });
  return { ...declared, ...printed };
}

function shownOf({ stdout, stderr }: Printed) {
  const isCut = stdout.length > keptBytes;
  return { stdout: headOf(stdout), stderr: tailOf(stderr), ...(isCut && { truncated: true }) };
}

/** What became of a start that was interrupted. Work that still runs is joined by running the step again. */
export async function probeWorkStep(
  request: WorkRequest,
  incident: Incident,
  runtime: StepRuntime,
): Promise<Probe<WorkOutput>> {
  const machine = incident.workplace(runtime.where, request.become);
  const { signal } = runtime;
  const state = await probeWork(machine.shell, workOf(request, machine, runtime), { signal });
  switch (state) {
    case 'none':
    case 'running':
      return { state: 'notDone' };
    case 'ended':
      return ended(request, incident, runtime);
    case 'lost':
      return {
        state: 'unknown',
        why: `the command was started on "${machine.host.name}", and nothing there knows how it ended`,
      };
    default:
      return state satisfies never;
  }
}

/** Why the output counts as a failure: a command that ended with another exit code than 0. */
export function commandFailure({ exitCode, stderr }: WorkOutput, { host }: Incident): HangarError | undefined {
  if (exitCode === 0) return undefined;
  const [last] = stderr.trim().split('\n').slice(-1);
  return new CommandFailedError(host.name, exitCode, last ?? '');
}

/** As `workLines`, with a placeholder for what is not known yet. */
export function workCommands(request: WorkRequest, incident: Incident, where: Place): readonly string[] {
  const { host } = incident.machine(where);
  const { script, args = [], become, env } = request;
  return workLines({ host, script, args, become, env: textsOf(env), ...interpreterOf(request) });
}

/** Its exit code is what `retry: { on: [75] }` asks for. */
export class CommandFailedError extends HangarError {
  readonly remoteExitCode: number;

  constructor(hostName: string, remoteExitCode: number, lastLine: string) {
    super({
      code: 'COMMAND_FAILED',
      message: `"${hostName}": the command ended with ${remoteExitCode}${lastLine === '' ? '' : `: ${lastLine}`}`,
      fix: 'see its stderr in the outputs of the step; `failedWhen` says which exit codes are failures',
      failure: 'step',
    });
    this.remoteExitCode = remoteExitCode;
  }
}

/** Ended already: given out at once. What ended badly is for `run` to tell, which joins it just so. */
async function ended(request: WorkRequest, incident: Incident, runtime: StepRuntime): Promise<Probe<WorkOutput>> {
  try {
    return { state: 'done', output: await runWorkStep(request, incident, runtime) };
  } catch (error) {
    if (error instanceof HangarError && error.failure !== 'unreachable' && !runtime.signal.aborted)
      return { state: 'notDone' };
    throw error;
  }
}

function workOf(request: WorkRequest, { host, run }: Machine, runtime: StepRuntime): Work {
  const { script, args = [], become, env } = request;
  return {
    run,
    key: runtime.key,
    host,
    become,
    script,
    args,
    ...interpreterOf(request),
    env: textsOf(env),
    limitSeconds: runtime.timeoutSeconds ?? limitSeconds,
    killAfterSeconds: runtime.killAfterSeconds,
  };
}

function interpreterOf({ interpreter }: WorkRequest): Pick<Work, 'interpreter'> {
  return interpreter === undefined ? {} : { interpreter };
}

/** Variables are text. */
export function textsOf(env: WorkRequest['env'] = {}): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)]));
}

/** A character that is cut in two at the end is left out. */
function headOf(stdout: Buffer): string {
  const isCut = stdout.length > keptBytes;
  return new TextDecoder().decode(stdout.subarray(0, keptBytes), { stream: isCut }).trimEnd();
}

function tailOf(stderr: string): string {
  const bytes = Buffer.from(stderr, 'utf8');
  if (bytes.length <= keptStderrBytes) return stderr;
  return bytes
    .subarray(-keptStderrBytes)
    .toString('utf8')
    .replace(/^\uFFFD+/, '');
}
