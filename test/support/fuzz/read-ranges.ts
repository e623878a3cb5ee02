import type { CoreFile } from '../../../src/corefile/core.ts';
import { indexElfFiles } from '../../../src/corefile/index-files.ts';
import type { Memory } from '../../../src/corefile/memory.ts';
import { withModuleFiles } from '../../../src/corefile/module-memory.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { readModuleSymbols } from '../../../src/corefile/symbols.ts';
import { readPython } from '../../../src/python/read-python.ts';
import { judge } from '../../../src/verdict/judge.ts';

/** Which bytes of a core its analysis reads, as offsets into its file. */
export interface ReadRanges {
  /** Offset behind the last byte of memory. */
  readonly memoryEnd: number;
  /** One of the bytes that are read, chosen by a number. */
  inside(choice: number): number;
  /** One of the bytes of memory whose page is not read. */
  outside(choice: number): number;
  /** Address in the process; 0 for a byte of no segment. */
  addressOf(offset: number): bigint;
}

interface Range {
  readonly offset: number;
  readonly bytes: number;
}

const pageBytes = 4096;

/** Runs an analysis without native stacks, and notes what it reads of the core's memory; its headers and notes as well. */
export async function readRanges(path: string): Promise<ReadRanges> {
  const core = await openCore(path);
  const read: Range[] = [{ offset: 0, bytes: headerBytes(core) }];
  const memory: Memory = {
    read(address, length) {
      const bytes = core.memory.read(address, length);
      const offset = offsetOf(core, address);
      if (offset !== undefined) read.push({ offset, bytes: length });
      return bytes;
    },
  };
  analyzeFrom(core, memory);
  core.close();
  return rangesOf(core, distinct(read));
}

function analyzeFrom(core: CoreFile, traced: Memory): void {
  const modules = resolveModules(readModules({ ...core, memory: traced }), indexElfFiles([]), {
    localPaths: true,
    searched: [],
  });
  const memory = withModuleFiles(traced, modules);
  try {
    const symbols = new Map(modules.map(module => [module, readModuleSymbols(module, traced)]));
    const python = readPython({
      memory,
      core,
      modules,
      symbol: (module, name) => symbols.get(module)?.find(name)?.address,
    });
    judge({ core, modules, memory, ...(python && { python }), native: [] });
  } finally {
    memory.close();
  }
}

/** Before the first segment lie the ELF header, the program headers and the notes. */
function headerBytes({ segments }: CoreFile): number {
  return Number(
    segments.reduce(
      (least, { fileOffset, fileBytes }) => (fileBytes > 0n && fileOffset < least ? fileOffset : least),
      1n << 40n,
    ),
  );
}

function offsetOf({ segments }: CoreFile, address: bigint): number | undefined {
  const holds = segments.find(segment => address >= segment.address && address < segment.address + segment.fileBytes);
  return holds && Number(holds.fileOffset + address - holds.address);
}

/** Each read once, those of nothing left out, in the order of the file. */
function distinct(ranges: readonly Range[]): readonly Range[] {
  const byKey = new Map(
    ranges.filter(({ bytes }) => bytes > 0).map(range => [`${range.offset} ${range.bytes}`, range]),
  );
  return [...byKey.values()].toSorted((a, b) => a.offset - b.offset || a.bytes - b.bytes);
}

function rangesOf({ segments }: CoreFile, ranges: readonly Range[]): ReadRanges {
  const readPages = new Set(
    ranges.flatMap(range => {
      const first = Math.floor(range.offset / pageBytes);
      const last = Math.floor((range.offset + range.bytes - 1) / pageBytes);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    }),
  );
  const unread = segments.flatMap(({ fileOffset, fileBytes }) => {
    const first = Math.ceil(Number(fileOffset) / pageBytes);
    const count = Math.floor(Number(fileBytes) / pageBytes);
    return Array.from({ length: Math.max(0, count - 1) }, (_, index) => first + index).filter(
      page => !readPages.has(page),
    );
  });
  return {
    memoryEnd: segments.reduce((end, { fileOffset, fileBytes }) => Math.max(end, Number(fileOffset + fileBytes)), 0),
    inside(choice) {
      // Small ranges are pointers and counts, as telling as a long table: ranges are chosen alike, whatever their length.
      const range = ranges[choice % ranges.length];
      return range === undefined ? 0 : range.offset + (Math.floor(choice / ranges.length) % range.bytes);
    },
    outside: choice =>
      (unread[choice % unread.length] ?? 0) * pageBytes + (Math.floor(choice / unread.length) % pageBytes),
    addressOf(offset) {
      const holds = segments.find(
        ({ fileOffset, fileBytes }) => offset >= fileOffset && offset < fileOffset + fileBytes,
      );
      return holds === undefined ? 0n : holds.address + BigInt(offset) - holds.fileOffset;
    },
  };
}
