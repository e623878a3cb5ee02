import { HangarError, messageOf } from '../errors.ts';
import type { RunError, StepRun } from './run.ts';

/** What became of a step, with the error that made it fail. */
export interface StepOutcome {
  readonly record: StepRun;
  readonly error?: unknown;
  /** What became of the steps that belong to it: of the runbook it includes, of its rescue and of its always. */
  readonly nested: readonly StepOutcome[];
  /** With place and name what identifies it; absent: it was not begun. */
  readonly start?: StepStart;
}

export interface StepStart {
  readonly input: string;
  readonly item?: unknown;
  readonly once?: boolean;
}

/** An error as it is kept with a run. */
export function describe(error: unknown): RunError {
  if (error instanceof HangarError) return { code: error.code, message: error.message, fix: error.fix };
  return { code: 'INTERNAL', message: messageOf(error), fix: 'run it again with --verbose and report what it prints' };
}

/** It failed, and nothing made up for that. */
export function isBad({ status, forgiven, rescued }: StepRun): boolean {
  return status === 'cancelled' || (status === 'failed' && forgiven !== true && rescued !== true);
}

/** What needs this step cannot run. */
export function blocks(record: StepRun): boolean {
  if (record.status !== 'skipped') return isBad(record);
  return record.reason === 'blocked' || record.reason === 'finished' || record.reason === 'cancelled';
}

export function skipped(id: string, reason: NonNullable<StepRun['reason']>): StepOutcome {
  return { record: { id, status: 'skipped', reason, attempts: 0, seconds: 0 }, nested: [] };
}

/** Nobody knows whether what failed this way had its effect: it was cut off, or ended from outside. */
export function isUncertain(error: unknown): boolean {
  return error instanceof HangarError && (error.failure === 'unreachable' || error.failure === 'cancelled');
}

export function isUnreachable(error: unknown): boolean {
  return error instanceof HangarError && error.failure === 'unreachable';
}

/** Of a host whose steps were done: 4 where one of them warns (contract, `Exit codes`). */
export function doneCode(steps: readonly StepRun[]): number {
  return steps.some(({ warning }) => warning !== undefined) ? 4 : 0;
}

export function exitCodeOf(error: unknown): number {
  return error instanceof HangarError ? error.exitCode : 1;
}

export function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
