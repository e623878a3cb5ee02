import { assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import type { Memory } from '../../../src/corefile/memory.ts';
import { withSavedStack } from '../../../src/python/greenlets/saved-stack.ts';

/** Each byte is the low byte of its address. */
const plain: Memory = {
  read: (address, length) => Buffer.from(Array.from({ length }, (_, at) => Number((address + BigInt(at)) & 0xffn))),
};

test('whatever is read, bytes of the saved part come from the copy, and all others from where they are', () => {
  const [start, bytes, copy] = [0x1_0000n, 300n, 0x5_0013n];
  const seen = withSavedStack(plain, { start, bytes, copy });
  assert(
    property(integer({ min: -200, max: 500 }), integer({ min: 1, max: 600 }), (from, length) => {
      const address = start + BigInt(from);
      const expected = Array.from({ length }, (_, at) => {
        const each = address + BigInt(at);
        const isSaved = each >= start && each < start + bytes;
        return Number((isSaved ? copy + (each - start) : each) & 0xffn);
      });
      expect([...seen.read(address, length)]).toEqual(expected);
    }),
    { numRuns: 300, seed: 7 },
  );
});

test('where nothing was saved the memory is as it is', () => {
  expect(withSavedStack(plain, { start: 0x1000n, bytes: 0n, copy: 0n })).toBe(plain);
});
