import { writeSync } from 'node:fs';

/**
 * Writes a whole text to a file, pipe, socket or terminal before it returns. A stream of Node's takes milliseconds to
 * make, and what it has not written yet is lost when the process ends.
 * @throws NodeJS.ErrnoException `EPIPE` when nobody reads any more, `ENOSPC` and others of write(2)
 */
export function writeFully(descriptor: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) rest = rest.subarray(writeSome(descriptor, rest));
}

/** Bytes written; none as yet where the pipe is full, and whoever shares it made it non-blocking (O_NONBLOCK, open(2)). */
function writeSome(descriptor: number, bytes: Uint8Array): number {
  try {
    return writeSync(descriptor, bytes);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    return 0;
  }
}
