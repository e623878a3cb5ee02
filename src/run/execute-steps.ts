import { everyStep } from '../runbook/every-step.ts';
import { hostValues } from '../runbook/plan-run.ts';
import type { Runbook, Step } from '../runbook/runbook.ts';
import { cleanUpSignal } from './clean-up-signal.ts';
import type { HostEnvironment } from './environment.ts';
import { executeStep } from './execute-step.ts';
import { blocks, describe, isBad, type StepOutcome, skipped } from './outcome.ts';
import type { StepRun } from './run.ts';
import type { Failure, Included, IncludeOptions, SequenceOptions, StepScope } from './step-scope.ts';

export interface ScopeOptions<Context> {
  readonly environment: HostEnvironment<Context>;
  readonly params: Readonly<Record<string, unknown>>;
  /** All steps whose outputs expressions may name. */
  readonly ids: readonly string[];
  /** Of the includes above: `deploy/`. */
  readonly prefix: string;
}

/** The steps of one runbook on one host: what they gave so far, and the order in which they run. */
export class Scope<Context> implements StepScope<Context> {
  readonly environment: HostEnvironment<Context>;
  readonly prefix: string;
  readonly #options: ScopeOptions<Context>;
  readonly #done = new Map<string, StepOutcome>();
  #isFinished = false;

  constructor(options: ScopeOptions<Context>) {
    this.environment = options.environment;
    this.prefix = options.prefix;
    this.#options = options;
  }

  /** A `finishWhen` was true: the rest is not needed. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Starts each step as soon as all that it needs are done. */
  async runGraph(steps: readonly Step<Context>[], signal: AbortSignal): Promise<readonly StepOutcome[]> {
    const running = new Map<string, Promise<void>>();
    for (;;) {
      const ready = steps.filter(
        ({ id, needs }) => !this.#done.has(id) && !running.has(id) && needs.every(need => this.#done.has(need)),
      );
      for (const step of ready)
        running.set(
          step.id,
          this.#runNext(step, signal).finally(() => running.delete(step.id)),
        );
      if (running.size === 0) return this.#outcomes(steps);
      await Promise.race(running.values());
    }
  }

  /** One after the other; of a rescue the first that fails ends it. Never taken from an earlier run. */
  async runSequence(
    steps: readonly Step<Context>[],
    { signal, failure, stopsAtFailure }: SequenceOptions,
  ): Promise<readonly StepOutcome[]> {
    let isOver = false;
    for (const step of steps) {
      const outcome = isOver
        ? await this.#skip(step, 'blocked')
        : await executeStep(step, this, { signal, isFresh: true, extra: { failure: failure ?? {} } });
      this.#done.set(step.id, outcome);
      if (stopsAtFailure && isBad(outcome.record)) isOver = true;
    }
    return this.#outcomes(steps);
  }

  async runIncluded({ runbook, params, prefix, signal }: IncludeOptions<Context>): Promise<Included> {
    const { environment } = this;
    const scope = new Scope({ environment, params, prefix, ids: everyStep(runbook).map(({ id }) => id) });
    const { outcomes, failed } = await scope.runWhole(runbook, signal);
    const outputs = runbook.steps.flatMap(({ id }) => {
      const record = scope.#done.get(id)?.record;
      return record?.status === 'succeeded' ? [[id, record.outputs ?? {}] as const] : [];
    });
    return { outcomes, outputs: Object.fromEntries(outputs), ...(failed && { failed }) };
  }

  /** Its steps, then what is to be done when they failed, then what is to be done whatever happened. */
  async runWhole(
    runbook: Runbook<Context>,
    signal: AbortSignal,
    beforeCleanUp: () => void = () => {},
  ): Promise<{ readonly outcomes: readonly StepOutcome[]; readonly failed?: StepOutcome }> {
    const main = await this.runGraph(runbook.steps, signal);
    const failed = firstFailure(main);
    const cleanUp = cleanUpSignal(signal);
    beforeCleanUp();
    try {
      const behind = { signal: cleanUp.signal, failure: failureOf(failed, signal) };
      const isWell = failed === undefined && !signal.aborted;
      const rescue = isWell ? [] : await this.runSequence(runbook.rescue, { ...behind, stopsAtFailure: true });
      const always = await this.runSequence(runbook.always, { ...behind, stopsAtFailure: false });
      const first = failed ?? firstFailure([...rescue, ...always]);
      return { outcomes: [...main, ...rescue, ...always], ...(first && { failed: first }) };
    } finally {
      cleanUp.dispose();
    }
  }

  /** What expressions read; a step that has not succeeded has no outputs. */
  values(extra: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    const { environment, params, ids } = this.#options;
    const outputsOf = (id: string): unknown => {
      const record = this.#done.get(id)?.record;
      // Empty, not missing: has(steps.a.b) reads steps.a.
      return (record?.status === 'succeeded' ? record.outputs : undefined) ?? {};
    };
    return {
      params,
      steps: Object.fromEntries(ids.map(id => [id, outputsOf(id)])),
      host: hostValues(environment.host),
      run: { id: environment.run },
      ...extra,
    };
  }

  async #runNext(step: Step<Context>, signal: AbortSignal): Promise<void> {
    const reason = this.#whySkipped(step, signal);
    const outcome =
      reason === undefined
        ? await executeStep(step, this, { signal, isFresh: false, extra: {} })
        : await this.#skip(step, reason);
    this.#done.set(step.id, outcome);
    if (outcome.record.status === 'succeeded') this.#finish(step, outcome);
  }

  /** Whether to go on cannot be said where the condition cannot be evaluated: then the step counts as failed. */
  #finish({ id, finishWhen }: Step<Context>, outcome: StepOutcome): void {
    try {
      if (finishWhen?.evaluate(this.values()) === true) this.#isFinished = true;
    } catch (error) {
      const record: StepRun = { ...outcome.record, status: 'failed', error: describe(error) };
      this.#done.set(id, { ...outcome, error, record });
    }
  }

  #whySkipped({ needs }: Step<Context>, signal: AbortSignal): 'cancelled' | 'finished' | 'blocked' | undefined {
    if (signal.aborted) return 'cancelled';
    if (this.#isFinished) return 'finished';
    const isBlocked = needs.some(need => {
      const outcome = this.#done.get(need);
      return outcome !== undefined && blocks(outcome.record);
    });
    return isBlocked ? 'blocked' : undefined;
  }

  async #skip({ id }: Step<Context>, reason: 'cancelled' | 'finished' | 'blocked'): Promise<StepOutcome> {
    const { environment, prefix } = this;
    const outcome = skipped(`${prefix}${id}`, reason);
    await environment.record({
      kind: 'step-ended',
      at: environment.now(),
      run: environment.run,
      host: environment.host.name,
      step: outcome.record.id,
      result: outcome.record,
    });
    return outcome;
  }

  #outcomes(steps: readonly Step<Context>[]): readonly StepOutcome[] {
    return steps.flatMap(({ id }) => this.#done.get(id) ?? []);
  }
}

function firstFailure(outcomes: readonly StepOutcome[]): StepOutcome | undefined {
  return outcomes.find(({ record }) => isBad(record));
}

function failureOf(outcome: StepOutcome | undefined, signal: AbortSignal): Failure | undefined {
  if (outcome !== undefined) return { ...(outcome.record.error ?? describe(outcome.error)), step: outcome.record.id };
  return signal.aborted ? { ...describe(signal.reason), step: '' } : undefined;
}
