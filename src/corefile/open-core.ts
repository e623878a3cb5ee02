import { statSync } from 'node:fs';
import { HangarError, messageOf } from '../errors.ts';
import type { CoreFile, CoreProcess, CoreThread, FileMapping, Machine, Segment } from './core.ts';
import { coreMemory } from './core-memory.ts';
import type { ElfHeader, Note, ProgramHeader } from './elf.ts';
import {
  elfHeaderBytes,
  elfKind,
  elfMachine,
  elfType,
  parseProgramHeaders,
  programHeaderBytes,
  readElfHeader,
  readNotes,
  segmentFlag,
  segmentType,
} from './elf.ts';
import type { ExpandOptions } from './expand-core.ts';
import type { FileBytes } from './file-bytes.ts';
import { fileAsMemory, openFileBytes } from './file-bytes.ts';
import type { Memory } from './memory.ts';
import { withPthreads } from './pthreads.ts';
import { aarch64Syscall, parseThread } from './threads.ts';
import { isZstd } from './zstd-frames.ts';

export type OpenOptions = ExpandOptions;

/**
 * Opens an ELF core (core(5)) of a 64-bit little-endian x86-64 or AArch64 process, plain or compressed with zstd; the
 * latter is expanded into a private scratch file, which `close` removes. Reads headers and notes now, memory when asked.
 * @throws HangarError `NOT_A_CORE`, `CORE_UNREADABLE` (the system refuses to open it), `CORE_UNSUPPORTED` (of another
 * machine), `CORE_TRUNCATED` (cut off within its headers), `SCRATCH_FULL`, `CANCELLED`. A core cut off later is opened,
 * see `CoreFile.truncated`.
 */
export async function openCore(path: string, options: OpenOptions = {}): Promise<CoreFile> {
  const file = openRegularFile(path);
  if (!isZstd(file.read(0, 4))) return readOrClose(path, path, file);
  file.close();
  const { expandCore } = await import('./expand-core.ts');
  const expanded = await expandCore(path, options);
  try {
    const core = readOrClose(path, expanded.path, openFileBytes(expanded.path));
    const close = (): void => {
      core.close();
      expanded.remove();
    };
    return { ...core, close };
  } catch (error) {
    expanded.remove();
    throw error;
  }
}

/** Errors name `given`, what the user typed; the core's path is `path`. */
function readOrClose(given: string, path: string, file: FileBytes): CoreFile {
  try {
    return { ...readCore(given, file), path };
  } catch (error) {
    file.close();
    throw error;
  }
}

function openRegularFile(path: string): FileBytes {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw notACore(path, 'is a directory');
    if (!stat.isFile()) throw notACore(path, 'is no regular file');
    return openFileBytes(path);
  } catch (error) {
    if (error instanceof HangarError) throw error;
    if (isMissing(error)) throw notACore(path, 'does not exist');
    throw new HangarError({
      code: 'CORE_UNREADABLE',
      message: `"${path}" cannot be opened`,
      fix: `check who may read it: ls -l '${path}'`,
      failure: 'usage',
      cause: error,
    });
  }
}

function readCore(path: string, file: FileBytes): CoreFile {
  const bytes = fileAsMemory(file);
  const { header, machine } = readCoreHeader(path, file, bytes);
  const programs = readProgramTable(path, file, bytes, header);
  const segments = programs
    .filter(program => program.type === segmentType.load)
    .map(
      (program): Segment => ({
        address: program.address,
        memoryBytes: program.memoryBytes,
        fileBytes: program.fileBytes,
        fileOffset: program.offset,
        readable: (program.flags & segmentFlag.readable) !== 0,
        writable: (program.flags & segmentFlag.writable) !== 0,
        executable: (program.flags & segmentFlag.executable) !== 0,
      }),
    )
    .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const notes = emptyNotes();
  for (const note of allNotes(bytes, programs))
    takeNote(notes, machine, note, () => bytes.read(note.address, note.bytes));
  const expected = programs.reduce(
    (end, { offset, fileBytes }) => (offset + fileBytes > end ? offset + fileBytes : end),
    0n,
  );
  const memory = coreMemory(file, segments);
  return {
    path,
    machine,
    bytes: file.size,
    memory,
    segments,
    threads: withPthreads(machine, memory, notes.threads),
    process: notes.process ?? { pid: notes.threads[0]?.lwp ?? 0, name: '', args: '' },
    auxv: notes.auxv,
    mappings: notes.mappings.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0)),
    ...(expected > BigInt(file.size) && {
      truncated: { expectedBytes: Number(expected), foundBytes: file.size },
    }),
    close: () => file.close(),
  };
}

