import { baseName } from '../python/frames/names.ts';

/** A Python frame's place, as short as people read it: `count_orders (shop.py:9)`. */
export function shortPlace({ function: name, file, line }: { function: string; file: string; line: number }): string {
  return `${name} (${baseName(file)}:${line})`;
}

/** Whether a file is the standard library's, by where a prefix has it (sysconfig: lib/pythonX.Y, without its packages). */
export function isStandardLibrary(file: string): boolean {
  return /\/lib(?:64)?\/python\d\.\d+t?\/(?!(?:site|dist)-packages)/.test(file);
}
