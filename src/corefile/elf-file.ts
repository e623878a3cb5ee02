import { attempt } from './attempt.ts';
import type { BuildId } from './build-id.ts';
import type { ElfHeader, ProgramHeader } from './elf.ts';
import { elfType, readElfHeader, readProgramHeaders, segmentType } from './elf.ts';
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

/** Opens, uses and closes; undefined where the file cannot be opened or is cut off. */
export function withFile<T>(path: string, use: (file: FileBytes) => T): T | undefined {
  let file: FileBytes;
  try {
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
  const sections = attempt(() => readSections(bytes, header)) ?? [];
  const isDebugOnly = sections.some(({ type, flags }) => type === sectionType.empty && (flags & codeFlag) !== 0n);
  const buildId = readFileBuildId(bytes, programs, sections);
  return {
    machine: header.machine,
    ...(buildId && { buildId }),
    programs,
    sections,
    isDebugOnly,
    isTruncated: isDebugOnly
      ? sections.some(({ type, offset, bytes: size }) => type !== sectionType.empty && offset + size > file.size)
      : programs.some(({ type, offset, fileBytes }) => type === segmentType.load && offset + fileBytes > file.size),
  };
}

const fileTypes: readonly number[] = [elfType.relocatable, elfType.executable, elfType.shared];
/** SHF_EXECINSTR, elf.h. */
const codeFlag = 4n;
const sectionHeaderBytes = 64;
/** Objects compiled with one section a function are not loaded files; e_shnum above 0xff00 is extended numbering. */
const maxSections = 0xff00;

function readSections(bytes: Memory, header: ElfHeader): readonly Section[] {
  const count = Math.min(header.sectionCount, maxSections);
  if (count === 0 || header.sectionOffset === 0n) return [];
  const table = bytes.read(header.sectionOffset, count * sectionHeaderBytes);
  const names = readSectionNames(bytes, table, header.sectionNamesIndex);
  return Array.from({ length: count }, (_, index): Section => {
    const at = index * sectionHeaderBytes;
    const nameAt = table.readUInt32LE(at);
    const nameEnd = names.indexOf(0, nameAt);
    return {
      name: nameEnd < 0 ? '' : names.toString('latin1', nameAt, nameEnd),
      type: table.readUInt32LE(at + 4),
      flags: table.readBigUInt64LE(at + 8),
      offset: table.readBigUInt64LE(at + 24),
      bytes: table.readBigUInt64LE(at + 32),
      link: table.readUInt32LE(at + 40),
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

/** Sections first: in a debug file the program headers still name offsets of the file it was made from. */
function readFileBuildId(
  bytes: Memory,
  programs: readonly ProgramHeader[],
  sections: readonly Section[],
): BuildId | undefined {
  const ranges = [
    ...sections
      .filter(({ type }) => type === sectionType.note)
      .map(section => [section.offset, section.bytes] as const),
    ...programs
      .filter(({ type }) => type === segmentType.note)
      .map(program => [program.offset, program.fileBytes] as const),
  ];
  for (const [offset, size] of ranges) {
    const found = buildIdAmong(bytes, offset, size);
    if (found !== undefined) return found;
  }
  return undefined;
}
