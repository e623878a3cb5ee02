import { attempt } from './attempt.ts';
import type { BuildId } from './build-id.ts';
import { isBuildId } from './build-id.ts';
import type { ProgramHeader } from './elf.ts';
import { readNotes, segmentType } from './elf.ts';
import type { Memory } from './memory.ts';

/** Descriptor of the NT_GNU_BUILD_ID note (ld's --build-id) among the notes of an image. */
export function findBuildId(memory: Memory, programs: readonly ProgramHeader[], bias: bigint): BuildId | undefined {
  for (const { type, address, fileBytes } of programs) {
    if (type !== segmentType.note) continue;
    const found = buildIdAmong(memory, bias + address, fileBytes);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function buildIdAmong(memory: Memory, address: bigint, bytes: bigint): BuildId | undefined {
  const size = bytes > 0x10000n ? 0x10000n : bytes;
  for (const note of readNotes(memory, address, size)) {
    if (note.type !== 3 || note.name !== 'GNU' || note.bytes > 64) continue;
    const hex = attempt(() => memory.read(note.address, note.bytes).toString('hex')) ?? '';
    if (isBuildId(hex)) return hex;
  }
  return undefined;
}
