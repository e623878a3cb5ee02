import type { CelType } from './cel-type.ts';
import type { Expression } from './expression.ts';
import type { Place, Risk, StepKind } from './step-kind.ts';
import type { Template } from './template.ts';

/** A step kind whose input and output types are known only to itself: `with` was checked against its schemas. */
export type AnyStepKind<Context> = StepKind<Context, unknown>;

export type StepKinds<Context> = ReadonlyMap<string, AnyStepKind<Context>>;

/** A runbook file that was read and checked whole: every name in it exists, every expression has a type. */
export interface Runbook<Context> {
  /** Where it was read. */
  readonly path: string;
  /** All files that it was read from, by path: itself and what it includes. Kept with each run. */
  readonly files: Readonly<Record<string, string>>;
  readonly name: string;
  readonly summary: string;
  readonly params: ReadonlyMap<string, Param>;
  readonly fanout: Fanout;
  readonly steps: readonly Step<Context>[];
  /** Run one after the other on a host that failed, before `always`. */
  readonly rescue: readonly Step<Context>[];
  /** Run last on each host, one after the other, whatever happened. */
  readonly always: readonly Step<Context>[];
}

export const paramTypes = [
  'string',
  'integer',
  'number',
  'boolean',
  'duration',
  'size',
  'enum',
  'list',
  'path',
  'secret',
] as const;
export type ParamType = (typeof paramTypes)[number];

/** A value of a param: seconds for a duration, bytes for a size, the reference (`env:TOKEN`) for a secret. */
export type ParamValue = string | number | boolean | readonly string[];
export type ParamValues = Readonly<Record<string, ParamValue>>;

export interface Param {
  /** CamelCase; the command line has it in kebab-case. */
  readonly name: string;
  readonly type: ParamType;
  readonly required: boolean;
  readonly default?: ParamValue;
  /** Of an enum. */
  readonly values?: readonly string[];
  /** Of numbers, in seconds for a duration, bytes for a size. */
  readonly min?: number;
  readonly max?: number;
  /** A regular expression that the whole text matches. */
  readonly pattern?: string;
  readonly help: string;
}

export interface Fanout {
  /** Hosts at the same time. */
  readonly concurrency: number;
  /** Sizes of the batches of hosts, one after the other; the last one repeats. */
  readonly serial: readonly Amount[];
  /** No host is started any more once this many have failed. */
  readonly maxFailures?: Amount;
  readonly order: 'inventory' | 'reverse' | 'name' | 'random';
}

/** A number of hosts, or a share of all of them. */
export type Amount = { readonly count: number } | { readonly percent: number };

export interface Step<Context> {
  /** Of a step of an included runbook: `INCLUDE/ID`. */
  readonly id: string;
  readonly kind: AnyStepKind<Context>;
  readonly risk: Risk;
  readonly with: Readonly<Record<string, Template>>;
  /** Ids of the steps it waits for. */
  readonly needs: readonly string[];
  readonly where: Place;
  /** On the first host only; the others get its outputs. */
  readonly once: boolean;
  readonly foreach?: Foreach;
  /** Succeeds where the step is done already: a step of a kind that runs shell text. */
  readonly check?: Check<Context>;
  readonly when?: Expression;
  readonly finishWhen?: Expression;
  readonly failedWhen?: Expression;
  readonly changedWhen?: Expression;
  readonly continueOnError: boolean | Expression;
  readonly timeoutSeconds?: number;
  /** Between the request to end and the kill. */
  readonly killAfterSeconds: number;
  readonly retry?: Retry;
  readonly onUnknown: OnUnknown;
  /** Run one after the other when the step failed; if they succeed the run goes on. */
  readonly rescue: readonly Step<Context>[];
  /** Run one after the other behind the step, whatever became of it. */
  readonly always: readonly Step<Context>[];
  /** The runbook that it stands for; `with.params` gives its params. */
  readonly include?: Runbook<Context>;
  /** What `steps.ID` holds once it succeeded. */
  readonly output: CelType;
}

export interface Foreach {
  readonly items: Expression;
  /** Items at the same time. */
  readonly concurrency: number;
}

/** A look whether a step is done already. */
export interface Check<Context> {
  readonly kind: AnyStepKind<Context>;
  readonly with: Readonly<Record<string, Template>>;
}

/** What to do with a step of which, after a crash, nobody can say whether it was done. */
export type OnUnknown = 'ask' | 'rerun' | 'skip' | 'fail';

export interface Retry {
  /** All in all, the first one included. */
  readonly attempts: number;
  /** Before the second attempt. */
  readonly delaySeconds: number;
  /** Each further delay is this many times the one before. */
  readonly backoff: number;
  /** Share of the delay, 0 to 1, that is added at random at most. */
  readonly jitter: number;
  /** What is tried again; absent: every failure. Numbers are exit codes of a command. */
  readonly on?: readonly (number | 'timeout' | 'connection')[];
}
