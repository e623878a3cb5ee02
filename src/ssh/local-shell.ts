import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { HangarError } from '../errors.ts';
import type { RemoteCommand, RemoteResult, RunOptions } from './session.ts';
import type { Shell } from './shell.ts';

export interface LocalShellOptions {
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** This machine as a place where commands run; each in a process group of its own, which ends with the call. */
export function localShell({ env = {} }: LocalShellOptions = {}): Shell {
  return {
    run: (command, options) => run(command, env, options),
    stream: (command, sink, options) => stream(command, env, sink, options),
  };
}

type Env = Readonly<Record<string, string>>;
type Child = ChildProcessByStdio<Writable, Readable, Readable>;
type Ended = Pick<RemoteResult, 'exitCode' | 'signal'>;

const defaultSeconds = 60;
const defaultOutputBytes = 16 * 1024 * 1024;
const stderrBytes = 64 * 1024;

async function run(command: RemoteCommand, env: Env, options: RunOptions = {}): Promise<RemoteResult> {
  const limit = options.maxOutputBytes ?? defaultOutputBytes;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= limit) chunks.push(chunk);
      done(bytes > limit ? tooLarge(command, limit) : null);
    },
  });
  const result = await stream(command, env, sink, options);
  return { ...result, stdout: Buffer.concat(chunks) };
}

async function stream(
  command: RemoteCommand,
  env: Env,
  sink: Writable,
  options: RunOptions = {},
): Promise<RemoteResult> {
  // What ends the sink is told by the rejection of this call.
  sink.on('error', () => undefined);
  try {
    options.signal?.throwIfAborted();
    return await execute(command, env, sink, options);
  } catch (error) {
    sink.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

async function execute(command: RemoteCommand, env: Env, sink: Writable, options: RunOptions): Promise<RemoteResult> {
  const child = spawn('sh', ['-c', command.line], {
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const stderr = keepTail(child.stderr);
  const ended = await untilEnd(child, command, sink, options);
  sink.end();
  await finished(sink, { readable: false });
  return { ...ended, stdout: Buffer.alloc(0), stderr: stderr() };
}

function untilEnd(child: Child, command: RemoteCommand, sink: Writable, options: RunOptions): Promise<Ended> {
  const { signal, timeoutSeconds: seconds = defaultSeconds } = options;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      settle();
      killGroup(child);
      reject(error instanceof Error ? error : new Error('the call failed', { cause: error }));
    };
    const abort = (): void => fail(signal?.reason);
    const timer = setTimeout(() => fail(timedOut(command, seconds)), seconds * 1000);
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    signal?.addEventListener('abort', abort, { once: true });
    child.once('error', cause => fail(notStarted(cause)));
    child.once('close', (code, name) => {
      settle();
      resolve(endOf(code, name));
    });
    sink.once('error', fail);
    child.stdout.pipe(sink, { end: false });
    // A command need not read all that it is given.
    child.stdin.on('error', () => undefined);
    child.stdin.end(command.stdin);
  });
}

function killGroup({ pid }: Child): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** The end of stderr, as text; the stream is read to its end whatever its length. */
function keepTail(stderr: Readable): () => string {
  let tail = Buffer.alloc(0);
  stderr.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-stderrBytes);
  });
  return () => tail.toString('utf8');
}

function endOf(code: number | null, name: NodeJS.Signals | null): Ended {
  if (code !== null) return { exitCode: code };
  const signal = name ?? 'SIGKILL';
  return { exitCode: 128 + constants.signals[signal], signal: signal.replace(/^SIG/, '') };
}

function notStarted(cause: Error): HangarError {
  return new HangarError({
    code: 'SHELL_MISSING',
    message: 'this machine cannot start "sh"',
    fix: 'see that `sh` is on PATH and that more processes may be started (ulimit -u)',
    failure: 'step',
    cause,
  });
}

function timedOut({ line }: RemoteCommand, seconds: number): HangarError {
  return new HangarError({
    code: 'REMOTE_TIMEOUT',
    message: `this machine did not end ${JSON.stringify(shorten(line))} within ${seconds} s`,
    fix: 'see what keeps this machine busy, then run the command again',
    failure: 'cancelled',
  });
}

function tooLarge({ line }: RemoteCommand, limit: number): HangarError {
  return new HangarError({
    code: 'OUTPUT_TOO_LARGE',
    message: `this machine printed more than ${limit} bytes for ${JSON.stringify(shorten(line))}`,
    fix: 'run that command by hand and see why',
    failure: 'step',
  });
}

function shorten(line: string): string {
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
