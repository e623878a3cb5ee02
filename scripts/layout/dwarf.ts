import { spawnSync } from 'node:child_process';

/** Values of C constant expressions over an ELF file's DWARF; those that name what is not there are left out. */
export type Constants = ReadonlyMap<string, number>;

/** One run of gdb over all expressions (gdb manual, `printf`); nothing of the file is executed. */
export function evaluate(library: string, expressions: readonly string[]): Constants {
  const commands = expressions.flatMap((expression, index) => [
    '-ex',
    `printf "#${index}=%ld\\n", (long)(${expression})`,
  ]);
  const { stdout, error } = spawnSync('gdb', ['-nx', '-batch', '-iex', 'set auto-load no', ...commands, library], {
    encoding: 'utf8',
    maxBuffer: 16 << 20,
  });
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
