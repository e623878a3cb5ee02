import type { Evidence, PythonTask } from '../python/process.ts';
import { plainName } from './native-names.ts';
import { packagePath, shortName } from './origin.ts';
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
  /** Addresses of tasks and greenlets that wait, directly or not, for a root, or for the thread that it keeps from them. */
  readonly tasks?: readonly bigint[];
  /** What was read, where: a doubter can read it again. */
  readonly evidence: readonly Evidence[];
  /** One next action. */
  readonly next: string;
  /** Equal for the same cause in another process: class, functions and files, never a line, pid or address. */
  readonly signature: string;
}

/** Where a cause stands: the innermost application frame of the thread, or of a task that it runs. */
export interface Root {
  readonly lwp: number;
  readonly function: string;
  readonly file: string;
  /** 0 where only a native function is known. */
  readonly line: number;
  /** The suspended task, or greenlet, that it is: its thread is free. */
  readonly task?: Pick<PythonTask, 'kind' | 'name' | 'address'>;
}

/** Without what differs between the Pythons of two hosts: qualified names, and where the packages of a version lie. */
export function signatureOf(kind: FindingClass, roots: readonly Root[]): string {
  const places = new Set(roots.map(root => `${nameAnywhere(root.function)}@${packagePath(root.file) ?? root.file}`));
  return [kind, ...[...places].sort()].join(' ');
}

/** Before 3.11 code objects have no qualified name. */
function nameAnywhere(name: string): string {
  return name.includes('.') && qualifiedName.test(name) ? shortName(name) : plainName(name);
}

/** PEP 3155: identifiers, `<locals>`, `<lambda>`. */
const qualifiedName = /^(?:[\p{L}_][\p{L}\p{N}_]*|<\w+>)(?:\.(?:[\p{L}_][\p{L}\p{N}_]*|<\w+>))+$/u;
