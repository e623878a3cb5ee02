import type { Writable } from 'node:stream';
import type { Host } from '../fleet/host.ts';

/** A logged-in connection to one host: the only way out to hosts. */
export interface SshSession {
  readonly host: Host;
  /**
   * Runs one command and resolves with its exit code and output, whatever the code.
   * @throws HangarError `CONNECTION_LOST` (never a truncated success), `OUTPUT_TOO_LARGE`, `REMOTE_TIMEOUT`, `CANCELLED`
   */
  run(command: RemoteCommand, options?: RunOptions): Promise<RemoteResult>;
  /**
   * Runs one command and pipes its raw stdout into `sink`, honouring back-pressure; `sink` is ended on success and
   * destroyed on failure. Errors as `run`.
   */
  stream(command: RemoteCommand, sink: Writable, options?: RunOptions): Promise<RemoteResult>;
  close(): Promise<void>;
}

export interface RemoteCommand {
  /** One command line for the login shell; every value in it is quoted already (`quote`). */
  readonly line: string;
  /** Fed to the command's stdin, which is then closed. */
  readonly stdin?: string | Buffer;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  /** Wall time in seconds after which the channel is closed and the call rejects; default 60. */
  readonly timeoutSeconds?: number;
  /** Stdout bytes that `run` accepts; default 16 MiB. */
  readonly maxOutputBytes?: number;
}

export interface RemoteResult {
  /** Exit code; 128 + n when signal n ended it. */
  readonly exitCode: number;
  readonly signal?: string;
  /** Raw bytes; empty after `stream`. */
  readonly stdout: Buffer;
  /** UTF-8, at most the last 64 KiB. */
  readonly stderr: string;
}
