import type { Memory } from './memory.ts';
import { UnreadableMemoryError } from './memory.ts';

/** `Elf64_Ehdr` (elf(5)), as far as it is used here. Counts are the header's own, not yet checked. */
export interface ElfHeader {
  readonly type: number;
  readonly machine: number;
  readonly programOffset: bigint;
  readonly programCount: number;
  readonly sectionOffset: bigint;
  readonly sectionCount: number;
  readonly sectionNamesIndex: number;
}

/** `Elf64_Phdr` (elf(5)). */
export interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: bigint;
  readonly address: bigint;
  readonly fileBytes: bigint;
  readonly memoryBytes: bigint;
}

/** One entry of a note section or segment (elf(5), "Notes"). */
export interface Note {
  readonly name: string;
  readonly type: number;
  /** Address (or file offset) and size of the descriptor. */
  readonly address: bigint;
  readonly bytes: number;
}

export const elfType = { relocatable: 1, executable: 2, shared: 3, core: 4 } as const;
export const elfMachine = { x86_64: 62, aarch64: 183 } as const;
export const segmentType = { load: 1, dynamic: 2, note: 4, headers: 6 } as const;
export const segmentFlag = { executable: 1, writable: 2, readable: 4 } as const;

export const elfHeaderBytes = 64;
export const programHeaderBytes = 56;

/** No mapped file has more (e_phnum is 16 bits wide); cores do, see `openCore`. */
const maxFileSegments = 1024;
/** A note section of a thousand threads has a few thousand entries. */
const maxNotes = 1_000_000;

export type ElfKind = 'elf64-little' | 'elf-other' | 'not-elf';

export function elfKind(head: Buffer): ElfKind {
  if (head.length < 20 || head.readUInt32BE(0) !== 0x7f454c46) return 'not-elf';
  return head[4] === 2 && head[5] === 1 ? 'elf64-little' : 'elf-other';
}

/** @throws UnreadableMemoryError; undefined when there is no 64-bit little-endian ELF header. */
export function readElfHeader(memory: Memory, address: bigint): ElfHeader | undefined {
  const head = memory.read(address, elfHeaderBytes);
  if (elfKind(head) !== 'elf64-little') return undefined;
  return {
    type: head.readUInt16LE(16),
    machine: head.readUInt16LE(18),
    programOffset: head.readBigUInt64LE(32),
    programCount: head.readUInt16LE(56),
    sectionOffset: head.readBigUInt64LE(40),
    sectionCount: head.readUInt16LE(60),
    sectionNamesIndex: head.readUInt16LE(62),
  };
}

/** The program headers at `address`; those past a plausible count are left out. */
export function readProgramHeaders(memory: Memory, address: bigint, count: number): readonly ProgramHeader[] {
  const kept = Math.min(count, maxFileSegments);
  if (kept === 0) return [];
  return parseProgramHeaders(memory.read(address, kept * programHeaderBytes));
}

/** The program headers that a table holds. */
export function parseProgramHeaders(table: Buffer): readonly ProgramHeader[] {
  const view = viewOf(table);
  return Array.from({ length: Math.floor(table.length / programHeaderBytes) }, (_, index): ProgramHeader => {
    const at = index * programHeaderBytes;
    return {
      type: view.getUint32(at, true),
      flags: view.getUint32(at + 4, true),
      offset: view.getBigUint64(at + 8, true),
      address: view.getBigUint64(at + 16, true),
      fileBytes: view.getBigUint64(at + 32, true),
      memoryBytes: view.getBigUint64(at + 40, true),
    };
  });
}

/** For tables: a number of 64 bits takes a third of the time that `Buffer` takes, which makes it of four others. */
export function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** The notes in `size` bytes at `address`; ends early, without an error, where they are unreadable or nonsense. */
export function* readNotes(memory: Memory, address: bigint, size: bigint): Generator<Note> {
  const end = address + size;
  let at = address;
  for (let count = 0; count < maxNotes && at + 12n <= end; count++) {
    const note = readNote(memory, at, end);
    if (note === undefined) return;
    yield note;
    at = note.address + BigInt(align4(note.bytes));
  }
}

function readNote(memory: Memory, at: bigint, end: bigint): Note | undefined {
  try {
    const head = memory.read(at, 12);
    const nameBytes = head.readUInt32LE(0);
    const bytes = head.readUInt32LE(4);
    const type = head.readUInt32LE(8);
    const descriptor = at + 12n + BigInt(align4(nameBytes));
    if (nameBytes > 256 || descriptor + BigInt(bytes) > end) return undefined;
    const name = memory
      .read(at + 12n, nameBytes)
      .toString('latin1')
      .replace(/\0+$/, '');
    return { name, type, address: descriptor, bytes };
  } catch (error) {
    if (error instanceof UnreadableMemoryError) return undefined;
    throw error;
  }
}

function align4(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}
