import { closeSync, createReadStream, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createZstdDecompress } from 'node:zlib';
import { HangarError, messageOf } from '../errors.ts';
import { openFileBytes } from './file-bytes.ts';
import { zstdFrames } from './zstd-frames.ts';

/** The uncompressed bytes of a `.zst` core, in a private file. */
export interface ExpandedCore {
  readonly path: string;
  readonly remove: () => void;
}

export interface ExpandOptions {
  /** Directory for the uncompressed file; default the system's for temporary files. */
  readonly scratch?: string;
  readonly signal?: AbortSignal;
}

/**
 * Expands a zstd file (one frame or several) into a file of mode 0600 in a directory of mode 0700, with holes where the
 * core has only zeros, in bounded memory. What lies before a damaged or missing part is kept: the core then is one that
 * was cut off. The file is removed by `remove`, or when this process exits.
 * @throws HangarError `CORE_UNREADABLE` (not a byte can be had), `SCRATCH_FULL`, `CANCELLED`
 */
export async function expandCore(path: string, options: ExpandOptions = {}): Promise<ExpandedCore> {
  const dir = mkdtempSync(join(options.scratch ?? tmpdir(), 'hangar-core-'));
  const removeDir = (): void => rmSync(dir, { recursive: true, force: true });
  process.once('exit', removeDir);
  const remove = (): void => {
    process.off('exit', removeDir);
    removeDir();
  };
  try {
    const target = join(dir, 'core');
    const { bytes, damage } = await expandInto(target, path, options.signal);
    if (bytes === 0) throw damaged(path, damage);
    return { path: target, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Block headers are read once each, in order. */
const frameCacheBytes = 64 * 1024;

/** Node's default, 16 KiB, makes the expansion four times slower. */
const outputBytes = 256 * 1024;

/** No process is that large: x86-64 has 2^47 bytes of user space, machines less. Bounds a frame of nothing but zeros. */
const maxCoreBytes = 2 ** 42;

async function expandInto(
  target: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly bytes: number; readonly damage?: unknown }> {
  const file = openFileBytes(path, frameCacheBytes);
  const fd = openSync(target, 'wx', 0o600);
  let bytes = 0;
  try {
    for (const frame of zstdFrames(file)) {
      const source = createReadStream(path, { start: frame.start, end: frame.end - 1 });
      const expanded = source.pipe(createZstdDecompress({ chunkSize: outputBytes }));
      source.once('error', error => expanded.destroy(error));
      try {
        for await (const chunk of expanded as AsyncIterable<Buffer>) {
          if (signal?.aborted === true) throw cancelled(path, signal.reason);
          if (bytes + chunk.length > maxCoreBytes) throw tooLarge(path);
          writeSparse(fd, chunk, bytes);
          bytes += chunk.length;
        }
      } catch (error) {
        if (error instanceof HangarError) throw error;
        return { bytes, damage: error };
      } finally {
        source.destroy();
        expanded.destroy();
      }
    }
    return { bytes };
  } finally {
    // Ends the file where the core does, although its last bytes may be a hole.
    ftruncateSync(fd, bytes);
    closeSync(fd);
    file.close();
  }
}

const pageBytes = 4096;
const zeros = Buffer.alloc(pageBytes);

/** Writes the runs of pages that are not all zero. */
function writeSparse(fd: number, chunk: Buffer, position: number): void {
  let runStart = -1;
  for (let at = 0; at < chunk.length; at += pageBytes) {
    const end = Math.min(at + pageBytes, chunk.length);
    const isHole = chunk.compare(zeros, 0, end - at, at, end) === 0;
    if (!isHole && runStart < 0) runStart = at;
    if (isHole && runStart >= 0) {
      writeFully(fd, chunk.subarray(runStart, at), position + runStart);
      runStart = -1;
    }
  }
  if (runStart >= 0) writeFully(fd, chunk.subarray(runStart), position + runStart);
}

function writeFully(fd: number, bytes: Buffer, position: number): void {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  } catch (error) {
    if (!/\b(?:ENOSPC|EDQUOT|EFBIG)\b/.test(messageOf(error))) throw error;
    throw new HangarError({
      code: 'SCRATCH_FULL',
      message: 'no space left for the uncompressed core',
      fix: 'name a larger place for temporary files: TMPDIR=DIR runbook analyze CORE',
      failure: 'step',
      cause: error,
    });
  }
}

function damaged(path: string, cause: unknown): HangarError {
  return new HangarError({
    code: 'CORE_UNREADABLE',
    message: `"${path}" is damaged: zstd reads nothing of it`,
    fix: `fetch the file again; to test it: zstd -t '${path}'`,
    failure: 'usage',
    ...(cause !== undefined && { cause }),
  });
}

function tooLarge(path: string): HangarError {
  return new HangarError({
    code: 'CORE_UNSUPPORTED',
    message: `"${path}" expands to more than ${maxCoreBytes} bytes`,
    fix: 'give the core of one process',
    failure: 'usage',
  });
}

function cancelled(path: string, cause: unknown): HangarError {
  return new HangarError({
    code: 'CANCELLED',
    message: `stopped while "${path}" was expanded`,
    fix: 'run the command again',
    failure: 'cancelled',
    cause,
  });
}
