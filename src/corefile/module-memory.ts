import { attempt } from './attempt.ts';
import { segmentFlag, segmentType } from './elf.ts';
import { describeElfFile } from './elf-file.ts';
import type { FileBytes } from './file-bytes.ts';
import { openFileBytes } from './file-bytes.ts';
import type { Memory } from './memory.ts';
import { UnreadableMemoryError } from './memory.ts';
import type { Module } from './module.ts';

export interface ModuleMemory extends Memory {
  close(): void;
}

/**
 * `memory`, and where it has nothing, the read-only parts of the found module files: pages that equal the file are
 * usually not dumped. Writable parts are never taken from a file, they would be values from before the program ran.
 */
export function withModuleFiles(memory: Memory, modules: readonly Module[]): ModuleMemory {
  const images = modules.flatMap(module =>
    module.file.status === 'found' ? [openImage(module, module.file.path)] : [],
  );

  function readPiece(address: bigint, length: number): Buffer {
    const dumped = attempt(() => memory.read(address, length));
    if (dumped !== undefined) return dumped;
    const image = images.find(({ start, end }) => address >= start && address < end);
    const bytes = image?.read(address, length);
    if (bytes === undefined) throw new UnreadableMemoryError(address, length);
    return bytes;
  }

  return {
    read(address, length) {
      const whole = attempt(() => memory.read(address, length));
      if (whole !== undefined) return whole;
      if (!(length > 0 && length <= maxReadBytes)) throw new UnreadableMemoryError(address, length);
      const pieces: Buffer[] = [];
      // A page is dumped or not as a whole.
      for (let done = 0; done < length; ) {
        const at = address + BigInt(done);
        const piece = readPiece(at, Math.min(length - done, 4096 - Number(at & 0xfffn)));
        pieces.push(piece);
        done += piece.length;
      }
      const [first] = pieces;
      return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
    },
    close() {
      for (const image of images) image.close();
    },
  };
}

const maxReadBytes = 16 * 1024 * 1024;
/** Each module's part of the cache: a walk touches few pages of a file. */
const cacheBytes = 256 * 1024;

interface ModuleImage {
  readonly start: bigint;
  readonly end: bigint;
  read(address: bigint, length: number): Buffer | undefined;
  close(): void;
}

function openImage({ bias, start, end }: Module, path: string): ModuleImage {
  let file: FileBytes | undefined;
  let constant: readonly { readonly from: bigint; readonly to: bigint; readonly offset: bigint }[] = [];

  function open(): FileBytes {
    file = openFileBytes(path, cacheBytes);
    constant = (describeElfFile(file)?.programs ?? [])
      .filter(({ type, flags }) => type === segmentType.load && (flags & segmentFlag.writable) === 0)
      .map(program => ({
        from: bias + program.address,
        to: bias + program.address + program.fileBytes,
        offset: program.offset,
      }));
    return file;
  }

  return {
    start,
    end,
    read(address, length) {
      const opened = file ?? open();
      const part = constant.find(({ from, to }) => address >= from && address + BigInt(length) <= to);
      if (part === undefined) return undefined;
      const bytes = opened.read(Number(part.offset + address - part.from), length);
      return bytes.length === length ? bytes : undefined;
    },
    close: () => file?.close(),
  };
}
