import type { Readable } from 'node:stream';
import type { WriteStream } from 'node:tty';

/** Where a command reads from and writes to: results on stdout, progress and errors on stderr. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** Writes all of the text before it returns. */
  readonly stdout: { write(text: string): void };
  readonly stderr: NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Aborted by SIGINT and SIGTERM; its reason is the HangarError `CANCELLED`. */
  readonly signal: AbortSignal;
}

/** Forms of a result; the last three are of compliance alone. */
export const formats = ['text', 'json', 'markdown', 'html', 'junit', 'tap', 'prometheus'] as const;
export type Format = (typeof formats)[number];

/** The options that may stand before or after any command (contract, `Command line`). */
export interface GlobalOptions {
  /** State directory; created 0700 when something is first written. */
  readonly state: string;
  readonly fleet?: string;
  readonly format: Format;
  readonly output?: string;
  readonly events?: string;
  readonly verbose: boolean;
  readonly quiet: boolean;
}
