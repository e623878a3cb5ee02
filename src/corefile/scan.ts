import { attempt } from './attempt.ts';
import type { CoreFile } from './core.ts';

/** A stretch of memory that the process could write and the core holds. */
export interface WritableRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** Where structures that the program made can lie, ascending: writable segments as far as they were dumped. */
export function writableRanges(core: CoreFile): readonly WritableRange[] {
  return core.segments
    .map(segment => {
      const inFile = BigInt(core.bytes) - segment.fileOffset;
      const dumped = segment.fileBytes < inFile ? segment.fileBytes : inFile;
      return { segment, dumped };
    })
    .filter(({ segment, dumped }) => segment.writable && segment.readable && dumped > 0n)
    .map(({ segment, dumped }) => ({ start: segment.address, end: segment.address + dumped }));
}

/** The bytes of `ranges` in order, in blocks of at most 1 MiB that start where the last ended: for a scan. */
export function* readBlocks(
  core: CoreFile,
  ranges: readonly WritableRange[],
): Generator<{ readonly address: bigint; readonly bytes: Buffer }> {
  for (const { start, end } of ranges) {
    for (let address = start; address < end; address += blockBytes) {
      const length = Number(end - address < blockBytes ? end - address : blockBytes);
      const bytes = attempt(() => core.memory.read(address, length));
      if (bytes !== undefined) yield { address, bytes };
    }
  }
}

const blockBytes = 0x10_0000n;
