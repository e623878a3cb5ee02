import type { CelType } from './cel-type.ts';
import type { Expression } from './expression.ts';
import type { Risk, StepKind } from './step-kind.ts';
import type { Template } from './template.ts';

/** A step kind whose input and output types are known only to itself: `with` was checked against its schemas. */
export type AnyStepKind<Context> = StepKind<Context, unknown>;

export type StepKinds<Context> = ReadonlyMap<string, AnyStepKind<Context>>;

/** A runbook file that was read and checked whole: every name in it exists, every expression has a type. */
export interface Runbook<Context> {
  /** Where it was read. */
  readonly path: string;
  /** Its text, kept with each run. */
  readonly text: string;
  readonly name: string;
  readonly summary: string;
  readonly params: ReadonlyMap<string, Param>;
  readonly fanout: Fanout;
  readonly steps: readonly Step<Context>[];
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

/** A value of a param: seconds for a duration, bytes for a size. */
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
}

/** A number of hosts, or a share of all of them. */
export type Amount = { readonly count: number } | { readonly percent: number };

export interface Step<Context> {
  readonly id: string;
  readonly kind: AnyStepKind<Context>;
  readonly risk: Risk;
  readonly with: Readonly<Record<string, Template>>;
  /** Ids of the steps it waits for. */
  readonly needs: readonly string[];
  readonly where: 'host' | 'controller';
  readonly when?: Expression;
  readonly finishWhen?: Expression;
  readonly failedWhen?: Expression;
  readonly continueOnError: boolean | Expression;
  readonly timeoutSeconds?: number;
  readonly retry?: Retry;
  /** What `steps.ID` holds once it succeeded. */
  readonly output: CelType;
}

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
