import type { Evidence } from '../python/process.ts';
import type { Confidence } from './thread.ts';

export type FindingClass =
  | 'deadlock'
  | 'busy-loop'
  | 'busy-native'
  | 'blocking-io'
  | 'lock-wait'
  | 'orphaned-lock'
  | 'wait-notify'
  | 'sleep'
  | 'uninterruptible'
  | 'stopped'
  | 'pool-exhausted'
  | 'unreadable';

/** One cause of a hang. */
export interface Finding {
  readonly class: FindingClass;
  readonly confidence: Confidence;
  /** One sentence: what, where, whom it stops. */
  readonly summary: string;
  readonly roots: readonly Root[];
  /** LWPs that wait, directly or not, for a root; ascending. */
  readonly victims: readonly number[];
  /** What was read, where: a doubter can read it again. */
  readonly evidence: readonly Evidence[];
  /** One next action. */
  readonly next: string;
  /** Equal for the same cause in another process: class, functions and files, never a line, pid or address. */
  readonly signature: string;
}

/** Where a cause stands: the thread's innermost application frame. */
export interface Root {
  readonly lwp: number;
  readonly function: string;
  readonly file: string;
  /** 0 where only a native function is known. */
  readonly line: number;
}

export function signatureOf(kind: FindingClass, roots: readonly Root[]): string {
  const places = new Set(roots.map(root => `${root.function}@${root.file}`));
  return [kind, ...[...places].sort()].join(' ');
}
