import { attempt } from './attempt.ts';
import type { ProgramHeader } from './elf.ts';
import { readElfHeader, readProgramHeaders, segmentFlag, segmentType } from './elf.ts';
import type { FileBytes } from './file-bytes.ts';
import { fileAsMemory, openFileBytes } from './file-bytes.ts';
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
    return dumped ?? readFromFile(address, length);
  }

  function readFromFile(address: bigint, length: number): Buffer {
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
      // A page is dumped or not as a whole.
      if (Number(address & 0xfffn) + length <= 4096) return readFromFile(address, length);
      const pieces: Buffer[] = [];
      for (let done = 0; done < length; ) {
        const at = address + BigInt(done);
        const piece = readPiece(at, Math.min(length - done, 4096 - Number(at & 0xfffn)));
        pieces.push(piece);
        done += piece.length;
      }
      return Buffer.concat(pieces);
    },
    close() {
      for (const image of images) image.close();
    },
  };
}

const maxReadBytes = 16 * 1024 * 1024;
/** Each module's part of the cache: a walk touches few pages of a file. */
const cacheBytes = 256 * 1024;

function programsOf(file: FileBytes): readonly ProgramHeader[] {
  const bytes = fileAsMemory(file);
  const programs = attempt(() => {
    const header = readElfHeader(bytes, 0n);
    return header && readProgramHeaders(bytes, header.programOffset, header.programCount);
  });
  return programs ?? [];
}

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
    constant = programsOf(file)
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
