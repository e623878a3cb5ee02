import { attempt } from './attempt.ts';
import type { ProgramHeader } from './elf.ts';
import { elfType, programHeaderBytes, readElfHeader, readProgramHeaders, segmentType } from './elf.ts';
import type { Memory } from './memory.ts';

/** An ELF file as it is mapped. */
export interface Image {
  readonly programs: readonly ProgramHeader[];
  readonly bias: bigint;
  readonly start: bigint;
  readonly end: bigint;
}

/** The ELF image whose header is mapped at `start`. */
export function readImage(memory: Memory, start: bigint): Image | undefined {
  return attempt(() => {
    const header = readElfHeader(memory, start);
    if (header === undefined || (header.type !== elfType.shared && header.type !== elfType.executable))
      return undefined;
    // Program headers outside of the first pages do not occur in loaded files.
    if (header.programOffset > 0x10000n - BigInt(programHeaderBytes)) return undefined;
    const programs = readProgramHeaders(memory, start + header.programOffset, header.programCount);
    const first = programs.find(program => program.type === segmentType.load && program.offset === 0n);
    const bias = first === undefined ? start : start - pageStart(first.address);
    return { programs, bias, ...extentOf(programs, bias) };
  });
}

/** Whole pages. */
export function extentOf(
  programs: readonly ProgramHeader[],
  bias: bigint,
): { readonly start: bigint; readonly end: bigint } {
  const loads = programs.filter(program => program.type === segmentType.load);
  const starts = loads.map(({ address }) => pageStart(bias + address));
  const ends = loads.map(({ address, memoryBytes }) => pageStart(bias + address + memoryBytes + 0xfffn));
  return {
    start: starts.reduce((low, start) => (start < low ? start : low), starts[0] ?? bias),
    end: ends.reduce((high, end) => (end > high ? end : high), bias),
  };
}

function pageStart(address: bigint): bigint {
  return address & ~0xfffn;
}
