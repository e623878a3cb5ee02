import { HangarError, messageOf } from '../errors.ts';
import type { RunError, RunEvent, StepRun } from './run.ts';
import type { ParamValues, Runbook } from './runbook.ts';

/** What a host's steps are run with. */
export interface HostEnvironment<Context> {
  readonly run: string;
  readonly runbook: Runbook<Context>;
  readonly params: ParamValues;
  readonly signal: AbortSignal;
  readonly record: (event: RunEvent) => Promise<void>;
  readonly onEvent: (event: RunEvent) => void;
  readonly ask: (question: string) => Promise<boolean | undefined>;
  readonly now: () => string;
}

/** What became of a step, with the error that made it fail. */
export interface StepOutcome {
  readonly record: StepRun;
  readonly error?: unknown;
  /** The run goes on although it failed. */
  readonly isForgiven?: boolean;
}

/** An error as it is kept with a run. */
export function describe(error: unknown): RunError {
  if (error instanceof HangarError) return { code: error.code, message: error.message, fix: error.fix };
  return { code: 'INTERNAL', message: messageOf(error), fix: 'run it again with --verbose and report what it prints' };
}

export function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
