import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { HangarError } from '../errors.ts';
import { isNotFound, makePrivateDirectory, receivePrivateFile, writePrivateFile } from '../private-files.ts';

/** One independent zstd frame of a core (RFC 8878). */
export interface StoredFrame {
  readonly index: number;
  /** Bytes of core in it. */
  readonly bytes: number;
  /** Where it begins in core.zst. */
  readonly offset: number;
  readonly storedBytes: number;
  /** Of the stored bytes, in hex. */
  readonly sha256: string;
}

export interface CoreShape {
  /** Apparent size of the core. */
  readonly coreBytes: number;
  /** Bytes of core in each frame but the last. */
  readonly frameBytes: number;
}

/** Takes the frames of a core in any order, over any number of attempts; each is on disk before its call resolves. */
export interface CoreWriter {
  /** Numbers of the frames that are still to come. */
  missing(): readonly number[];
  /** @throws HangarError `FRAME_DAMAGED` when hash or size are not as told */
  writeFrame(
    index: number,
    stored: Buffer,
    expected: { readonly bytes: number; readonly sha256: string },
  ): Promise<void>;
  /** Puts the frames together. @throws HangarError `FRAME_MISSING` */
  finish(): Promise<void>;
}

export interface WrittenCore extends CoreShape {
  readonly frames: readonly StoredFrame[];
}

/** Frames are kept one a file in `directory` until all are there, then joined into `corePath`. */
export async function openCoreWriter(
  directory: string,
  corePath: string,
  shape: CoreShape,
  keep: (core: WrittenCore) => Promise<void>,
): Promise<CoreWriter> {
  await makePrivateDirectory(directory);
  const count = Math.max(1, Math.ceil(shape.coreBytes / shape.frameBytes));
  const present = new Set(await keptFrames(directory));
  const missing = () => Array.from({ length: count }, (_, index) => index).filter(index => !present.has(index));
  return {
    missing,
    async writeFrame(index, stored, expected) {
      await mustBeWhole(index, stored, { ...expected, bytes: expectedBytes(index, expected.bytes, shape) });
      await writePrivateFile(join(directory, frameName(index)), stored);
      present.add(index);
    },
    async finish() {
      const [first] = missing();
      if (first !== undefined) throw frameMissing(first, count);
      const frames: StoredFrame[] = [];
      await receivePrivateFile(corePath, sink => joinFrames(directory, count, shape, sink, frames));
      await keep({ ...shape, frames });
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function frameName(index: number): string {
  return `${String(index).padStart(6, '0')}.zst`;
}

async function keptFrames(directory: string): Promise<readonly number[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (isNotFound(error)) return [];
    throw error;
  });
  return names.flatMap(name => (/^\d{6}\.zst$/.test(name) ? [Number(name.slice(0, 6))] : []));
}

function expectedBytes(index: number, told: number, { coreBytes, frameBytes }: CoreShape): number {
  const bytes = Math.min(frameBytes, coreBytes - index * frameBytes);
  if (told !== bytes) throw frameDamaged(index, `expected ${bytes} bytes of core, told ${told}`);
  return bytes;
}

async function mustBeWhole(
  index: number,
  stored: Buffer,
  { bytes, sha256 }: { readonly bytes: number; readonly sha256: string },
): Promise<void> {
  const found = createHash('sha256').update(stored).digest('hex');
  if (found !== sha256) throw frameDamaged(index, `expected SHA-256 ${sha256}, found ${found}`);
  const length = await decompressedBytes(stored).catch((cause: unknown) => {
    throw frameDamaged(index, 'it cannot be decompressed', cause);
  });
  if (length !== bytes) throw frameDamaged(index, `expected ${bytes} bytes of core, found ${length}`);
}

async function decompressedBytes(stored: Buffer): Promise<number> {
  let bytes = 0;
  const count = new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done();
    },
  });
  await pipeline(Readable.from([stored]), createZstdDecompress(), count);
  return bytes;
}

async function joinFrames(
  directory: string,
  count: number,
  { coreBytes, frameBytes }: CoreShape,
  sink: Writable,
  frames: StoredFrame[],
): Promise<void> {
  let offset = 0;
  for (let index = 0; index < count; index++) {
    const stored = await readFile(join(directory, frameName(index)));
    frames.push({
      index,
      bytes: Math.min(frameBytes, coreBytes - index * frameBytes),
      offset,
      storedBytes: stored.length,
      sha256: createHash('sha256').update(stored).digest('hex'),
    });
    offset += stored.length;
    if (!sink.write(stored)) await new Promise(resolve => sink.once('drain', resolve));
  }
  sink.end();
}

function frameDamaged(index: number, what: string, cause?: unknown): HangarError {
  return new HangarError({
    code: 'FRAME_DAMAGED',
    message: `piece ${index} of the core arrived damaged: ${what}`,
    fix: 'fetch it again; the core is still on the host',
    failure: 'step',
    ...(cause !== undefined && { cause }),
  });
}

function frameMissing(index: number, count: number): HangarError {
  return new HangarError({
    code: 'FRAME_MISSING',
    message: `piece ${index} of ${count} of the core is not here yet`,
    fix: 'fetch it again; the core is still on the host',
    failure: 'step',
  });
}
