import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Values of C constant expressions over an ELF file's DWARF; those that name what is not there are left out. */
export type Constants = ReadonlyMap<string, number>;

/**
 * One run of gdb over all expressions (gdb manual, `printf`); nothing of the file is executed.
 * @param root where its separate debug file lies below `usr/lib/debug`
 */
export function evaluate(library: string, expressions: readonly string[], root = '/'): Constants {
  const commands = expressions.flatMap((expression, index) => [
    '-ex',
    `printf "#${index}=%ld\\n", (long)(${expression})`,
  ]);
  const settings = ['set auto-load no', `set debug-file-directory ${join(root, 'usr/lib/debug')}`];
  const { stdout, error } = spawnSync(
    'gdb',
    ['-nx', '-batch', ...settings.flatMap(setting => ['-iex', setting]), ...commands, library],
    { encoding: 'utf8', maxBuffer: 16 << 20 },
  );
  if (error) throw new Error('gdb could not be started', { cause: error });
  const found = new Map<string, number>();
  for (const [, index, value] of stdout.matchAll(/^#(\d+)=(-?\d+)$/gm)) {
    const expression = expressions[Number(index)];
    if (expression !== undefined) found.set(expression, Number(value));
  }
  return found;
}

/** `offsetof(type, member)` as an expression. */
export function offsetOf(type: string, member: string): string {
  return `&((${type} *)0)->${member}`;
}
