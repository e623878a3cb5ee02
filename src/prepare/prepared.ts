/** What a script of this folder says that it did. */
export interface Prepared {
  readonly changed: readonly Told[];
  /** What `removeScript` leaves on purpose. */
  readonly kept: readonly Told[];
  /** Warnings too: whether it matters, the exit code says (0: it does not). */
  readonly failed: readonly Told[];
  /** Whether the script came to its end. */
  readonly isDone: boolean;
}

export interface Told {
  /** Of the requirement, as `package:gdb`; `stamp`, `lock`, `root` and `packages` beside. */
  readonly id: string;
  readonly text: string;
}

/** Exit codes of the scripts (common.sh). */
export const prepareExit = { failed: 30, busy: 31, unable: 32 } as const;

/** Reads the output of `prepareScript` or `removeScript`; lines of any other kind are passed over. */
export function readPrepared(stdout: string): Prepared {
  const lines = stdout.split('\n').map(line => /^(changed|kept|failed) (\S+) ?(.*)$/.exec(line));
  const told = (kind: string): readonly Told[] =>
    lines.flatMap(found => (found?.[1] === kind ? [{ id: found[2] ?? '', text: found[3] ?? '' }] : []));
  return {
    changed: told('changed'),
    kept: told('kept'),
    failed: told('failed'),
    isDone: stdout.trimEnd().split('\n').at(-1) === 'done',
  };
}
