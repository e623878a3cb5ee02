import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { HangarError } from '../errors.ts';
import type { AnyStepKind, Retry, Step } from '../runbook/runbook.ts';
import type { StepRuntime } from '../runbook/step-kind.ts';
import type { HostEnvironment } from './environment.ts';
import { describe, isUnreachable } from './outcome.ts';

/** One start of a step, and those that follow when it fails. */
export interface Start<Context> {
  readonly step: Step<Context>;
  readonly input: unknown;
  /** Id with those of the includes above it. */
  readonly path: string;
  readonly signal: AbortSignal;
  readonly environment: HostEnvironment<Context>;
  /** What the step counts as, by its own `failedWhen`; absent: its kind decides. */
  readonly hasFailed: (output: unknown) => boolean;
  /** Idempotency key of the nth start, from 0. */
  readonly keyOf: (start: number) => string;
  /** Of attempts that were made before. */
  readonly firstAttempt: number;
  readonly firstStart: number;
  /** Makes the start durable, before anything is done. */
  readonly begin: (attempt: number, key: string) => Promise<void>;
}

export interface Attempted {
  readonly attempts: number;
  readonly output?: unknown;
  readonly error?: unknown;
}

/** Runs a step until it succeeds or its retries are over; never rejects for what the step does. */
export async function attemptStep<Context>(start: Start<Context>): Promise<Attempted> {
  const { retry } = start.step;
  let starts = start.firstStart;
  for (let count = 1, attempt = start.firstAttempt; ; count++, attempt++) {
    const key = start.keyOf(starts);
    await start.begin(attempt, key);
    const { output, error } = await attemptOnce(start, attempt, key);
    if (error === undefined) return { attempts: attempt, output };
    const again = retry && count < retry.attempts && !start.signal.aborted && isWorthRetrying(error, retry);
    if (!again || !(await waitBefore(count, retry, error, attempt, start)))
      return { attempts: attempt, error, ...(output !== undefined && { output }) };
    // What was cut off may still run there: the next attempt takes it up under the same key.
    if (!isUnreachable(error)) starts++;
  }
}

interface Tried {
  readonly output?: unknown;
  readonly error?: unknown;
}

async function attemptOnce<Context>(start: Start<Context>, attempt: number, key: string): Promise<Tried> {
  const { step, input, environment, path } = start;
  const limit = new AbortController();
  const { timeoutSeconds } = step;
  const timer =
    timeoutSeconds === undefined
      ? undefined
      : setTimeout(() => limit.abort(timedOut(path, timeoutSeconds, environment.host.name)), timeoutSeconds * 1000);
  const signal = timer === undefined ? start.signal : AbortSignal.any([start.signal, limit.signal]);
  let kept: unknown;
  try {
    const runtime: StepRuntime = { ...runtimeOf(start, attempt, key, signal), keep: output => void (kept = output) };
    const running = step.kind.run(input, environment.context, runtime);
    const output = parse(step.kind, path, 'output', await withGrace(running, signal, step.killAfterSeconds));
    const error = failureOf(start, output);
    return error === undefined ? { output } : { output, error };
  } catch (error) {
    // What a step says when it is ended from outside matters less than why it was.
    return { error: limit.signal.aborted ? limit.signal.reason : error, ...(kept !== undefined && { output: kept }) };
  } finally {
    clearTimeout(timer);
  }
}

/** @throws HangarError `STEP_INPUT_INVALID`, `STEP_OUTPUT_INVALID` */
export function parse<Context>(
  kind: AnyStepKind<Context>,
  path: string,
  side: 'input' | 'output',
  value: unknown,
): unknown {
  const parsed = kind[side].safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HangarError({
    code: side === 'input' ? 'STEP_INPUT_INVALID' : 'STEP_OUTPUT_INVALID',
    message: `step "${path}" (${kind.name}): ${z.prettifyError(parsed.error).replaceAll('\n', '; ')}`,
    fix: side === 'input' ? 'mend `with` of that step' : 'report it: the step kind gave out what it does not promise',
    failure: side === 'input' ? 'usage' : 'step',
  });
}

