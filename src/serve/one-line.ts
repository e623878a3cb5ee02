import { HangarError, messageOf } from '../errors.ts';

/** An error as one line: without the lines that it quotes from a file. */
export function oneLine(error: unknown): string {
  if (!(error instanceof HangarError)) return messageOf(error);
  const lines = error.message.split('\n').filter(line => !line.startsWith('    '));
  return `${error.code}: ${lines.join('; ')}`;
}
