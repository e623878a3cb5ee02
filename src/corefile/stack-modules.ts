import { attempt } from './attempt.ts';
import type { CoreFile, Segment } from './core.ts';
import type { Module } from './module.ts';

/**
 * Modules that the threads' stacks lead through, those nearest to a thread's innermost frame first: whatever a program
 * counter is in, or a word of a stack that is an address of code. It takes no symbols and no unwinding; what calls that
 * are over left on a stack may add a module, and deeper than `scannedBytes` one may be missed.
 */
export function modulesOnStacks(
  { threads, memory, segments }: Pick<CoreFile, 'threads' | 'memory' | 'segments'>,
  modules: readonly Module[],
): readonly Module[] {
  const codeAt = codeFinder(segments, modules);
  const depths = new Map<Module, number>();
  const note = (address: bigint, depth: number): void => {
    const module = codeAt(address);
    if (module !== undefined && depth < (depths.get(module) ?? scannedBytes)) depths.set(module, depth);
  };
  for (const { pc, stackPointer } of threads) {
    note(pc, 0);
    for (let depth = 0; depth < scannedBytes; depth += pageBytes) {
      const page = attempt(() => memory.read(stackPointer + BigInt(depth), pageBytes));
      if (page === undefined) break;
      for (let at = 0; at < page.length; at += 8) note(page.readBigUInt64LE(at), depth + at);
    }
  }
  return [...depths].sort(([, a], [, b]) => a - b).map(([module]) => module);
}

/** A Python frame takes half a kilobyte of C stack: what lies deeper are calls of the same modules. */
const scannedBytes = 256 * 1024;
const pageBytes = 4096;

/** What equals its file is often not dumped: where no segment says what an address is, the module alone decides. */
function codeFinder(segments: readonly Segment[], modules: readonly Module[]): (address: bigint) => Module | undefined {
  const lowest = modules.reduce((least, { start }) => (start < least ? start : least), 1n << 64n);
  const highest = modules.reduce((most, { end }) => (end > most ? end : most), 0n);
  return wanted => {
    if (wanted < lowest || wanted >= highest) return undefined;
    const module = modules.find(({ start, end }) => wanted >= start && wanted < end);
    if (module === undefined) return undefined;
    const segment = segments.find(({ address, memoryBytes }) => wanted >= address && wanted < address + memoryBytes);
    return segment === undefined || segment.executable ? module : undefined;
  };
}