export function runtimeOf<Context>(
  { step, path, environment }: Pick<Start<Context>, 'step' | 'path' | 'environment'>,
  attempt: number,
  key: string,
  signal: AbortSignal,
): StepRuntime {
  const place = { run: environment.run, host: environment.host.name, step: path };
  const { timeoutSeconds, killAfterSeconds, where } = step;
  return {
    attempt,
    key,
    signal,
    where,
    killAfterSeconds,
    keep: () => {},
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    ask: environment.ask,
    approve: async request =>
      environment.isProbe ? { approvedBy: [] } : environment.approvals.request(place, request, signal),
    folder: environment.folder,
    // Shown, not kept: a record of what was done needs no percentages.
    progress: text => environment.show({ kind: 'step-progress', at: environment.now(), ...place, text }),
  };
}

/** After an abort a step gets this long to end what it started elsewhere, beside its time to be killed. */
const graceSeconds = 5;

async function withGrace<T>(running: Promise<T>, signal: AbortSignal, killAfterSeconds: number): Promise<T> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const limit = (): void => {
    timer = setTimeout(() => reject(signal.reason), (graceSeconds + killAfterSeconds) * 1000);
  };
  if (signal.aborted) limit();
  else signal.addEventListener('abort', limit, { once: true });
  try {
    return await Promise.race([running, tooLate]);
  } finally {
    signal.removeEventListener('abort', limit);
    clearTimeout(timer);
  }
}

/** Why an output counts as a failure: by the step's own `failedWhen`, else by its kind; undefined where it does not. */
export function failureOf<Context>(
  {
    step,
    input,
    environment,
    path,
    hasFailed,
  }: Pick<Start<Context>, 'step' | 'input' | 'environment' | 'path' | 'hasFailed'>,
  output: unknown,
): unknown {
  if (step.failedWhen === undefined) return step.kind.failure?.(output, input, environment.context);
  if (!hasFailed(output)) return undefined;
  return new HangarError({
    code: 'STEP_FAILED_WHEN',
    message: `step "${path}" counts as failed: ${step.failedWhen.text}`,
    fix: `see what it gave out: runbook show ${environment.run}`,
    failure: 'step',
  });
}

function timedOut(path: string, seconds: number, host: string): HangarError {
  return new HangarError({
    code: 'STEP_TIMEOUT',
    message: `step "${path}" on "${host}" did not end within ${seconds} s`,
    fix: 'see what keeps the host busy; `timeout` of the step gives it more time',
    failure: 'cancelled',
  });
}

/** False: the wait was cut short. */
async function waitBefore<Context>(
  count: number,
  retry: Retry,
  error: unknown,
  attempt: number,
  { environment, signal, path }: Start<Context>,
): Promise<boolean> {
  const { delaySeconds, backoff, jitter } = retry;
  const afterSeconds = delaySeconds * backoff ** (count - 1) * (1 + Math.random() * jitter);
  await environment.record({
    kind: 'step-retried',
    at: environment.now(),
    run: environment.run,
    host: environment.host.name,
    step: path,
    attempt,
    afterSeconds,
    error: describe(error),
  });
  return sleep(afterSeconds * 1000, true, { signal }).catch(() => false);
}

function isWorthRetrying(error: unknown, { on }: Retry): boolean {
  if (on === undefined) return true;
  if (!(error instanceof HangarError)) return false;
  const isTimeout = error.code === 'STEP_TIMEOUT' || error.code === 'REMOTE_TIMEOUT';
  return on.some(each => {
    if (each === 'connection') return error.failure === 'unreachable';
    if (each === 'timeout') return isTimeout;
    return 'remoteExitCode' in error && error.remoteExitCode === each;
  });
}
