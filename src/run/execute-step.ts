import { randomBytes } from 'node:crypto';
import { HangarError } from '../errors.ts';
import type { Expression } from '../runbook/expression.ts';
import { paramsOfIncluded } from '../runbook/plan-run.ts';
import type { Step } from '../runbook/runbook.ts';
import type { Probe, Risk } from '../runbook/step-kind.ts';
import { fillAll } from '../runbook/template.ts';
import { type Attempted, attemptStep, failureOf, parse, runtimeOf } from './attempt-step.ts';
import { cleanUpSignal } from './clean-up-signal.ts';
import type { PastStep, StepIdentity } from './history.ts';
import { inputHash, startKey } from './identity.ts';
import { describe, isBad, isUncertain, type StepOutcome, secondsSince, skipped } from './outcome.ts';
import { type ResumeAction, resumeAction, unknownAction } from './resume-action.ts';
import type { StepRun } from './run.ts';
import type { StepScope } from './step-scope.ts';

export interface StepOptions {
  readonly signal: AbortSignal;
  /** Runs whatever it did before, and asks nobody: it cleans up. */
  readonly isFresh: boolean;
  /** More names for its expressions. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** One step on one host, with what belongs to it: items, rescue, always. Its end is on disk before this resolves. */
export async function executeStep<Context>(
  step: Step<Context>,
  scope: StepScope<Context>,
  options: StepOptions,
): Promise<StepOutcome> {
  return new Execution(step, scope, options).execute();
}

/** How it shows that a step reads what is not there. */
const missingInputs = ['STEP_INPUT_INVALID', 'EXPRESSION_FAILED'];
/** How long people have to answer whether a step may run. */
const approvalSeconds = 15 * 60;

class Execution<Context> {
  readonly #step: Step<Context>;
  readonly #scope: StepScope<Context>;
  readonly #options: StepOptions;
  readonly #path: string;

  constructor(step: Step<Context>, scope: StepScope<Context>, options: StepOptions) {
    this.#step = step;
    this.#scope = scope;
    this.#options = options;
    this.#path = `${scope.prefix}${step.id}`;
  }

  async execute(): Promise<StepOutcome> {
    const outcome = await this.#forgive(await this.#sharedOrOwn());
    await this.#ended(outcome);
    const rescued = await this.#rescue(outcome);
    return this.#finish(rescued);
  }

