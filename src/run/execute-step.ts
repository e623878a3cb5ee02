import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { HangarError } from '../errors.ts';
import { describe, type HostEnvironment, type StepOutcome, secondsSince } from './outcome.ts';
import type { Retry, Step } from './runbook.ts';
import type { StepRuntime } from './step-kind.ts';
import { fill } from './template.ts';

export interface StepEnvironment<Context> extends HostEnvironment<Context> {
  readonly place: { readonly run: string; readonly host: string; readonly step: string };
  readonly values: () => unknown;
}

/** After an abort a step gets this long to end what it started elsewhere. */
const graceSeconds = 10;

/** One step with its attempts; never rejects for what the step does. */
export async function executeStep<Context>(
  step: Step<Context>,
  context: Context,
  environment: StepEnvironment<Context>,
): Promise<StepOutcome> {
  const begun = performance.now();
  const { retry, id } = step;
  for (let attempt = 1; ; attempt++) {
    await environment.record({ kind: 'step-started', at: environment.now(), ...environment.place, attempt });
    try {
      const outputs = await attemptStep(step, context, attempt, environment);
      return { record: { id, status: 'succeeded', attempts: attempt, seconds: secondsSince(begun), outputs } };
    } catch (error) {
      const { signal } = environment;
      const again = retry && attempt < retry.attempts && !signal.aborted && isWorthRetrying(error, retry);
      if (!again || !(await waitBefore(attempt, retry, error, environment))) {
        const status = signal.aborted ? 'cancelled' : 'failed';
        return {
          record: { id, status, attempts: attempt, seconds: secondsSince(begun), error: describe(error) },
          error,
        };
      }
    }
  }
}

async function attemptStep<Context>(
  step: Step<Context>,
  context: Context,
  attempt: number,
  environment: StepEnvironment<Context>,
): Promise<unknown> {
  const values = environment.values();
  const input = parse(step, 'input', inputOf(step, values));
  const limit = new AbortController();
  const timer =
    step.timeoutSeconds === undefined
      ? undefined
      : setTimeout(() => limit.abort(timedOut(step, environment)), step.timeoutSeconds * 1000);
  const signal = AbortSignal.any([environment.signal, limit.signal]);
  try {
    const running = step.kind.run(input, context, runtimeOf(attempt, signal, environment));
    const output = parse(step, 'output', await withGrace(running, signal));
    mustNotHaveFailed(step, output, environment);
    return output;
  } catch (error) {
    // What a step says when it is ended from outside matters less than why it was.
    throw limit.signal.aborted ? limit.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

/** Values of `with`; an absent optional leaves its key out. */
export function inputOf<Context>(step: Step<Context>, values: unknown): Readonly<Record<string, unknown>> {
  const filled = Object.entries(step.with).map(([key, template]) => [key, fill(template, values)] as const);
  return Object.fromEntries(filled.filter(([, value]) => value !== undefined));
}

function runtimeOf<Context>(attempt: number, signal: AbortSignal, environment: StepEnvironment<Context>): StepRuntime {
  return {
    attempt,
    signal,
    ask: environment.ask,
    // Shown, not kept: a record of what was done needs no percentages.
    progress: text => environment.onEvent({ kind: 'step-progress', at: environment.now(), ...environment.place, text }),
  };
}

async function withGrace<T>(running: Promise<T>, signal: AbortSignal): Promise<T> {
  const done = new AbortController();
  const late = async (): Promise<never> => {
    await aborted(signal, done.signal);
    await sleep(graceSeconds * 1000, undefined, { signal: done.signal });
    throw signal.reason;
  };
  const tooLate = late();
  tooLate.catch(() => undefined);
  try {
    return await Promise.race([running, tooLate]);
  } finally {
    done.abort();
  }
}

function aborted(signal: AbortSignal, done: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true, signal: done });
    done.addEventListener('abort', () => reject(new Error('done')), { once: true });
  });
}

function parse<Context>(step: Step<Context>, side: 'input' | 'output', value: unknown): unknown {
  const parsed = step.kind[side].safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HangarError({
    code: side === 'input' ? 'STEP_INPUT_INVALID' : 'STEP_OUTPUT_INVALID',
    message: `step "${step.id}" (${step.kind.name}): ${z.prettifyError(parsed.error).replaceAll('\n', '; ')}`,
    fix: side === 'input' ? 'mend `with` of that step' : 'report it: the step kind gave out what it does not promise',
    failure: side === 'input' ? 'usage' : 'step',
  });
}

function mustNotHaveFailed<Context>(step: Step<Context>, output: unknown, environment: StepEnvironment<Context>): void {
  if (step.failedWhen === undefined) return;
  const values = environment.values();
  const known = typeof values === 'object' && values !== null && 'steps' in values ? values : { steps: {} };
  const steps = { ...Object(known.steps), [step.id]: output };
  if (step.failedWhen.evaluate({ ...known, steps }) !== true) return;
  throw new HangarError({
    code: 'STEP_FAILED_WHEN',
    message: `step "${step.id}" counts as failed: ${step.failedWhen.text}`,
    fix: `see what it gave out: runbook show ${environment.run}`,
    failure: 'step',
  });
}

function timedOut<Context>({ id, timeoutSeconds }: Step<Context>, { place }: StepEnvironment<Context>): HangarError {
  return new HangarError({
    code: 'STEP_TIMEOUT',
    message: `step "${id}" on "${place.host}" did not end within ${timeoutSeconds} s`,
    fix: 'see what keeps the host busy; `timeout` of the step gives it more time',
    failure: 'cancelled',
  });
}

/** False: the wait was cut short. */
async function waitBefore<Context>(
  attempt: number,
  retry: Retry,
  error: unknown,
  environment: StepEnvironment<Context>,
): Promise<boolean> {
  const { delaySeconds, backoff, jitter } = retry;
  const afterSeconds = delaySeconds * backoff ** (attempt - 1) * (1 + Math.random() * jitter);
  await environment.record({
    kind: 'step-retried',
    at: environment.now(),
    ...environment.place,
    attempt,
    afterSeconds,
    error: describe(error),
  });
  return sleep(afterSeconds * 1000, true, { signal: environment.signal }).catch(() => false);
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
