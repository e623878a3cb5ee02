import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import type { Command } from './gdb-command.ts';

/** How a command ended. */
export type Outcome =
  | {
      readonly status: 'exited';
      readonly code: number | undefined;
      readonly killedBy?: NodeJS.Signals;
      /** What it wrote to file descriptor 3. */
      readonly answer: Buffer;
      /** The end of what it wrote to stderr. */
      readonly complaints: string;
    }
  | { readonly status: 'timeout' | 'cancelled' | 'too-much-output' }
  | { readonly status: 'not-started'; readonly cause: Error };

export interface RunLimits {
  readonly seconds: number;
  readonly outputBytes: number;
}

/** Runs a command in a process group of its own; the whole group is killed (SIGKILL) at a limit or on abort. */
export async function runCommand(command: Command, limits: RunLimits, signal?: AbortSignal): Promise<Outcome> {
  if (signal?.aborted === true) return { status: 'cancelled' };
  const child = spawn(command.program, command.args, {
    detached: true,
    env: command.env,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  let early: 'timeout' | 'cancelled' | 'too-much-output' | undefined;
  const end = (status: typeof early): void => {
    early ??= status;
    if (child.pid !== undefined) killGroup(child.pid);
  };
  const answer = collect(readable(child.stdio[3]), limits.outputBytes, () => end('too-much-output'));
  const complaints = collectTail(readable(child.stderr));
  const timer = setTimeout(() => end('timeout'), limits.seconds * 1000);
  const abort = (): void => end('cancelled');
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const ended = await new Promise<Outcome>(resolve => {
      child.once('error', cause => resolve({ status: 'not-started', cause }));
      child.once('close', (code, killedBy) =>
        resolve({
          status: 'exited',
          code: code ?? undefined,
          ...(killedBy && { killedBy }),
          answer: answer(),
          complaints: complaints(),
        }),
      );
    });
    return early === undefined ? ended : { status: early };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    // What the command may have left running in its group.
    if (child.pid !== undefined) killGroup(child.pid);
  }
}

/** A pipe of the child; when it could not be started, there is none. */
function readable(pipe: unknown): Readable {
  return pipe instanceof Readable ? pipe : Readable.from([]);
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // Nothing of the group is left.
  }
}

function collect(stream: Readable, limit: number, exceeded: () => void): () => Buffer {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= limit) chunks.push(chunk);
    else exceeded();
  });
  stream.on('error', () => undefined);
  return () => Buffer.concat(chunks);
}

const tailCharacters = 4000;

function collectTail(stream: Readable): () => string {
  let tail = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-tailCharacters);
  });
  stream.on('error', () => undefined);
  return () => tail;
}
