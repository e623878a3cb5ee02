import { attempt } from './attempt.ts';
import { readElfHeader, readProgramHeaders, segmentType } from './elf.ts';
import type { Section } from './elf-file.ts';
import { type ReadElfFile, readElfFile, sectionType, withFile } from './elf-file.ts';
import type { FileBytes } from './file-bytes.ts';
import type { Memory } from './memory.ts';
import { readU32 } from './memory.ts';
import type { Module } from './module.ts';

export interface ElfSymbol {
  /** As the symbol table says: without load bias in `SymbolTable`, the process's own in `ModuleSymbols`. */
  readonly address: bigint;
  /** In bytes; 0 when unknown. */
  readonly size: bigint;
}

/** Symbols of one file by exact name. */
export interface SymbolTable {
  /** `full`: has .symtab or debug information; `dynamic`: .dynsym only. */
  readonly symbols: 'full' | 'dynamic' | 'none';
  /** Has DWARF (.debug_info). */
  readonly hasDebugInfo: boolean;
  /** A defined symbol of that name, from .symtab, else .dynsym. */
  find(name: string): ElfSymbol | undefined;
}

/** Names of a module in the process's own addresses, from whatever is there: debug file, file, dumped memory. */
export interface ModuleSymbols {
  readonly symbols: SymbolTable['symbols'];
  find(name: string): ElfSymbol | undefined;
}

/** Reads which tables a file has; the tables themselves when a name is asked for. A file that is no ELF file has none. */
export function readSymbols(path: string, readFile: ReadElfFile = readElfFile): SymbolTable {
  const sections = readFile(path)?.sections ?? [];
  const tables = [sectionType.symbols, sectionType.dynamicSymbols].flatMap(wanted =>
    sections.filter(({ type, bytes }) => type === wanted && bytes > 0n),
  );
  const hasDebugInfo = sections.some(
    ({ name, type, bytes }) => /^\.z?debug_info$/.test(name) && type !== sectionType.empty && bytes > 0n,
  );
  const isFull = hasDebugInfo || tables.some(({ type }) => type === sectionType.symbols);
  return {
    symbols: isFull ? 'full' : tables.length > 0 ? 'dynamic' : 'none',
    hasDebugInfo,
    find: name =>
      tables.length === 0
        ? undefined
        : withFile(path, file => firstOf(tables, table => findInSection(file, sections, table, name))),
  };
}

