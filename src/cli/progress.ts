import type { GlobalOptions, Io } from './io.ts';

/** Lines of progress on stderr: one that is rewritten on a terminal, plain lines elsewhere, none with `--quiet`. */
export interface Progress {
  /** What is being done now. */
  line(text: string): void;
  /** What stays: the end of a step. */
  done(text: string): void;
  end(): void;
}

const eraseLine = '\r\u001b[2K';

export function showProgress({ quiet }: Pick<GlobalOptions, 'quiet'>, { stderr }: Pick<Io, 'stderr'>): Progress {
  if (quiet) return { line: () => {}, done: () => {}, end: () => {} };
  if (stderr.isTTY !== true)
    return { line: text => stderr.write(`${text}\n`), done: text => stderr.write(`${text}\n`), end: () => {} };
  let isOpen = false;
  const clear = (): void => {
    if (isOpen) stderr.write(eraseLine);
    isOpen = false;
  };
  return {
    line(text) {
      stderr.write(`${eraseLine}${text.slice(0, (stderr.columns ?? 80) - 1)}`);
      isOpen = true;
    },
    done(text) {
      clear();
      stderr.write(`${text}\n`);
    },
    end: clear,
  };
}
