import { attempt } from './attempt.ts';
import type { Memory } from './memory.ts';
import { readCString, readPointer } from './memory.ts';

/** Tags of the dynamic section, elf.h. */
export const dynamicTag = { end: 0n, strings: 5n, soname: 14n, debug: 21n } as const;

/** An entry of the dynamic linker's list: `struct link_map`, link.h. */
export interface LoadedLibrary {
  readonly bias: bigint;
  readonly name: string;
  readonly dynamic: bigint;
}

/** More than any process loads; bounds a list that a damaged core leads astray. */
export const maxModules = 4096;
const maxDynamicEntries = 512;

/** The libraries of the list that the executable's dynamic section leads to; the executable itself is left out. */
export function readLinkMap(memory: Memory, dynamic: bigint | undefined): readonly LoadedLibrary[] {
  const debug = dynamic === undefined ? undefined : attempt(() => dynamicEntry(memory, dynamic, dynamicTag.debug));
  // `r_map` follows `r_version` and its padding.
  let at = debug === undefined ? 0n : (attempt(() => readPointer(memory, debug + 8n)) ?? 0n);
  const seen = new Set<bigint>();
  const libraries: LoadedLibrary[] = [];
  while (at !== 0n && !seen.has(at) && seen.size < maxModules) {
    seen.add(at);
    const here = at;
    const entry = attempt(() => memory.read(here, 32));
    if (entry === undefined) break;
    const name = attempt(() => readCString(memory, entry.readBigUInt64LE(8))) ?? '';
    const library = { bias: entry.readBigUInt64LE(0), name, dynamic: entry.readBigUInt64LE(16) };
    // The first entry is the executable itself.
    if (library.dynamic !== dynamic) libraries.push(library);
    at = entry.readBigUInt64LE(24);
  }
  return libraries;
}

/**
 * Value of a tag in a dynamic section.
 * @throws UnreadableMemoryError
 */
export function dynamicEntry(memory: Memory, dynamic: bigint, wanted: bigint): bigint | undefined {
  for (let index = 0; index < maxDynamicEntries; index++) {
    const tag = readPointer(memory, dynamic + BigInt(index) * 16n);
    if (tag === dynamicTag.end) return undefined;
    if (tag === wanted) return readPointer(memory, dynamic + BigInt(index) * 16n + 8n);
  }
  return undefined;
}
