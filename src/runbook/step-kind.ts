import type { z } from 'zod';

/** How much harm a step can do: decides what `--dry-run=probe` runs and what an approval asks. */
export type Risk = 'read' | 'write' | 'disruptive';

/**
 * What a runbook step can do. Knows its domain and its inputs, nothing of order, retries or durability.
 * `Context` is what all steps of a run share for one host (connection, case folder); the engine only passes it on.
 */
export interface StepKind<Context, Input = never, Output = unknown> {
  readonly name: string;
  /** One line for `runbook list --steps`. */
  readonly summary: string;
  readonly risk: Risk;
  /** Shape of `with`; unknown keys are refused. */
  readonly input: z.ZodType<Input>;
  /** Shape of `steps.ID`; JSON values only. */
  readonly output: z.ZodType<Output>;
  /** The commands it would run, as the dry run prints them; `<…>` where a value is known only later. */
  commands(input: Partial<Input>, context: Context): readonly string[];
  run(input: Input, context: Context, runtime: StepRuntime): Promise<Output>;
}

export interface StepRuntime {
  /** Aborted on time-out and on cancel; its reason is the HangarError to throw. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** One line of progress for people. */
  readonly progress: (text: string) => void;
  /** A yes/no question to the person at the terminal; undefined when nobody can be asked. */
  readonly ask: (question: string) => Promise<boolean | undefined>;
}
