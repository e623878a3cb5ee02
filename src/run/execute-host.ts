import { HangarError } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import { executeStep } from './execute-step.ts';
import { describe, type HostEnvironment, type StepOutcome } from './outcome.ts';
import type { HostRun, StepRun } from './run.ts';
import type { Step } from './runbook.ts';

/** Clean-up of a run that was cancelled, or that took too long, gets this long. */
const cleanUpSeconds = 60;

/** The steps of one host in the order of their needs, then `always`, whatever happened. */
export async function executeHost<Context>(
  host: Host,
  context: Context,
  environment: HostEnvironment<Context>,
): Promise<{ readonly result: HostRun; readonly exitCode: number }> {
  const { run, runbook, record, now } = environment;
  await record({ kind: 'host-started', at: now(), run, host: host.name });
  const progress = new HostProgress(host, context, environment);
  await progress.runAll(runbook.steps);
  await progress.runLast(runbook.always);
  const { result, exitCode } = progress.outcome();
  await record({ kind: 'host-ended', at: now(), run, host: host.name, status: result.status });
  return { result, exitCode };
}

class HostProgress<Context> {
  readonly #host: Host;
  readonly #context: Context;
  readonly #environment: HostEnvironment<Context>;
  readonly #done = new Map<string, StepOutcome>();
  #isFinished = false;

  constructor(host: Host, context: Context, environment: HostEnvironment<Context>) {
    this.#host = host;
    this.#context = context;
    this.#environment = environment;
  }

  /** Starts each step as soon as all that it needs are done. */
  async runAll(steps: readonly Step<Context>[]): Promise<void> {
    const running = new Map<string, Promise<void>>();
    for (;;) {
      const ready = steps.filter(
        ({ id, needs }) => !this.#done.has(id) && !running.has(id) && needs.every(need => this.#done.has(need)),
      );
      for (const step of ready)
        running.set(
          step.id,
          this.#run(step).finally(() => running.delete(step.id)),
        );
      if (running.size === 0) return;
      await Promise.race(running.values());
    }
  }

  /** One after the other; a run that was cancelled gives them a limited time of their own. */
  async runLast(steps: readonly Step<Context>[]): Promise<void> {
    for (const step of steps) {
      const signal = AbortSignal.timeout((step.timeoutSeconds ?? cleanUpSeconds) * 1000);
      this.#done.set(step.id, await this.#execute({ ...step, needs: [] }, signal));
    }
  }

  outcome(): { readonly result: HostRun; readonly exitCode: number } {
    const { runbook, signal } = this.#environment;
    const outcomes = [...runbook.steps, ...runbook.always].flatMap(({ id }) => this.#done.get(id) ?? []);
    const failed = outcomes.find(({ record, isForgiven }) => isBad(record) && isForgiven !== true);
    const steps = outcomes.map(({ record }) => record);
    const name = this.#host.name;
    if (failed === undefined && !signal.aborted)
      return { result: { name, status: this.#isFinished ? 'finished' : 'succeeded', steps }, exitCode: 0 };
    const error = failed?.error ?? signal.reason;
    const status = signal.aborted ? 'cancelled' : isUnreachable(error) ? 'unreachable' : 'failed';
    return {
      result: { name, status, error: describe(error), steps },
      exitCode: codeOf(signal.aborted ? signal.reason : error),
    };
  }

  async #run(step: Step<Context>): Promise<void> {
    const outcome = this.#skipped(step) ?? (await this.#execute(step, this.#environment.signal));
    this.#done.set(step.id, outcome);
    if (outcome.record.status === 'succeeded' && step.finishWhen?.evaluate(this.#values()) === true)
      this.#isFinished = true;
  }

  #skipped(step: Step<Context>): StepOutcome | undefined {
    if (this.#environment.signal.aborted) return skip(step.id, 'cancelled');
    if (this.#isFinished) return skip(step.id, 'finished');
    const isBlocked = step.needs.some(need => {
      const outcome = this.#done.get(need);
      return outcome !== undefined && blocks(outcome);
    });
    return isBlocked ? skip(step.id, 'blocked') : undefined;
  }

  async #execute(step: Step<Context>, signal: AbortSignal): Promise<StepOutcome> {
    const { run, record, now } = this.#environment;
    const place = { run, host: this.#host.name, step: step.id };
    let outcome: StepOutcome;
    try {
      if (step.when !== undefined && step.when.evaluate(this.#values()) !== true) outcome = skip(step.id, 'when');
      else
        outcome = await executeStep(step, this.#context, {
          ...this.#environment,
          signal,
          place,
          values: () => this.#values(),
        });
    } catch (error) {
      outcome = { record: { id: step.id, status: 'failed', attempts: 0, seconds: 0, error: describe(error) }, error };
    }
    if (outcome.record.status === 'failed' && this.#goesOn(step)) outcome = { ...outcome, isForgiven: true };
    await record({ kind: 'step-ended', at: now(), ...place, result: outcome.record });
    return outcome;
  }

  #goesOn({ continueOnError }: Step<Context>): boolean {
    if (typeof continueOnError === 'boolean') return continueOnError;
    return continueOnError.evaluate(this.#values()) === true;
  }

  /** What expressions read; a step that has not succeeded has no outputs. */
  #values() {
    const { name, address, labels } = this.#host;
    const { steps, always } = this.#environment.runbook;
    const outputsOf = (id: string): unknown => {
      const record = this.#done.get(id)?.record;
      // Empty, not missing: has(steps.a.b) reads steps.a.
      return record?.status === 'succeeded' ? record.outputs : {};
    };
    return {
      params: this.#environment.params,
      steps: Object.fromEntries([...steps, ...always].map(({ id }) => [id, outputsOf(id)])),
      host: { name, labels, ...(address !== undefined && { address }) },
      run: { id: this.#environment.run },
    };
  }
}

function skip(id: string, reason: NonNullable<StepRun['reason']>): StepOutcome {
  return { record: { id, status: 'skipped', reason, attempts: 0, seconds: 0 } };
}

function isBad({ status }: StepRun): boolean {
  return status === 'failed' || status === 'cancelled';
}

function blocks({ record, isForgiven }: StepOutcome): boolean {
  if (record.status === 'skipped') return record.reason !== 'when';
  return isBad(record) && isForgiven !== true;
}

function isUnreachable(error: unknown): boolean {
  return error instanceof HangarError && error.failure === 'unreachable';
}

function codeOf(error: unknown): number {
  return error instanceof HangarError ? error.exitCode : 1;
}