function readCoreHeader(path: string, file: FileBytes, bytes: Memory): { header: ElfHeader; machine: Machine } {
  if (file.size === 0) throw notACore(path, 'is empty');
  const head = file.read(0, elfHeaderBytes);
  const kind = elfKind(head);
  if (kind === 'not-elf') throw notACore(path, describeContent(head));
  if (kind === 'elf-other') throw unsupported(path, 'a 32-bit or big-endian ELF file');
  if (head.length < elfHeaderBytes) throw truncatedHeaders(path, file, elfHeaderBytes);
  const header = readElfHeader(bytes, 0n);
  if (header === undefined || header.type !== elfType.core) throw notACore(path, describeElf(header?.type ?? 0));
  if (header.machine === elfMachine.x86_64) return { header, machine: 'x86_64' };
  if (header.machine === elfMachine.aarch64) return { header, machine: 'aarch64' };
  throw unsupported(path, `a core of ELF machine ${header.machine}`);
}

/** Linux allows 65,530 mappings by default (vm.max_map_count). */
const maxSegments = 262_144;

function readProgramTable(path: string, file: FileBytes, bytes: Memory, header: ElfHeader) {
  const count = header.programCount === extendedNumbering ? extendedCount(bytes, header) : header.programCount;
  if (count === undefined) throw truncatedHeaders(path, file, Number(header.sectionOffset) + sectionHeaderBytes);
  if (count > maxSegments) throw unsupported(path, `a core with ${count} segments (at most ${maxSegments} are read)`);
  const end = Number(header.programOffset) + count * programHeaderBytes;
  if (end > file.size) throw truncatedHeaders(path, file, end);
  return parseProgramHeaders(bytes.read(header.programOffset, count * programHeaderBytes));
}

/** PN_XNUM: the number is in `sh_info` of section header 0 (elf(5), `e_phnum`). */
const extendedNumbering = 0xffff;
const sectionHeaderBytes = 64;

function extendedCount(bytes: Memory, header: ElfHeader): number | undefined {
  try {
    return bytes.read(header.sectionOffset, sectionHeaderBytes).readUInt32LE(44);
  } catch {
    return undefined;
  }
}

/** Thousands of threads have a few notes each; a made-up core may have the same ones in many segments. */
const maxNotes = 1_000_000;
const maxMappings = 1_000_000;

function* allNotes(bytes: Memory, programs: readonly ProgramHeader[]): Generator<Note> {
  let count = 0;
  for (const { type, offset, fileBytes } of programs) {
    if (type !== segmentType.note) continue;
    for (const note of readNotes(bytes, offset, fileBytes)) {
      if (count++ === maxNotes) return;
      yield note;
    }
  }
}

interface CoreNotes {
  readonly threads: CoreThread[];
  readonly mappings: FileMapping[];
  readonly auxv: Map<number, bigint>;
  process?: CoreProcess;
  /** Raw NT_PRSTATUS of the last thread: the notes that follow it belong to that thread. */
  status?: Buffer;
}

function emptyNotes(): CoreNotes {
  return { threads: [], mappings: [], auxv: new Map() };
}

/** Note types, elf.h. */
const noteType = {
  prstatus: 1,
  prpsinfo: 3,
  auxv: 6,
  file: 0x46494c45,
  armTls: 0x401,
  armSystemCall: 0x404,
} as const;

/** NT_FILE of a process with 65,530 mappings stays below it. */
const maxNoteBytes = 16 * 1024 * 1024;
const maxThreads = 65_536;

function takeNote(notes: CoreNotes, machine: Machine, note: Note, read: () => Buffer): void {
  if (note.bytes > maxNoteBytes || (note.name !== 'CORE' && note.name !== 'LINUX')) return;
  switch (note.type) {
    case noteType.prstatus: {
      if (notes.threads.length >= maxThreads) return;
      const status = tryRead(read);
      const thread = status && parseThread(machine, status);
      if (status === undefined || thread === undefined) return;
      notes.status = status;
      notes.threads.push(thread);
      return;
    }
    case noteType.prpsinfo: {
      const process = parseProcess(tryRead(read));
      if (process !== undefined) notes.process ??= process;
      return;
    }
    case noteType.auxv:
      for (const [type, value] of parseAuxv(tryRead(read))) notes.auxv.set(type, value);
      return;
    case noteType.file:
      for (const mapping of parseMappings(tryRead(read)))
        if (notes.mappings.length < maxMappings) notes.mappings.push(mapping);
      return;
    case noteType.armTls:
    case noteType.armSystemCall:
      if (machine === 'aarch64') amendThread(notes, note.type, tryRead(read));
  }
}

function amendThread(notes: CoreNotes, type: number, descriptor: Buffer | undefined): void {
  const thread = notes.threads.at(-1);
  if (thread === undefined || descriptor === undefined || notes.status === undefined) return;
  if (type === noteType.armTls && descriptor.length >= 8) {
    notes.threads.splice(-1, 1, { ...thread, threadPointer: descriptor.readBigUInt64LE() });
  } else if (type === noteType.armSystemCall && descriptor.length >= 4) {
    const number = descriptor.readInt32LE();
    const syscall = number < 0 ? undefined : aarch64Syscall(notes.status, number);
    if (syscall) notes.threads.splice(-1, 1, { ...thread, syscall });
  }
}

