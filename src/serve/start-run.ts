import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Schedule } from '../fleet/schedules.ts';
import { makePrivateDirectory } from '../private-files.ts';
import { type RunResult, readResult } from './read-result.ts';
import { type Place, runArguments } from './run-arguments.ts';

export type RunEnd =
  | ({ readonly kind: 'ended'; readonly exitCode: number } & RunResult)
  /** An earlier run of the schedule, of a serve that is gone, is still at work. */
  | { readonly kind: 'busy' }
  /** It could not be started, or a signal ended it. */
  | { readonly kind: 'broken'; readonly problem: string };

export interface StartedRun {
  readonly ended: Promise<RunEnd>;
  /** Asks it to end in order; a second time: at once. */
  stop(): void;
  /** Ends it and all that it started. */
  kill(): void;
}

export interface StartOptions extends Place {
  /** Path of the launcher. */
  readonly bin: string;
  /** Where the run works: what a schedule names by a relative path lies there. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Runs what a schedule says in a process of its own, and of a process group of its own: Ctrl-C at serve does not reach
 * it. That process holds a lock of the schedule (flock(1)), which outlives serve.
 */
export async function startRun(schedule: Schedule, options: StartOptions): Promise<StartedRun> {
  const { bin, cwd, env, state } = options;
  const lock = await lockFile(state, schedule.id);
  const child = spawn(
    'flock',
    [
      '--nonblock',
      '--conflict-exit-code',
      String(busyCode),
      '--no-fork',
      lock,
      bin,
      ...runArguments(schedule, options),
    ],
    { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const stdout = new Head(outputLimit);
  const stderr = new Head(errorLimit);
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout.add(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.add(text));
  const ended = new Promise<RunEnd>(resolve => {
    child.once('error', error => resolve({ kind: 'broken', problem: `it could not be started: ${messageOf(error)}` }));
    // Not `close`: what it left behind may hold its output open for ever.
    child.once('exit', (code, signal) => {
      const read = (): void => resolve(endOf(code, signal, stdout.text, stderr.text));
      if (child.stdout.readableEnded) read();
      else Promise.race([once(child.stdout), later(drainMilliseconds)]).then(read, read);
    });
  });
  return {
    ended,
    stop: () => child.kill('SIGTERM'),
    kill: () => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killGroup(child.pid);
    },
  };
}

/** Of flock(1), where the lock is taken: none that a run ends with. */
const busyCode = 75;

/** Characters of a result that are read: beyond that there is no whole document any more. */
const outputLimit = 2 ** 27;
const errorLimit = 2 ** 16;
const drainMilliseconds = 1000;

async function lockFile(state: string, id: string): Promise<string> {
  const folder = join(state, 'serve', 'schedules');
  await makePrivateDirectory(folder);
  const path = join(folder, `${id}.lock`);
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  return path;
}

function endOf(code: number | null, signal: NodeJS.Signals | null, stdout: string, stderr: string): RunEnd {
  if (code === busyCode) return { kind: 'busy' };
  const result = readResult(stdout, stderr);
  if (code !== null) return { kind: 'ended', exitCode: code, ...result };
  return { kind: 'broken', problem: `it was ended by ${signal ?? 'a signal'}` };
}

/** The first so many characters of a stream. */
class Head {
  readonly #limit: number;
  text = '';

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(text: string): void {
    if (this.text.length < this.#limit) this.text += text;
  }
}

function once(stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise(resolve => {
    stream.once('end', resolve);
    stream.once('close', resolve);
  });
}

function later(milliseconds: number): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve, milliseconds).unref();
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended by itself just now.
  }
}
