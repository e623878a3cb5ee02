import type { FileBytes } from './file-bytes.ts';

/** One frame of a zstd file, by offset of its first byte and of the one after its last. */
export interface ZstdFrame {
  readonly start: number;
  readonly end: number;
  /** The file ends within it. */
  readonly isCut: boolean;
}

/** Whether a file starts as zstd files do: with a frame, or with a skippable one. */
export function isZstd(head: Buffer): boolean {
  if (head.length < 4) return false;
  const magic = head.readUInt32LE();
  return magic === frameMagic || isSkippable(magic);
}

/**
 * The data frames of a zstd file in order, found by their block headers alone, nothing is decompressed (RFC 8878,
 * section 3.1). Skippable frames are left out; ends where neither kind follows.
 *
 * Node's own stream (24.x) stops after the first frame, and frames are what a stored core is made of.
 */
export function* zstdFrames(file: FileBytes): Generator<ZstdFrame> {
  for (let start = 0; start + 4 <= file.size; ) {
    const magic = file.read(start, 4).readUInt32LE();
    if (isSkippable(magic)) {
      if (start + 8 > file.size) return;
      start += 8 + file.read(start + 4, 4).readUInt32LE();
      continue;
    }
    if (magic !== frameMagic) return;
    const end = frameEnd(file, start);
    yield { start, end: end ?? file.size, isCut: end === undefined };
    if (end === undefined) return;
    start = end;
  }
}

const frameMagic = 0xfd2fb528;

function isSkippable(magic: number): boolean {
  return magic >>> 4 === 0x184d2a5;
}

/** Undefined when the file ends first. */
function frameEnd(file: FileBytes, start: number): number | undefined {
  const descriptor = file.read(start + 4, 1)[0];
  if (descriptor === undefined) return undefined;
  let at = start + 5 + headerBytes(descriptor);
  for (let isLast = false; !isLast; ) {
    const header = file.read(at, 3);
    if (header.length < 3) return undefined;
    const bits = header.readUIntLE(0, 3);
    isLast = (bits & 1) === 1;
    // A run-length block is one byte, however long what it stands for.
    at += 3 + (((bits >>> 1) & 3) === 1 ? 1 : bits >>> 3);
  }
  if ((descriptor & 4) !== 0) at += 4;
  return at <= file.size ? at : undefined;
}

/** Bytes of the frame header after its descriptor: window, dictionary id, content size (RFC 8878, section 3.1.1.1). */
function headerBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0;
  const dictionaryId = [0, 1, 2, 4][descriptor & 3] ?? 0;
  return (isSingleSegment ? 0 : 1) + dictionaryId + contentSize;
}
