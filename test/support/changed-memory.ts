import type { Memory } from '../../src/corefile/memory.ts';

/** A word of memory that is another one. */
export type Word = readonly [address: bigint, value: bigint];

/** Addresses of the words that something reads. */
export function wordsOf(memory: Memory, act: (seen: Memory) => unknown): ReadonlySet<bigint> {
  const words = new Set<bigint>();
  act({
    read: (address, length) => {
      for (let at = 0; at < Math.min(length, 512); at += 8) words.add((address & ~7n) + BigInt(at));
      return memory.read(address, length);
    },
  });
  return words;
}

/** A view of memory in which some words are others. */
export function changed(memory: Memory, words: readonly Word[]): Memory {
  if (words.length === 0) return memory;
  return {
    read: (address, length) => {
      const bytes = Buffer.from(memory.read(address, length));
      for (const [at, value] of words) {
        const word = Buffer.alloc(8);
        word.writeBigUInt64LE(value);
        for (const [index, byte] of word.entries()) {
          const offset = at + BigInt(index) - address;
          if (offset >= 0n && offset < BigInt(length)) bytes[Number(offset)] = byte;
        }
      }
      return bytes;
    },
  };
}
