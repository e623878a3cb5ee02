import { type Arbitrary, array, bigInt, nat, oneof, tuple } from 'fast-check';
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

/** One to three of these words as others: any, or the address of another of them. */
export function changesOf(addresses: readonly bigint[]): Arbitrary<readonly Word[]> {
  const place = nat(addresses.length - 1);
  return array(tuple(place, oneof(bigInt(0n, (1n << 64n) - 1n), place)), { minLength: 1, maxLength: 3 }).map(changes =>
    changes.map(([at, value]) => [addresses[at] ?? 0n, typeof value === 'bigint' ? value : (addresses[value] ?? 0n)]),
  );
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