/** Names of one module of a core, in the process's addresses. Each of its tables is opened when it is first needed. */
export function readModuleSymbols(module: Module, memory: Memory, readFile: ReadElfFile = readElfFile): ModuleSymbols {
  const { file, bias } = module;
  const paths = file.status === 'found' ? [file.debugPath ?? [], file.path].flat() : [];
  const tables = once(() => paths.map(path => readSymbols(path, readFile)));
  const dynamic = once(() => dynamicSection(module, memory));
  return {
    get symbols() {
      const ranks = tables().map(({ symbols }) => symbols);
      if (ranks.includes('full')) return 'full';
      return ranks.includes('dynamic') || dynamic() ? 'dynamic' : 'none';
    },
    find(name) {
      // A hash table leads to an exported name in a few steps; files are searched for the others alone.
      const table = dynamic();
      const exported = table && attempt(() => findByHash(memory, table, bias, name));
      if (exported !== undefined) return exported;
      const inFile = firstOf(tables(), each => each.find(name));
      return inFile && { ...inFile, address: inFile.address + bias };
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

const symbolBytes = 24;
/** Tables of the largest programs; anything above is damage. */
const maxTableBytes = 256n * 1024n * 1024n;
const chunkBytes = 1536 * 1024;

/**
 * Linkers share the tails of names, so every place where the bytes `name\0` occur is a possible `st_name`. Both tables
 * are read in chunks: a symbol table of 100 MB costs time, not memory.
 */
function findInSection(
  file: FileBytes,
  sections: readonly Section[],
  table: Section,
  name: string,
): ElfSymbol | undefined {
  const strings = sections[table.link];
  if (strings === undefined || strings.bytes > maxTableBytes || table.bytes > maxTableBytes) return undefined;
  const offsets = occurrences(file, strings, Buffer.from(`${name}\0`));
  if (offsets.size === 0) return undefined;
  for (const { bytes } of chunks(file, table, 0)) {
    for (let at = 0; at + symbolBytes <= bytes.length; at += symbolBytes)
      if (offsets.has(bytes.readUInt32LE(at)) && bytes.readUInt16LE(at + 6) !== 0) return parseSymbol(bytes, at);
  }
  return undefined;
}

function occurrences(file: FileBytes, strings: Section, needle: Buffer): ReadonlySet<number> {
  const found = new Set<number>();
  for (const { at, bytes } of chunks(file, strings, needle.length - 1))
    for (let index = bytes.indexOf(needle); index >= 0; index = bytes.indexOf(needle, index + 1)) found.add(at + index);
  return found;
}

function* chunks(
  file: FileBytes,
  section: Section,
  overlap: number,
): Generator<{ readonly at: number; readonly bytes: Buffer }> {
  const size = Number(section.bytes);
  for (let at = 0; at < size; at += chunkBytes)
    yield { at, bytes: file.read(Number(section.offset) + at, Math.min(chunkBytes + overlap, size - at)) };
}

/** `Elf64_Sym`, elf(5). */
function parseSymbol(bytes: Buffer, at: number): ElfSymbol {
  return { address: bytes.readBigUInt64LE(at + 8), size: bytes.readBigUInt64LE(at + 16) };
}

const maxDynamicBytes = 512n * 16n;

interface DynamicSection {
  readonly symbols: bigint;
  readonly strings: bigint;
  readonly gnuHash: bigint;
}

/** Where the mapped module has its dynamic symbols; undefined when those pages are not to be had. */
function dynamicSection(module: Module, memory: Memory): DynamicSection | undefined {
  return attempt(() => {
    const header = readElfHeader(memory, module.start);
    if (header === undefined || header.programOffset > 0xffffn) return undefined;
    const programs = readProgramHeaders(memory, module.start + header.programOffset, header.programCount);
    const dynamic = programs.find(({ type }) => type === segmentType.dynamic);
    if (dynamic === undefined) return undefined;
    const values = new Map<bigint, bigint>();
    const bytes = Number(dynamic.memoryBytes < maxDynamicBytes ? dynamic.memoryBytes : maxDynamicBytes);
    const entries = memory.read(module.bias + dynamic.address, bytes);
    for (let at = 0; at + 16 <= entries.length; at += 16) {
      const tag = entries.readBigUInt64LE(at);
      if (tag === 0n) break;
      values.set(tag, entries.readBigUInt64LE(at + 8));
    }
    // The dynamic linker relocates these in place for libraries, not for the vDSO.
    const address = (tag: bigint): bigint | undefined => {
      const value = values.get(tag);
      return value !== undefined && value < module.start ? value + module.bias : value;
    };
    const [strings, symbols, gnuHash] = [address(5n), address(6n), address(0x6ffffef5n)];
    if (strings === undefined || symbols === undefined || gnuHash === undefined) return undefined;
    memory.read(symbols, symbolBytes);
    return { symbols, strings, gnuHash };
  });
}

/** Looks a name up as the dynamic linker does: DT_GNU_HASH (glibc elf/dl-lookup.c, do_lookup_x). */
function findByHash(memory: Memory, table: DynamicSection, bias: bigint, name: string): ElfSymbol | undefined {
  const { gnuHash } = table;
  const bucketCount = readU32(memory, gnuHash);
  const firstIndex = readU32(memory, gnuHash + 4n);
  const bloomWords = readU32(memory, gnuHash + 8n);
  if (bucketCount === 0) return undefined;
  const buckets = gnuHash + 16n + BigInt(bloomWords) * 8n;
  const chains = buckets + BigInt(bucketCount) * 4n;
  const hash = hashName(name);
  const wanted = Buffer.from(`${name}\0`);
  let index = readU32(memory, buckets + BigInt(hash % bucketCount) * 4n);
  if (index < firstIndex) return undefined;
  for (let steps = 0; steps < 10_000; steps++, index++) {
    const chained = readU32(memory, chains + BigInt(index - firstIndex) * 4n);
    if (chained >>> 1 === hash >>> 1) {
      const symbol = memory.read(table.symbols + BigInt(index) * BigInt(symbolBytes), symbolBytes);
      const nameAt = table.strings + BigInt(symbol.readUInt32LE(0));
      if (symbol.readUInt16LE(6) !== 0 && attempt(() => memory.read(nameAt, wanted.length))?.equals(wanted) === true) {
        const { address, size } = parseSymbol(symbol, 0);
        return { address: address + bias, size };
      }
    }
    if ((chained & 1) === 1) return undefined;
  }
  return undefined;
}

function hashName(name: string): number {
  let hash = 5381;
  for (const byte of Buffer.from(name)) hash = (Math.imul(hash, 33) + byte) >>> 0;
  return hash;
}

function firstOf<T, R>(items: readonly T[], use: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = use(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
