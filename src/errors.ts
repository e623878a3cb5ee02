/** What an error means for the caller; each kind has one exit code (contract, `Command line`). */
export type Failure = 'usage' | 'step' | 'unreachable' | 'cancelled' | 'denied';

const exitCodes = { usage: 2, step: 3, unreachable: 5, cancelled: 6, denied: 7 } as const satisfies Record<
  Failure,
  number
>;

export interface ErrorDetail {
  /** Stable, `UPPER_SNAKE`; users match on it. */
  readonly code: string;
  /** What happened, with the datum quoted and expected against found; lower case, no final stop. */
  readonly message: string;
  /** What to do, imperative; the command to type where there is one. */
  readonly fix: string;
  readonly failure: Failure;
  readonly cause?: unknown;
}

/** An error that an operator reads: what, why (`cause`), and what to do (`fix`). */
export class HangarError extends Error {
  readonly code: string;
  readonly fix: string;
  readonly failure: Failure;

  constructor({ code, message, fix, failure, cause }: ErrorDetail) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.fix = fix;
    this.failure = failure;
  }

  /** The process exit code that this error alone leads to. */
  get exitCode(): number {
    return exitCodes[this.failure];
  }
}

/** The state directory, or a part of it, cannot be made. */
export function stateUnwritable(path: string, cause: unknown): HangarError {
  return new HangarError({
    code: 'STATE_UNWRITABLE',
    message: `cannot make the directory "${path}"`,
    fix: 'name a directory that you may write: --state DIR',
    failure: 'usage',
    cause,
  });
}

/** The message of anything thrown, on one line. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replaceAll(/\s*\n\s*/g, '; ');
}
