import type { Runbook, Step } from '../runbook/runbook.ts';
import type { HostEnvironment } from './environment.ts';
import type { StepOutcome } from './outcome.ts';
import type { RunError } from './run.ts';

/** What failed, for the steps of `rescue` and `always`. */
export interface Failure extends RunError {
  readonly step: string;
}

export interface SequenceOptions {
  readonly signal: AbortSignal;
  readonly failure: Failure | undefined;
  /** The first step that fails ends it. */
  readonly stopsAtFailure: boolean;
}

/** The steps of one runbook on one host, as a single step sees them. */
export interface StepScope<Context> {
  readonly environment: HostEnvironment<Context>;
  /** Of the includes above: `deploy/`. */
  readonly prefix: string;
  /** What expressions read, with more names. */
  values(extra?: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
  /** Steps that clean up behind others: one after the other, never taken from an earlier run. */
  runSequence(steps: readonly Step<Context>[], options: SequenceOptions): Promise<readonly StepOutcome[]>;
  /** The steps of an included runbook in a scope of their own. */
  runIncluded(options: IncludeOptions<Context>): Promise<Included>;
}

export interface IncludeOptions<Context> {
  readonly runbook: Runbook<Context>;
  readonly params: Readonly<Record<string, unknown>>;
  readonly prefix: string;
  readonly signal: AbortSignal;
}

export interface Included {
  readonly outcomes: readonly StepOutcome[];
  /** Those of its steps that succeeded, by id. */
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly failed?: StepOutcome;
}
