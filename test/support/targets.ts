import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { commandOf, type Interpreter, type PythonVersion, pythonVersions } from './interpreters.ts';
import { type Marks, type Place, readMarks } from './marks.ts';

const programsDir = join(import.meta.dirname, 'programs');

/** The programs that targets are started from, by name: `several`, `deadlock_ab`, … */
export const targetPrograms: readonly string[] = readdirSync(programsDir)
  .filter(name => name.endsWith('.py') && name !== 'common.py')
  .map(name => basename(name, '.py'))
  .sort();

/** Whether a Python version has what a program uses. */
export function runsOn(program: string, version: PythonVersion): boolean {
  const { since } = readMarks(readFileSync(join(programsDir, `${program}.py`), 'utf8'));
  const order: readonly string[] = pythonVersions;
  return since === undefined || order.indexOf(version) >= order.indexOf(since);
}

/** A Python program that hangs (or only seems to), running, with what is true of it. */
export interface Target extends AsyncDisposable {
  readonly pid: number;
  readonly truth: Truth;
  /** Ends it; resolves when it is gone. */
  stop(): Promise<void>;
}

/** What a report on a target must say, and what it must not. */
export interface Truth {
  /** Absolute path of the program's source. */
  readonly file: string;
  /** Every thread of the program; the first is the main thread. */
  readonly threads: readonly ThreadTruth[];
  /** Finding classes that must be found besides those of the threads' places. */
  readonly also?: readonly string[];
  /** Finding classes that would be wrong here; `any` stands for all of them. */
  readonly never: readonly string[];
}

export interface ThreadTruth {
  readonly lwp: number;
  /** pthread_self(3) as a decimal number, which Python calls the thread's ident. */
  readonly ident: string;
  /** The function that it was started for; `<module>` for the main thread. */
  readonly startedFor: string;
  /** Where its innermost frame of the program stands; absent where it moves on. */
  readonly place?: Place;
  /** Where it took the locks that it holds. */
  readonly holds: readonly Place[];
}

/**
 * Starts a program under an interpreter and resolves when each of its threads stands where its source says: those that
 * wait have not been scheduled for a while, those that compute use the processor.
 */
export async function startTarget(program: string, interpreter: Interpreter): Promise<Target> {
  const file = join(programsDir, `${program}.py`);
  const [command, ...args] = commandOf(interpreter, ['-B', file]);
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  let hanging = child.pid ?? 0;
  const stop = async () => {
    await endProcess(child);
    await untilEnded(hanging);
  };
  try {
    const ready = await readReadyLine(child, program);
    hanging = ready.pid ?? hanging;
    const marks = readMarks(readFileSync(file, 'utf8'));
    const truth = joinTruth(file, marks, ready);
    const pid = hanging;
    await untilSettled(child, pid, truth);
    if (marks.isStopped) process.kill(pid, 'SIGSTOP');
    return { pid, truth, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const readyLine = z.object({
  /** Of the process that hangs, where that is a child of the one that was started; it ends with its parent. */
  pid: z.int().optional(),
  threads: z.array(z.object({ function: z.string(), ident: z.string(), lwp: z.int() })),
});
type ReadyLine = z.infer<typeof readyLine>;

async function readReadyLine(child: ChildProcess, program: string): Promise<ReadyLine> {
  if (child.stdout === null) throw new Error('the target has no stdout');
  for await (const line of createInterface({ input: child.stdout })) return readyLine.parse(JSON.parse(line));
  throw new Error(`${program} ended before it was ready`);
}

function joinTruth(file: string, { placesOf, also, never }: Marks, { threads }: ReadyLine): Truth {
  return {
    file,
    also,
    never,
    threads: threads.map(({ function: startedFor, ident, lwp }) => {
      const places = placesOf(startedFor);
      const place = places.find(({ role }) => role !== 'holds');
      return { lwp, ident, startedFor, holds: places.filter(({ role }) => role === 'holds'), ...(place && { place }) };
    }),
  };
}

const sampleMilliseconds = 60;
const deadlineMilliseconds = 60_000;

async function untilSettled(child: ChildProcess, pid: number, { threads }: Truth): Promise<void> {
  const awaited = threads.filter(({ place }) => place !== undefined && staysThere(place));
  const deadline = Date.now() + deadlineMilliseconds;
  for (let before = sample(child, pid, awaited), settled = 0; settled < 2; ) {
    await sleep(sampleMilliseconds);
    const now = sample(child, pid, awaited);
    settled = awaited.every(({ lwp, place }) => isThere(place, before.get(lwp), now.get(lwp))) ? settled + 1 : 0;
    before = now;
    if (Date.now() > deadline) throw new Error(`threads did not settle: ${JSON.stringify([...now])}`);
  }
}

/** Not a victim of the GIL, nor an idle thread that work wakes again and again. */
function staysThere({ role, what }: Place): boolean {
  return role !== 'gil' && (role !== 'idle' || what === '');
}

interface ThreadSample {
  readonly state: string;
  /** Ticks of the processor that it used. */
  readonly cpu: number;
  readonly switches: number;
}

function sample(
  { exitCode }: ChildProcess,
  pid: number,
  threads: readonly ThreadTruth[],
): ReadonlyMap<number, ThreadSample> {
  if (exitCode !== null) throw new Error(`the target ended with ${exitCode}`);
  return new Map(threads.map(({ lwp }) => [lwp, sampleThread(`/proc/${pid}/task/${lwp}`)]));
}

function sampleThread(task: string): ThreadSample {
  // proc_pid_stat(5): the name in parentheses may hold anything; state is the field after it, utime and stime follow.
  const fields = readFileSync(join(task, 'stat'), 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  const status = readFileSync(join(task, 'status'), 'utf8');
  const switches = [...status.matchAll(/ctxt_switches:\t(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  return { state: fields[0] ?? '?', cpu: Number(fields[11]) + Number(fields[12]), switches };
}

/** A thread that waits for the GIL is scheduled again and again (3.x every 5 ms); one that waits for a lock is not. */
function isThere(place: Place | undefined, before: ThreadSample | undefined, now: ThreadSample | undefined): boolean {
  if (before === undefined || now === undefined) return false;
  const computes = place?.role === 'hang' && place.what.startsWith('busy');
  return computes ? now.cpu > before.cpu : now.state === 'S' && now.switches === before.switches;
}

/** Ends a process that a test started; resolves when it is gone. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** A process that ends with its parent; nobody of ours is told. */
async function untilEnded(pid: number): Promise<void> {
  const deadline = Date.now() + deadlineMilliseconds;
  while (isAlive(pid)) {
    if (Date.now() > deadline) throw new Error(`process ${pid} did not end`);
    await sleep(5);
  }
}

/** One that is dead and not yet reaped is not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
