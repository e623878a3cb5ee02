import type { Memory } from '../../corefile/memory.ts';

/** The lower end of a C stack that was copied to the heap, for another to use its place. */
export interface SavedStack {
  /** Lowest address of the stack. */
  readonly start: bigint;
  /** Bytes from there on that lie in the copy. */
  readonly bytes: bigint;
  readonly copy: bigint;
}

/** A memory in which the stack is as it was when its owner stopped running. */
export function withSavedStack(memory: Memory, { start, bytes, copy }: SavedStack): Memory {
  if (bytes <= 0n) return memory;
  const end = start + bytes;
  const read = (address: bigint, length: number): Buffer => {
    const last = address + BigInt(length);
    if (length <= 0 || last <= start || address >= end) return memory.read(address, length);
    if (address < start) return joined(address, length, start);
    if (last > end) return joined(address, length, end);
    return memory.read(copy + (address - start), length);
  };
  const joined = (address: bigint, length: number, at: bigint) => {
    const first = Number(at - address);
    return Buffer.concat([read(address, first), read(at, length - first)], length);
  };
  return { read };
}
