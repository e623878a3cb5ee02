import { lineOf, numberOf } from './transcript.ts';

/** What `core` said of a complete core. */
export interface Captured {
  /** Start time of the process in clock ticks since boot (proc(5)): tells whether its number was reused since. */
  readonly startTicks: number;
  readonly remotePath: string;
  /** Private directory on the host that `clean` removes. */
  readonly directory: string;
  /** Apparent size. */
  readonly coreBytes: number;
  /** What it takes on the host's disk. */
  readonly diskBytes?: number;
  /**
   * From just before gdb attached until just after it detached, by gdb itself on the host's monotonic clock (10 ms):
   * the process stood still no longer. Absent when gdb's stamps are missing.
   */
  readonly stoppedSeconds?: number;
  /** ISO 8601 UTC, by the host's clock. */
  readonly at: string;
  readonly gdbVersion?: string;
}

/** Reads the output of the host program's `core`; undefined when it breaks off. */
export function readCaptured(stdout: string): Captured | undefined {
  const lines = stdout.split('\n');
  const [startTicks, remotePath, directory, coreBytes, at] = [
    numberOf(lines, 'start'),
    lineOf(lines, 'core'),
    lineOf(lines, 'directory'),
    numberOf(lines, 'bytes'),
    lineOf(lines, 'at'),
  ];
  if (
    startTicks === undefined ||
    remotePath === undefined ||
    directory === undefined ||
    coreBytes === undefined ||
    at === undefined ||
    !lines.includes('end')
  )
    return undefined;
  const [diskBytes, stoppedSeconds, gdbVersion] = [
    numberOf(lines, 'stored'),
    numberOf(lines, 'stopped'),
    lineOf(lines, 'gdb'),
  ];
  return {
    startTicks,
    remotePath,
    directory,
    coreBytes,
    at,
    ...(diskBytes !== undefined && { diskBytes }),
    ...(stoppedSeconds !== undefined && { stoppedSeconds }),
    ...(gdbVersion !== undefined && { gdbVersion }),
  };
}

/** What `core-frame` says of the piece it sent, in the last line of stderr. */
export interface SentFrame {
  readonly index: number;
  /** Bytes of core in it. */
  readonly bytes: number;
  /** Bytes that were sent. */
  readonly storedBytes: number;
  /** Of the bytes that were sent. */
  readonly sha256: string;
  readonly format: 'zstd' | 'gzip';
}

/** Undefined when the line is missing: the frame is then not complete. */
export function readSentFrame(stderr: string): SentFrame | undefined {
  const found = /^frame index=(\d+) bytes=(\d+) stored=(\d+) sha256=([0-9a-f]{64}) format=(zstd|gzip)$/m.exec(stderr);
  if (found?.[4] === undefined) return undefined;
  return {
    index: Number(found[1]),
    bytes: Number(found[2]),
    storedBytes: Number(found[3]),
    sha256: found[4],
    format: found[5] === 'gzip' ? 'gzip' : 'zstd',
  };
}