  /** A step that runs once for all hosts is executed by the first that comes to it. */
  async #sharedOrOwn(): Promise<StepOutcome> {
    const { once } = this.#scope.environment;
    if (!this.#step.once) return this.#body();
    const begun = once.get(this.#path);
    if (begun !== undefined) {
      const { record, error } = await begun;
      return { record: { ...record, attempts: 0, seconds: 0 }, nested: [], ...(error !== undefined && { error }) };
    }
    const own = this.#body();
    once.set(this.#path, own);
    return own;
  }

  async #body(): Promise<StepOutcome> {
    const begun = performance.now();
    try {
      const { when, foreach } = this.#step;
      if (when !== undefined && when.evaluate(this.#values()) !== true) return skipped(this.#path, 'when');
      if (foreach === undefined) return await this.#one({ path: this.#path, values: this.#values() });
      return await this.#items(foreach.items.evaluate(this.#values()), foreach.concurrency, begun);
    } catch (error) {
      return this.#notBegun(begun, error);
    }
  }

  /** Its inputs or conditions could not be had; in a probe because what they read was not run: then they are not known. */
  #notBegun(begun: number, error: unknown): StepOutcome {
    const isInput = error instanceof HangarError && missingInputs.includes(error.code);
    const isExpected = this.#scope.environment.isProbe && isInput;
    return isExpected ? skipped(this.#path, 'probe') : this.#failed(begun, { attempts: 0, error });
  }

  /** One after the other, or some at a time; the first that fails lets no further one begin. */
  async #items(list: unknown, concurrency: number, begun: number): Promise<StepOutcome> {
    const items: readonly unknown[] = Array.isArray(list) ? list : [];
    const outcomes: StepOutcome[] = [];
    let next = 0;
    let isOver = false;
    const work = async (): Promise<void> => {
      for (let index = next++; index < items.length && !isOver; index = next++) {
        const outcome = await this.#item(items[index], index);
        outcomes[index] = outcome;
        if (isBad(outcome.record)) isOver = true;
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, work));
    const done = outcomes.filter(outcome => outcome !== undefined);
    const failed = done.find(({ record }) => isBad(record));
    const records = done.map(({ record }, index) => ({ ...record, item: items[index] }));
    const outputs = { results: done.map(({ record }) => record.outputs ?? {}) };
    const changed = done.map(({ record }) => record.changed).filter(each => each !== undefined);
    const record: StepRun = {
      id: this.#path,
      status: failed === undefined ? 'succeeded' : failed.record.status,
      attempts: done.reduce((sum, each) => sum + each.record.attempts, 0),
      seconds: secondsSince(begun),
      items: records,
      ...(changed.length > 0 && { changed: changed.includes(true) }),
      ...(failed === undefined ? { outputs } : { error: failed.record.error }),
    };
    const nested = done.flatMap(each => each.nested);
    return { record, nested, ...(failed?.error !== undefined && { error: failed.error }) };
  }

  async #item(item: unknown, index: number): Promise<StepOutcome> {
    const path = this.#step.include === undefined ? this.#path : `${this.#path}[${index}]`;
    const begun = performance.now();
    try {
      const outcome = await this.#one({ path, item, values: { ...this.#values(), item } });
      await this.#ended(outcome);
      return outcome;
    } catch (error) {
      return this.#notBegun(begun, error);
    }
  }

  async #one(one: One): Promise<StepOutcome> {
    const { kind, include, once } = this.#step;
    const filled = fillAll(this.#step.with, one.values);
    if (include !== undefined) return this.#included(one, filled);
    const { environment } = this.#scope;
    const input = parse(kind, this.#path, 'input', filled);
    const identity: StepIdentity = {
      host: environment.host.name,
      step: this.#path,
      input: inputHash(environment.mask(filled)),
      once,
      ...('item' in one && { item: one.item }),
    };
    const past = environment.history.past(identity);
    const start = { one, input, identity };
    if (environment.isProbe && this.#step.risk !== 'read') return this.#wouldRun(start);
    if (this.#options.isFresh) return this.#run(start, environment.history.starts(identity));
    return this.#resume(start, past);
  }

  async #wouldRun({ one, input }: Begun): Promise<StepOutcome> {
    if (await this.#isDoneAlready(one)) return skipped(this.#path, 'done');
    const commands = this.#step.kind.commands(asPartial(input), this.#scope.environment.context, this.#step.where);
    const { record, nested } = skipped(this.#path, 'probe');
    return { record: { ...record, commands: [...commands] }, nested };
  }

  /** What follows from the step's past; without one it simply runs. */
  async #resume(start: Begun, past: PastStep | undefined): Promise<StepOutcome> {
    const { kind, risk, onUnknown } = this.#step;
    const action = resumeAction(past, { risk, hasProbe: kind.probe !== undefined, onUnknown });
    const starts = this.#scope.environment.history.starts(start.identity);
    if (past === undefined || action.kind !== 'probe')
      return this.#act(action, start, past, starts, 'its end was not heard of');
    const probe = await this.#probe(start, past);
    if (probe.state === 'done') return this.#found(start, past, probe.output);
    // Under the old key it joins what may still run.
    if (probe.state === 'notDone') return this.#run(start, starts - 1, past.attempts);
    return this.#act(unknownAction(risk, onUnknown), start, past, starts, probe.why);
  }

  async #act(
    action: ResumeAction,
    start: Begun,
    past: PastStep | undefined,
    starts: number,
    why: string,
  ): Promise<StepOutcome> {
    const attempt = (past?.attempts ?? 0) + 1;
    switch (action.kind) {
      case 'reuse':
        return this.#reuse(past);
      case 'skip':
        return skipped(this.#path, 'unknown');
      case 'fail':
        throw unknownState(this.#path, this.#scope.environment.run, why);
      case 'run':
      case 'rerun':
      case 'probe':
      case 'ask': {
        if (await this.#isDoneAlready(start.one)) return skipped(this.#path, 'done');
        if (action.kind === 'ask') await this.#mayRepeat(why);
        else await this.#mayRun(start);
        return this.#run(start, starts, attempt);
      }
      default:
        return action satisfies never;
    }
  }

  async #reuse(past: PastStep | undefined): Promise<StepOutcome> {
    const { environment } = this.#scope;
    const record: StepRun = {
      id: this.#path,
      status: 'succeeded',
      attempts: 0,
      seconds: 0,
      ...past?.result,
      reused: true,
    };
    await environment.record({ kind: 'step-reused', at: environment.now(), ...this.#place(), result: record });
    return { record, nested: [] };
  }

  #probe({ input, one }: Begun, { key, attempts }: PastStep): Promise<Probe<unknown>> {
    const { kind } = this.#step;
    const runtime = runtimeOf(this.#about(one), attempts, key, this.#options.signal);
    return kind.probe?.(input, this.#scope.environment.context, runtime) ?? Promise.resolve({ state: 'notDone' });
  }

  /** It had been done before the run was taken up: its output counts as if it had been heard. */
  #found(start: Begun, { attempts }: PastStep, given: unknown): StepOutcome {
    const output = parse(this.#step.kind, this.#path, 'output', given);
    const hasFailed = (found: unknown): boolean => this.#hasFailed(start, found);
    const error = failureOf({ ...this.#about(start.one), input: start.input, hasFailed }, output);
    const tried: Attempted = { attempts, output, ...(error !== undefined && { error }) };
    return this.#outcome(performance.now(), start, tried, { reused: true });
  }

  async #run(start: Begun, firstStart: number, firstAttempt = 1): Promise<StepOutcome> {
    const begun = performance.now();
    const { environment } = this.#scope;
    const { identity, input, one } = start;
    const commands = this.#step.kind.commands(asPartial(input), environment.context, this.#step.where);
    const tried = await attemptStep({
      ...this.#about(one),
      input,
      signal: this.#options.signal,
      firstStart,
      firstAttempt,
      hasFailed: output => this.#hasFailed(start, output),
      keyOf: number => startKey(environment.run, identity, number),
      begin: (attempt, key) =>
        environment.record({
          kind: 'step-started',
          at: environment.now(),
          ...this.#place(),
          ...startOf(identity),
          attempt,
          key,
          commands: [...commands],
        }),
    });
    return this.#outcome(begun, start, tried, { commands: [...commands] });
  }

  #outcome(begun: number, start: Begun, tried: Attempted, more: Partial<StepRun>): StepOutcome {
    const begin = start.identity === nobody ? {} : { start: startOf(start.identity) };
    if (tried.error !== undefined) return { ...this.#failed(begun, tried, more), ...begin };
    const changed = this.#changed(start, tried.output);
    const warning = this.#step.kind.warning?.(tried.output, start.input, this.#scope.environment.context);
    const record: StepRun = {
      id: this.#path,
      status: 'succeeded',
      attempts: tried.attempts,
      seconds: secondsSince(begun),
      outputs: tried.output,
      ...(changed !== undefined && { changed }),
      ...(warning !== undefined && { warning }),
      ...more,
    };
    return { record, nested: [], ...begin };
  }

  #failed(begun: number, { attempts, error, output }: Attempted, more: Partial<StepRun> = {}): StepOutcome {
    const record: StepRun = {
      id: this.#path,
      status: this.#options.signal.aborted ? 'cancelled' : 'failed',
      attempts,
      seconds: secondsSince(begun),
      error: describe(error),
      ...(isUncertain(error) && attempts > 0 && { uncertain: true }),
      ...(output !== undefined && { outputs: output }),
      ...more,
    };
    return { record, error, nested: [] };
  }

  async #included({ path, values }: One, input: Readonly<Record<string, unknown>>): Promise<StepOutcome> {
    const { include } = this.#step;
    if (include === undefined) throw new TypeError('only a step that includes a runbook has its steps');
    const begun = performance.now();
    const params = paramsOfIncluded(include, input['params']);
    const { signal } = this.#options;
    const { outcomes, outputs, failed } = await this.#scope.runIncluded({
      runbook: include,
      params,
      prefix: `${path}/`,
      signal,
    });
    const own =
      failed === undefined && !signal.aborted
        ? this.#outcome(begun, { one: { path, values }, input, identity: nobody }, { attempts: 1, output: outputs }, {})
        : this.#failed(begun, { attempts: 1, error: failed?.error ?? signal.reason });
    return { ...own, nested: outcomes };
  }

  async #isDoneAlready({ values }: One): Promise<boolean> {
    const { check, where, killAfterSeconds, timeoutSeconds } = this.#step;
    if (check === undefined) return false;
    const { environment } = this.#scope;
    const input = parse(check.kind, this.#path, 'input', fillAll(check.with, values));
    const step = { ...this.#step, kind: check.kind, where, killAfterSeconds, timeoutSeconds: timeoutSeconds ?? 60 };
    // Asked anew each time: a key of its own.
    const key = randomBytes(8).toString('hex');
    const runtime = runtimeOf({ step, path: this.#path, environment }, 1, key, this.#options.signal);
    const output = await check.kind.run(input, environment.context, runtime);
    return check.kind.failure?.(output, input, environment.context) === undefined;
  }

  /** Where the fleet file wants somebody to agree before such a step. */
  async #mayRun({ input }: Begun): Promise<void> {
    const { environment } = this.#scope;
    const { kind, risk, where } = this.#step;
    if (!isAsked(risk, environment.askFrom)) return;
    const [command] = kind.commands(asPartial(input), environment.context, where);
    const what = command === undefined ? kind.name : `${kind.name}: ${command.slice(0, 200)}`;
    await this.#approve(`run this step (${risk}) of "${environment.runbook.name}"? ${what}`);
  }

  async #mayRepeat(why: string): Promise<void> {
    await this.#approve(`it may have been done already (${why}). Run it again?`);
  }

  async #approve(question: string): Promise<void> {
    const { environment } = this.#scope;
    const request = { question, count: 1, ttlSeconds: approvalSeconds, onTimeout: 'deny' } as const;
    await environment.approvals.request(this.#place(), request, this.#options.signal);
  }

  async #forgive(outcome: StepOutcome): Promise<StepOutcome> {
    const { continueOnError } = this.#step;
    if (outcome.record.status !== 'failed' || outcome.record.forgiven === true) return outcome;
    const goesOn = typeof continueOnError === 'boolean' ? continueOnError : this.#isTrue(continueOnError);
    return goesOn ? { ...outcome, record: { ...outcome.record, forgiven: true } } : outcome;
  }

  /** A condition that cannot be evaluated does not hold. */
  #isTrue(condition: Expression): boolean {
    try {
      return condition.evaluate(this.#values()) === true;
    } catch {
      return false;
    }
  }

  async #rescue(outcome: StepOutcome): Promise<StepOutcome> {
    const { rescue } = this.#step;
    if (rescue.length === 0 || !isBad(outcome.record)) return outcome;
    const nested = await this.#behind(rescue, outcome, true);
    const isRescued = outcome.record.status === 'failed' && nested.every(({ record }) => !isBad(record));
    const record: StepRun = isRescued ? { ...outcome.record, rescued: true } : outcome.record;
    if (isRescued) await this.#ended({ ...outcome, record });
    return { ...outcome, record, nested: [...outcome.nested, ...nested] };
  }

  async #finish(outcome: StepOutcome): Promise<StepOutcome> {
    const { always } = this.#step;
    if (always.length === 0) return outcome;
    const nested = await this.#behind(always, outcome, false);
    const failed = nested.find(({ record }) => isBad(record));
    const all = { ...outcome, nested: [...outcome.nested, ...nested] };
    if (failed === undefined || isBad(outcome.record)) return all;
    // What must always be done was not: the step has not succeeded.
    const record: StepRun = {
      ...outcome.record,
      status: 'failed',
      ...(failed.record.error && { error: failed.record.error }),
    };
    await this.#ended({ ...outcome, record });
    return { ...all, record, error: failed.error };
  }

  async #behind(steps: readonly Step<Context>[], outcome: StepOutcome, stopsAtFailure: boolean) {
    const { record, error } = outcome;
    const failure = isBad(record) ? { ...(record.error ?? describe(error)), step: record.id } : undefined;
    const cleanUp = cleanUpSignal(this.#scope.environment.signal);
    try {
      return await this.#scope.runSequence(steps, { signal: cleanUp.signal, failure, stopsAtFailure });
    } finally {
      cleanUp.dispose();
    }
  }

  #hasFailed({ one }: Begun, output: unknown): boolean {
    const { failedWhen } = this.#step;
    return failedWhen !== undefined && failedWhen.evaluate(this.#withOutput(one, output)) === true;
  }

  #changed({ one }: Begun, output: unknown): boolean | undefined {
    const { changedWhen } = this.#step;
    if (changedWhen !== undefined) return changedWhen.evaluate(this.#withOutput(one, output)) === true;
    const said = typeof output === 'object' && output !== null && 'changed' in output ? output.changed : undefined;
    return typeof said === 'boolean' ? said : undefined;
  }

  /** What the step's own conditions read: its output is there already. */
  #withOutput({ values }: One, output: unknown): Readonly<Record<string, unknown>> {
    return { ...values, steps: { ...Object(values['steps']), [this.#step.id]: output } };
  }

  #values(): Readonly<Record<string, unknown>> {
    return this.#scope.values(this.#options.extra);
  }

  #about({ path }: One) {
    return { step: this.#step, path, environment: this.#scope.environment };
  }

  #place() {
    const { run, host } = this.#scope.environment;
    return { run, host: host.name, step: this.#path };
  }

  /** Makes the end durable. What was taken from an earlier run is on disk already. */
  async #ended({ record: result, start }: StepOutcome): Promise<void> {
    const { environment } = this.#scope;
    if (result.reused === true && start === undefined) return;
    const event = { kind: 'step-ended', at: environment.now(), ...this.#place(), result } as const;
    await environment.record({ ...event, ...(start && { start }) });
  }
}

/** The step itself, or one of its items. */
interface One {
  readonly path: string;
  readonly item?: unknown;
  readonly values: Readonly<Record<string, unknown>>;
}

interface Begun {
  readonly one: One;
  readonly input: unknown;
  readonly identity: StepIdentity;
}

const nobody: StepIdentity = { host: '', step: '', input: '', once: false };

function startOf({ input, item, once }: StepIdentity) {
  return { input, ...(item !== undefined && { item }), ...(once && { once }) };
}

function isAsked(risk: Risk, askFrom: 'none' | Exclude<Risk, 'read'>): boolean {
  if (askFrom === 'none' || risk === 'read') return false;
  return askFrom === 'write' || risk === 'disruptive';
}

function asPartial(input: unknown): never {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it was checked against the kind's own schema
  return input as never;
}

function unknownState(path: string, run: string, why: string): HangarError {
  return new HangarError({
    code: 'STEP_STATE_UNKNOWN',
    message: `whether step "${path}" was done before the run broke off cannot be said: ${why}`,
    fix: `look there; then start anew, or say what to do in the runbook (onUnknown) and: runbook resume ${run} --with-changes`,
    failure: 'step',
  });
}
