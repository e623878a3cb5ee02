import type { GlobalOptions, Io } from './io.ts';

/** Lines of progress on stderr: one that is rewritten on a terminal, plain lines elsewhere, none with `--quiet`. */
export interface Progress {
  /** What is being done now. */
  line(text: string): void;
  /** What stays: the end of a step. */
  done(text: string): void;
  end(): void;
}

export async function showProgress({ quiet }: Pick<GlobalOptions, 'quiet'>, io: Pick<Io, 'stderr'>): Promise<Progress> {
  if (quiet) return { line: () => {}, done: () => {}, end: () => {} };
  const { stderr } = io;
  if (stderr.isTTY !== true)
    return { line: text => stderr.write(`${text}\n`), done: text => stderr.write(`${text}\n`), end: () => {} };
  const { createLogUpdate } = await import('log-update');
  const live = createLogUpdate(stderr);
  return {
    line: text => live(text),
    done(text) {
      live.clear();
      stderr.write(`${text}\n`);
    },
    end: () => live.clear(),
  };
}
