import { createInterface } from 'node:readline';
import type { Io } from './io.ts';

/** A yes/no question at the terminal; undefined where there is none, and once the signal says that it is over. */
export function askAt({
  stdin,
  stderr,
}: Pick<Io, 'stdin' | 'stderr'>): (question: string, signal?: AbortSignal) => Promise<boolean | undefined> {
  let last: Promise<unknown> = Promise.resolve();
  return async (question, signal) => {
    if (stdin.isTTY !== true || stderr.isTTY !== true) return undefined;
    // One question at a time, whatever number of hosts asks.
    const answer = last.then(() => askOne(question, signal));
    last = answer.catch(() => undefined);
    return answer;
  };

  async function askOne(question: string, signal: AbortSignal | undefined): Promise<boolean | undefined> {
    if (signal?.aborted === true) return undefined;
    const terminal = createInterface({ input: stdin, output: stderr });
    // The terminal is in raw mode meanwhile: Ctrl-C comes as a key, not as a signal.
    terminal.on('SIGINT', () => process.emit('SIGINT'));
    try {
      return await new Promise<boolean | undefined>(resolve => {
        signal?.addEventListener('abort', () => resolve(undefined), { once: true });
        // Anything but a yes is a no.
        terminal.once('close', () => resolve(false));
        terminal.question(`\n${question} [y/N] `, answer => resolve(/^\s*y(es)?\s*$/i.test(answer)));
      });
    } finally {
      terminal.close();
    }
  }
}
