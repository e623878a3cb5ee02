import { statSync } from 'node:fs';
import { attempt } from './attempt.ts';
import type { BuildId } from './build-id.ts';
import type { ElfHeader, ProgramHeader } from './elf.ts';
import { elfType, readElfHeader, readProgramHeaders, segmentType, viewOf } from './elf.ts';
import type { FileBytes } from './file-bytes.ts';
import { fileAsMemory, openFileBytes } from './file-bytes.ts';
import type { Memory } from './memory.ts';
import { buildIdAmong } from './read-build-id.ts';

/** What an executable, a library or a debug file says of itself in headers and notes. */
export interface ElfFile {
  readonly machine: number;
  readonly buildId?: BuildId;
  readonly programs: readonly ProgramHeader[];
  readonly sections: readonly Section[];
  /** Holds symbols only: its code sections have no bytes (objcopy --only-keep-debug). */
  readonly isDebugOnly: boolean;
  /** Ends before its program headers say. */
  readonly isTruncated: boolean;
}

/** `Elf64_Shdr` (elf(5)). */
export interface Section {
  readonly name: string;
  readonly type: number;
  readonly flags: bigint;
  readonly offset: bigint;
  readonly bytes: bigint;
  readonly link: number;
}

export const sectionType = { symbols: 2, note: 7, empty: 8, dynamicSymbols: 11 } as const;

/**
 * Reads headers and notes of an ELF executable, library, debug file or what dwz(1) takes out of several (which has the
 * type of an object file); undefined for anything else, or unreadable.
 */
export function readElfFile(path: string): ElfFile | undefined {
  return withFile(path, file => describeElfFile(file));
}

export type ReadElfFile = typeof readElfFile;

/** `readElfFile` that reads each path once: for one analysis, in which several ask about the same files. */
export function elfFileReader(): ReadElfFile {
  const read = new Map<string, ElfFile | undefined>();
  return path => {
    if (!read.has(path)) read.set(path, readElfFile(path));
    return read.get(path);
  };
}

/** Opens, uses and closes; undefined where the file cannot be opened, is no regular file or is cut off. */
export function withFile<T>(path: string, use: (file: FileBytes) => T): T | undefined {
  let file: FileBytes;
  try {
    // A directory opens and cannot be read; a pipe waits for its writer. Paths may come from a damaged core.
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
    file = openFileBytes(path, 1024 * 1024);
  } catch {
    return undefined;
  }
  try {
    return attempt(() => use(file));
  } finally {
    file.close();
  }
}

export function describeElfFile(file: FileBytes): ElfFile | undefined {
  const bytes = fileAsMemory(file);
  const header = file.size < 64 ? undefined : readElfHeader(bytes, 0n);
  if (header === undefined || !fileTypes.includes(header.type)) return undefined;
  const programs = readProgramHeaders(bytes, header.programOffset, header.programCount);
  const table = attempt(() => readSectionTable(bytes, header)) ?? noSections;
  let parsed: readonly Section[] | undefined;
  const sections = () => (parsed ??= parseSections(table));
  const isDebugOnly = hasEmptyCode(table);
  const buildId = readFileBuildId(bytes, programs, sections, isDebugOnly);
  return {
    machine: header.machine,
    ...(buildId && { buildId }),
    programs,
    // Most files are only asked for their build-id.
    get sections() {
      return sections();
    },
    isDebugOnly,
    isTruncated: isDebugOnly
      ? sections().some(({ type, offset, bytes: size }) => type !== sectionType.empty && offset + size > file.size)
      : programs.some(({ type, offset, fileBytes }) => type === segmentType.load && offset + fileBytes > file.size),
  };
}

const fileTypes: readonly number[] = [elfType.relocatable, elfType.executable, elfType.shared];
/** SHF_EXECINSTR, elf.h. */
const codeFlag = 4;
const sectionHeaderBytes = 64;
/** Objects compiled with one section a function are not loaded files; e_shnum above 0xff00 is extended numbering. */
const maxSections = 0xff00;

/** As they are in the file. */
interface SectionTable {
  readonly table: Buffer;
  readonly names: Buffer;
}

const noSections: SectionTable = { table: Buffer.alloc(0), names: Buffer.alloc(0) };

function readSectionTable(bytes: Memory, header: ElfHeader): SectionTable {
  const count = Math.min(header.sectionCount, maxSections);
  if (count === 0 || header.sectionOffset === 0n) return noSections;
  const table = bytes.read(header.sectionOffset, count * sectionHeaderBytes);
  return { table, names: readSectionNames(bytes, table, header.sectionNamesIndex) };
}

function hasEmptyCode({ table }: SectionTable): boolean {
  for (let at = 0; at < table.length; at += sectionHeaderBytes)
    if (table.readUInt32LE(at + 4) === sectionType.empty && (table.readUInt32LE(at + 8) & codeFlag) !== 0) return true;
  return false;
}

function parseSections({ table, names }: SectionTable): readonly Section[] {
  const view = viewOf(table);
  return Array.from({ length: table.length / sectionHeaderBytes }, (_, index): Section => {
    const at = index * sectionHeaderBytes;
    const nameAt = view.getUint32(at, true);
    const nameEnd = names.indexOf(0, nameAt);
    return {
      name: nameEnd < 0 ? '' : names.toString('latin1', nameAt, nameEnd),
      type: view.getUint32(at + 4, true),
      flags: view.getBigUint64(at + 8, true),
      offset: view.getBigUint64(at + 24, true),
      bytes: view.getBigUint64(at + 32, true),
      link: view.getUint32(at + 40, true),
    };
  });
}

function readSectionNames(bytes: Memory, table: Buffer, index: number): Buffer {
  const at = index * sectionHeaderBytes;
  if (at + sectionHeaderBytes > table.length) return Buffer.alloc(0);
  const size = table.readBigUInt64LE(at + 32);
  if (size > 0x10_0000n) return Buffer.alloc(0);
  return attempt(() => bytes.read(table.readBigUInt64LE(at + 24), Number(size))) ?? Buffer.alloc(0);
}

/** In a debug file the program headers still name offsets of the file it was made from. */
function readFileBuildId(
  bytes: Memory,
  programs: readonly ProgramHeader[],
  sections: () => readonly Section[],
  isDebugOnly: boolean,
): BuildId | undefined {
  const bySegments = () => firstBuildId(bytes, programs, segmentType.note);
  const bySections = () => firstBuildId(bytes, sections(), sectionType.note);
  return isDebugOnly ? (bySections() ?? bySegments()) : (bySegments() ?? bySections());
}

function firstBuildId(
  bytes: Memory,
  parts: readonly (Pick<ProgramHeader, 'type' | 'offset' | 'fileBytes'> | Pick<Section, 'type' | 'offset' | 'bytes'>)[],
  note: number,
): BuildId | undefined {
  for (const part of parts) {
    if (part.type !== note) continue;
    const found = buildIdAmong(bytes, part.offset, 'bytes' in part ? part.bytes : part.fileBytes);
    if (found !== undefined) return found;
  }
  return undefined;
}
