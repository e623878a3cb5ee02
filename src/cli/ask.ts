import { createInterface } from 'node:readline';
import type { Io } from './io.ts';

/** A yes/no question at the terminal; undefined where there is none. Anything but a yes is a no. */
export function askAt({
  stdin,
  stderr,
}: Pick<Io, 'stdin' | 'stderr'>): (question: string) => Promise<boolean | undefined> {
  return async question => {
    if (stdin.isTTY !== true || stderr.isTTY !== true) return undefined;
    const terminal = createInterface({ input: stdin, output: stderr });
    // The terminal is in raw mode meanwhile: Ctrl-C comes as a key, not as a signal.
    terminal.on('SIGINT', () => process.emit('SIGINT'));
    try {
      return await new Promise<boolean>(resolve => {
        terminal.once('close', () => resolve(false));
        terminal.question(`\n${question} [y/N] `, answer => resolve(/^\s*y(es)?\s*$/i.test(answer)));
      });
    } finally {
      terminal.close();
    }
  };
}