/** The notes of a core that is cut off within them are lost, the rest is still of use. */
function tryRead(read: () => Buffer): Buffer | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** `struct elf_prpsinfo`, sys/procfs.h. */
function parseProcess(descriptor: Buffer | undefined): CoreProcess | undefined {
  if (descriptor === undefined || descriptor.length < 136) return undefined;
  return {
    pid: descriptor.readInt32LE(24),
    uid: descriptor.readUInt32LE(16),
    name: text(descriptor.subarray(40, 56)),
    args: text(descriptor.subarray(56, 136)).trimEnd(),
  };
}

function parseAuxv(descriptor: Buffer | undefined): readonly (readonly [number, bigint])[] {
  const entries: (readonly [number, bigint])[] = [];
  if (descriptor === undefined) return entries;
  const length = Math.min(descriptor.length, 4096);
  for (let at = 0; at + 16 <= length; at += 16) {
    const type = descriptor.readBigUInt64LE(at);
    if (type === 0n) break;
    entries.push([Number(type), descriptor.readBigUInt64LE(at + 8)]);
  }
  return entries;
}

/** Count, page size, then start, end and page offset each, then the names (fs/binfmt_elf.c, `fill_files_note`). */
function parseMappings(descriptor: Buffer | undefined): readonly FileMapping[] {
  if (descriptor === undefined || descriptor.length < 16) return [];
  const count = Math.min(Number(descriptor.readBigUInt64LE(0)), Math.floor((descriptor.length - 16) / 25));
  const pageBytes = descriptor.readBigUInt64LE(8);
  const mappings: FileMapping[] = [];
  let nameAt = 16 + count * 24;
  for (let index = 0; index < count; index++) {
    const at = 16 + index * 24;
    const nameEnd = descriptor.indexOf(0, nameAt);
    if (nameEnd < 0) break;
    mappings.push({
      start: descriptor.readBigUInt64LE(at),
      end: descriptor.readBigUInt64LE(at + 8),
      fileOffset: descriptor.readBigUInt64LE(at + 16) * pageBytes,
      path: descriptor.toString('utf8', nameAt, nameEnd),
    });
    nameAt = nameEnd + 1;
  }
  return mappings;
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

function notACore(path: string, what: string): HangarError {
  return new HangarError({
    code: 'NOT_A_CORE',
    message: `"${path}" is not a core: it ${what}`,
    fix: 'give a core file, as gcore or the kernel writes it: runbook analyze CORE',
    failure: 'usage',
  });
}

function unsupported(path: string, what: string): HangarError {
  return new HangarError({
    code: 'CORE_UNSUPPORTED',
    message: `"${path}" is ${what}; cores of 64-bit x86-64 and AArch64 processes are read`,
    fix: 'analyze it with a debugger of its own machine',
    failure: 'usage',
  });
}

function truncatedHeaders(path: string, file: FileBytes, needed: number): HangarError {
  return new HangarError({
    code: 'CORE_TRUNCATED',
    message: `"${path}" ends within its headers: ${file.size} bytes found, at least ${needed} needed`,
    fix: 'capture the core again, or fetch the file again when the copy was cut off',
    failure: 'step',
  });
}

function describeElf(type: number): string {
  switch (type) {
    case elfType.relocatable:
      return 'is an ELF object file';
    case elfType.executable:
      return 'is an ELF executable';
    case elfType.shared:
      return 'is an ELF executable or shared library';
    default:
      return `is an ELF file of type ${type}`;
  }
}

const signatures: readonly (readonly [hex: string, what: string])[] = [
  ['28b52ffd', 'is compressed with zstd twice'],
  ['1f8b', 'is compressed with gzip; uncompress it first'],
  ['fd377a585a00', 'is compressed with xz; uncompress it first'],
  ['04224d18', 'is compressed with lz4; uncompress it first'],
  ['425a68', 'is compressed with bzip2; uncompress it first'],
  ['504b0304', 'is a zip archive'],
  ['2321', 'is a script'],
];

function describeContent(head: Buffer): string {
  const hex = head.toString('hex');
  const known = signatures.find(([signature]) => hex.startsWith(signature));
  if (known !== undefined) return known[1];
  const isText = head.every(byte => byte >= 32 || byte === 9 || byte === 10 || byte === 13);
  return isText ? 'is text' : `starts with bytes ${hex.slice(0, 16)}, which no ELF file does`;
}

function isMissing(error: unknown): boolean {
  return /\b(?:ENOENT|ENOTDIR)\b/.test(messageOf(error));
}
