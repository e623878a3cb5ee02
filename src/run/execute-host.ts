import type { Host } from '../fleet/host.ts';
import { everyStep } from '../runbook/every-step.ts';
import type { HostEnvironment, RunEnvironment } from './environment.ts';
import { Scope } from './execute-steps.ts';
import { describe, doneCode, exitCodeOf, isUnreachable, type StepOutcome } from './outcome.ts';
import type { HostRun, StepRun } from './run.ts';

export interface ExecutedHost {
  readonly result: HostRun;
  readonly exitCode: number;
}

/** The steps of one host in the order of their needs, then `rescue` if they failed, then `always`. */
export async function executeHost<Context>(
  host: Host,
  context: Context,
  environment: RunEnvironment<Context>,
  beforeCleanUp: (context: Context) => void = () => {},
): Promise<ExecutedHost> {
  const { run, runbook, record, now, signal } = environment;
  await record({ kind: 'host-started', at: now(), run, host: host.name });
  const whole: HostEnvironment<Context> = { ...environment, host, context };
  const scope = new Scope({
    environment: whole,
    params: environment.params,
    prefix: '',
    ids: everyStep(runbook).map(({ id }) => id),
  });
  const { outcomes, failed } = await scope.runWhole(runbook, signal, () => beforeCleanUp(context));
  const executed = judge(host.name, recordsOf(outcomes), failed, signal, scope.isFinished);
  const { status, error } = executed.result;
  await record({ kind: 'host-ended', at: now(), run, host: host.name, status, ...(error && { error }) });
  return executed;
}

function judge(
  name: string,
  steps: StepRun[],
  failed: StepOutcome | undefined,
  signal: AbortSignal,
  isFinished: boolean,
): ExecutedHost {
  if (failed === undefined && !signal.aborted)
    return { result: { name, status: isFinished ? 'finished' : 'succeeded', steps }, exitCode: doneCode(steps) };
  const error = failed?.error ?? signal.reason;
  const status = signal.aborted ? 'cancelled' : isUnreachable(error) ? 'unreachable' : 'failed';
  return {
    result: { name, status, error: failed?.record.error ?? describe(error), steps },
    exitCode: exitCodeOf(signal.aborted ? signal.reason : error),
  };
}

/** Each step, and behind it what belongs to it. */
function recordsOf(outcomes: readonly StepOutcome[]): StepRun[] {
  return outcomes.flatMap(({ record, nested }) => [record, ...recordsOf(nested)]);
}
