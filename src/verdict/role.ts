import type { NativeFrame } from '../native/stacks.ts';
import type { Finding } from './finding.ts';
import { serverThread, waitsInLoop, waitsInServer } from './known/index.ts';
import type { JudgedFrame, JudgedThread, Request, ThreadRole, Wait } from './thread.ts';

export interface RoleQuestion {
  /** Whether the thread has a Python thread state. */
  readonly hasPython: boolean;
  readonly frames: readonly JudgedFrame[];
  readonly native: readonly NativeFrame[];
  readonly waits?: Wait;
  readonly request?: Request;
}

/** Whether a thread serves, waits for work, or belongs to the runtime. A thread that answers a request never idles. */
export function roleOf({ hasPython, frames, native, waits, request }: RoleQuestion): ThreadRole {
  if (request !== undefined) return 'application';
  if (frames.length === 0) {
    if (waits === undefined) return 'runtime';
    return serverThread(native)?.role ?? (hasPython ? 'idle' : 'runtime');
  }
  return waits !== undefined && waitsForWork(waits, frames, native) ? 'idle' : 'application';
}

/**
 * A thread that idles while others wait for a lock it holds, or while one with work of its own waits for it to end or
 * to bring a result, is no idle thread. That an idle thread joins it, as a main thread does, changes nothing.
 */
export function settleRoles(threads: readonly JudgedThread[]): readonly JudgedThread[] {
  const idle = new Set(threads.flatMap(({ lwp, role }) => (role === 'idle' ? [lwp] : [])));
  for (let before = -1; before !== idle.size; ) {
    before = idle.size;
    for (const { lwp, waits } of threads)
      if (waits?.owner !== undefined && !(idle.has(lwp) && waitsForOthersWork(waits))) idle.delete(waits.owner);
  }
  return threads.map(thread => (idle.has(thread.lwp) ? thread : atWork(thread)));
}

/** Whoever is, or waits for, the cause of a hang is no idle thread, whatever it looks like by itself. */
export function rolesAfter(findings: readonly Finding[], threads: readonly JudgedThread[]): readonly JudgedThread[] {
  const told = findings.filter(({ confidence }) => confidence !== 'suspected');
  const hung = new Set(told.flatMap(({ roots, victims }) => [...roots.map(({ lwp }) => lwp), ...victims]));
  return threads.map(thread => (hung.has(thread.lwp) ? atWork(thread) : thread));
}

/** Without Python frames it is a server's own, that takes its turn to accept, or looks whether the others still answer. */
function atWork(thread: JudgedThread): JudgedThread {
  return thread.role === 'idle' && thread.python.length > 0 ? { ...thread, role: 'application' } : thread;
}

function waitsForOthersWork({ kind }: Wait): boolean {
  return kind === 'join' || kind === 'condition' || kind === 'event' || kind === 'semaphore';
}

function waitsForWork(waits: Wait, frames: readonly JudgedFrame[], native: readonly NativeFrame[]): boolean {
  switch (waits.kind) {
    case 'queue':
    case 'condition':
    case 'event':
    case 'join':
      return true;
    // Permits that are all in use are no work that somebody might bring.
    case 'semaphore':
      return waits.ownerConfidence !== 'proven';
    case 'io':
      return watchesMany(waits, native) || waitsInLoop(frames) || !hasApplication(frames);
    case 'sleep':
      return !hasApplication(frames) || waitsInLoop(frames);
    case 'unknown':
      return waitsForSignal.has(waits.syscall ?? '') || !hasApplication(frames);
    case 'mp-lock':
      return waitsInLoop(frames);
    case 'child':
      return !hasApplication(frames);
    case 'python-lock':
      return waitsInServer(frames);
    case 'python-rlock':
    case 'import-lock':
    case 'pthread-mutex':
    case 'gil':
      return false;
    default:
      return waits.kind satisfies never;
  }
}

/**
 * Whether a call waits for any of many, or for somebody to connect: what a server does between two requests. A blocking
 * read with a limit polls one descriptor (CPython Modules/socketmodule.c, `sock_call_ex`), so does libpq.
 */
function watchesMany({ syscall = '', watched = 0, limited = false }: Wait, native: readonly NativeFrame[]): boolean {
  if (watching.has(syscall) || watched > 1) return !limited || watching.has(syscall);
  return native.some(({ function: name }) => name === 'select_poll_poll' || name === 'poll_poll') && !limited;
}

const watching: ReadonlySet<string> = new Set(['accept', 'accept4', 'epoll_wait', 'epoll_pwait', 'epoll_pwait2']);

const waitsForSignal: ReadonlySet<string> = new Set(['pause', 'rt_sigsuspend', 'rt_sigtimedwait']);

function hasApplication(frames: readonly JudgedFrame[]): boolean {
  return frames.some(({ origin }) => origin === 'application');
}
