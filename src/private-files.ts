import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { stateUnwritable } from './errors.ts';

/** Makes a directory, and what is missing above it, that nobody else can enter, whatever the umask. */
export async function makePrivateDirectory(path: string): Promise<void> {
  try {
    const made = await mkdir(path, { recursive: true, mode: 0o700 });
    // A umask only takes bits away: what mkdir made is private already; a folder that was there may not be.
    if (made === undefined && ((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o700);
  } catch (cause) {
    throw stateUnwritable(path, cause);
  }
}

/** Puts a file in place at once or not at all: private, on disk before it has its name (fsync(2), rename(2)). */
export async function writePrivateFile(path: string, content: string | Uint8Array): Promise<void> {
  await receivePrivateFile(path, async sink => {
    sink.end(content);
    await finished(sink);
  });
}

/**
 * As `writePrivateFile`, with the content written by `write`, which ends the sink; `accept` looks at the whole file
 * before it gets its name, and may throw.
 */
export async function receivePrivateFile(
  path: string,
  write: (sink: Writable) => Promise<void>,
  accept: (temporary: string) => void | Promise<void> = () => {},
): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.part`);
  try {
    const sink = createWriteStream(temporary, { flags: 'wx', mode: 0o600, flush: true });
    const closed = finished(sink);
    await Promise.all([write(sink), closed]);
    await accept(temporary);
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Makes names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The text of a file; undefined where there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
}

export function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
