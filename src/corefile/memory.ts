import { HangarError } from '../errors.ts';

/** Bytes of a process image by virtual address. Little-endian, 64-bit (x86-64, AArch64). */
export interface Memory {
  /**
   * The `length` bytes at `address`. The result may share storage with a cache: read it, do not write it.
   * @throws UnreadableMemoryError when any of them is not there.
   */
  read(address: bigint, length: number): Buffer;
}

/** No bytes are known at an address: not mapped, not dumped, or cut off. */
export class UnreadableMemoryError extends HangarError {
  readonly address: bigint;

  constructor(address: bigint, length: number) {
    super({
      code: 'MEMORY_UNREADABLE',
      message: `no memory at ${formatAddress(address)} (${length} bytes)`,
      fix: 'give the modules that the process had mapped: --modules DIR',
      failure: 'step',
    });
    this.address = address;
  }
}

/** `0x…`, the form of every address in JSON and text. */
export function formatAddress(address: bigint): string {
  return `0x${address.toString(16)}`;
}

export function readI32(memory: Memory, address: bigint): number {
  return memory.read(address, 4).readInt32LE();
}

export function readU32(memory: Memory, address: bigint): number {
  return memory.read(address, 4).readUInt32LE();
}

export function readI64(memory: Memory, address: bigint): bigint {
  return memory.read(address, 8).readBigInt64LE();
}

export function readU64(memory: Memory, address: bigint): bigint {
  return memory.read(address, 8).readBigUInt64LE();
}

/** Same width as `readU64`; says that the value is an address. */
export function readPointer(memory: Memory, address: bigint): bigint {
  return readU64(memory, address);
}

/** The NUL-terminated bytes at `address` as UTF-8, at most `limit` bytes of them. */
export function readCString(memory: Memory, address: bigint, limit = 4096): string {
  const chunks: Buffer[] = [];
  for (let done = 0; done < limit; ) {
    // Stay within one page, so that a string before unreadable memory is still read.
    const room = 4096 - Number((address + BigInt(done)) & 0xfffn);
    const chunk = memory.read(address + BigInt(done), Math.min(room, limit - done));
    const end = chunk.indexOf(0);
    chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    if (end >= 0) break;
    done += chunk.length;
  }
  return Buffer.concat(chunks).toString('utf8');
}
