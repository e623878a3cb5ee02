import type { z } from 'zod';
import type { HangarError } from '../errors.ts';

/** How much harm a step can do: decides what `--dry-run=probe` runs and what an approval asks. */
export type Risk = 'read' | 'write' | 'disruptive';

/** Where a step's commands run. */
export type Place = 'host' | 'controller';

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
  /** Inputs whose text is code: no `${{ }}` may stand in them, values come through `env`. */
  readonly literal?: readonly string[];
  /** Shape of `steps.ID`; JSON values only. */
  readonly output: z.ZodType<Output>;
  /**
   * The commands it would run, as the dry run prints them and the record keeps them; `<…>` where a value is known only
   * later. Secrets in the input are masked by the engine.
   */
  commands(input: Partial<Input>, context: Context, where: Place): readonly string[];
  run(input: Input, context: Context, runtime: StepRuntime): Promise<Output>;
  /** Why an output counts as a failure where the step has no `failedWhen` of its own; absent: no output does. */
  failure?(output: Output, input: Input, context: Context): HangarError | undefined;
  /** What is worth a warning (exit code 4) although the step succeeded; absent: nothing is. */
  warning?(output: Output, input: Input, context: Context): string | undefined;
  /**
   * What became of an earlier start under `runtime.key` whose end nobody heard of. Absent: unknown, but for a kind that
   * only reads, which may always run again. Changes nothing.
   */
  probe?(input: Input, context: Context, runtime: StepRuntime): Promise<Probe<Output>>;
}

/** What is known of a step that was started before a crash. */
export type Probe<Output> =
  /** It had its effect, and this is what it gave. */
  | { readonly state: 'done'; readonly output: Output }
  /** `run` may be called with the same key: nothing happened yet, or it joins what still runs there. */
  | { readonly state: 'notDone' }
  | { readonly state: 'unknown'; readonly why: string };

export interface StepRuntime {
  /** Aborted on time-out and on cancel; its reason is the HangarError to throw. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /**
   * Idempotency key, 16 hex digits: the same when a start is taken up again after a crash or a lost connection, another
   * one for each attempt that begins anew.
   */
  readonly key: string;
  readonly where: Place;
  /** Longest that the step may take, in seconds; remote work is limited to it on the host too. */
  readonly timeoutSeconds?: number;
  /** Between the request to end and the kill, in seconds. */
  readonly killAfterSeconds: number;
  /** What is known of the output so far: the record has it if the step fails. */
  readonly keep: (output: unknown) => void;
  /** One line of progress for people. */
  readonly progress: (text: string) => void;
  /** A yes/no question to the person at the terminal; undefined when nobody can be asked. */
  readonly ask: (question: string) => Promise<boolean | undefined>;
  /** Waits for people to agree (`runbook approve`, or the terminal). @throws HangarError `APPROVAL_DENIED` */
  readonly approve: (request: ApprovalRequest) => Promise<Approval>;
  /** A private directory of this run on the controller, for files that a step keeps; made when first asked for. */
  readonly folder: () => Promise<string>;
}

export interface ApprovalRequest {
  readonly question: string;
  /** Different people who must agree. */
  readonly count: number;
  /** How long an answer is waited for, in seconds. */
  readonly ttlSeconds: number;
  readonly onTimeout: 'deny' | 'approve';
  /** Login names of those who may answer; absent: everybody who may write the state directory. */
  readonly by?: readonly string[];
}

export interface Approval {
  /** Who agreed; empty where the time ran out and that counts as a yes. */
  readonly approvedBy: readonly string[];
}
