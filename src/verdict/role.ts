import type { NativeFrame } from '../native/stacks.ts';
import { isWorkLoop } from './known-waits.ts';
import { baseName } from './origin.ts';
import type { JudgedFrame, Request, ThreadRole, Wait } from './thread.ts';

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
  if (!hasPython) return isServerWorker(native) && waits !== undefined ? 'idle' : 'runtime';
  if (frames.length === 0) return waits === undefined ? 'runtime' : 'idle';
  return waits !== undefined && waitsForWork(waits, frames, native) ? 'idle' : 'application';
}

function waitsForWork(waits: Wait, frames: readonly JudgedFrame[], native: readonly NativeFrame[]): boolean {
  switch (waits.kind) {
    case 'queue':
    case 'condition':
    case 'event':
    case 'semaphore':
    case 'join':
      return true;
    case 'io':
      return watchesMany(waits, native) || isWorkLoop(frames) || !hasApplication(frames);
    case 'sleep':
      return !hasApplication(frames) || isWorkLoop(frames);
    case 'unknown':
      return waitsForSignal.has(waits.syscall ?? '') || !hasApplication(frames);
    case 'mp-lock':
      return isWorkLoop(frames);
    case 'child':
      return !hasApplication(frames);
    case 'python-lock':
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

/** A worker of an embedding server between two requests: mod_wsgi (server/mod_wsgi.c), uWSGI (core/loop.c). */
function isServerWorker(native: readonly NativeFrame[]): boolean {
  return native.some(
    ({ function: name, module }) =>
      name === 'wsgi_daemon_thread' ||
      name === 'wsgi_daemon_worker' ||
      name === 'simple_loop_run' ||
      (name === undefined && module !== undefined && baseName(module).startsWith('mod_wsgi')),
  );
}
