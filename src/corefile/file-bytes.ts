import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Memory } from './memory.ts';
import { UnreadableMemoryError } from './memory.ts';

/** Bytes of a file by offset, read in blocks through a bounded cache: the size of the file never matters. */
export interface FileBytes {
  /** Size when it was opened, in bytes. */
  readonly size: number;
  /** The bytes at `offset`, fewer at the end of the file. Shares storage with the cache: read it, do not write it. */
  read(offset: number, length: number): Buffer;
  /** As `read`, past the cache: for who keeps what was read. */
  readOnce(offset: number, length: number): Buffer;
  close(): void;
}

/** A page: pointers lead from one to another, and what lies beside it is seldom asked for. */
const blockBytes = 4 * 1024;
/** What spans more blocks is read at once and not kept: tables, and pieces of a search. */
const maxBlocksAtOnce = 4;

/** @throws the system's error (`ENOENT`, `EACCES`, …) */
export function openFileBytes(path: string, cacheBytes = 16 * 1024 * 1024): FileBytes {
  const fd = openSync(path, 'r');
  const { size } = fstatSync(fd);
  const maxBlocks = Math.max(2, Math.floor(cacheBytes / blockBytes));
  // A Map iterates in insertion order: its first key is the block that was loaded longest ago.
  const blocks = new Map<number, Buffer>();

  function block(index: number): Buffer {
    const cached = blocks.get(index);
    if (cached !== undefined) return cached;
    if (blocks.size >= maxBlocks) blocks.delete(blocks.keys().next().value ?? index);
    const loaded = readFully(fd, index * blockBytes, Math.min(blockBytes, size - index * blockBytes));
    blocks.set(index, loaded);
    return loaded;
  }

  return {
    size,
    read(offset, length) {
      const end = Math.min(offset + length, size);
      if (!(offset >= 0 && offset < end)) return Buffer.alloc(0);
      const first = Math.floor(offset / blockBytes);
      const within = offset - first * blockBytes;
      if (end <= (first + 1) * blockBytes) return block(first).subarray(within, within + end - offset);
      if (end - offset > maxBlocksAtOnce * blockBytes) return readFully(fd, offset, end - offset);
      const parts: Buffer[] = [];
      for (let at = offset; at < end; ) {
        const index = Math.floor(at / blockBytes);
        const from = at - index * blockBytes;
        const part = block(index).subarray(from, Math.min(blockBytes, from + end - at));
        if (part.length === 0) break; // The file shrank since it was opened.
        parts.push(part);
        at += part.length;
      }
      return Buffer.concat(parts);
    },
    readOnce(offset, length) {
      const end = Math.min(offset + length, size);
      return offset >= 0 && offset < end ? readFully(fd, offset, end - offset) : Buffer.alloc(0);
    },
    close: () => closeSync(fd),
  };
}

/** A file's bytes with its offsets as addresses. */
export function fileAsMemory(file: FileBytes): Memory {
  return {
    read(address, length) {
      const bytes = address < 0n ? Buffer.alloc(0) : file.read(Number(address), length);
      if (bytes.length < length) throw new UnreadableMemoryError(address, length);
      return bytes;
    },
  };
}

function readFully(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, bytes, done, length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
