import { libraryName } from '../origin.ts';
import type { JudgedFrame, WaitKind } from '../thread.ts';

/**
 * Functions of the standard library that wait, as `file:co_name`, innermost first; the longest match wins. Names alone,
 * since lines move with every release. Sources: Lib/threading.py, queue.py (Queue.py), multiprocessing/synchronize.py,
 * concurrent/futures/thread.py of CPython 2.7 to 3.14.
 */
const knownWaits: readonly { readonly kind: WaitKind; readonly frames: readonly string[] }[] = [
  { kind: 'condition', frames: ['threading.py:wait'] },
  { kind: 'condition', frames: ['threading.py:wait', 'threading.py:wait_for'] },
  { kind: 'condition', frames: ['threading.py:wait', '_base.py:result'] },
  { kind: 'event', frames: ['threading.py:wait', 'threading.py:wait'] },
  { kind: 'semaphore', frames: ['threading.py:wait', 'threading.py:acquire'] },
  { kind: 'queue', frames: ['threading.py:wait', 'queue.py:get'] },
  { kind: 'queue', frames: ['threading.py:wait', 'queue.py:put'] },
  { kind: 'queue', frames: ['threading.py:wait', 'queue.py:join'] },
  // Its queue is written in C and has no frame of its own.
  { kind: 'queue', frames: ['thread.py:_worker'] },
  { kind: 'join', frames: ['threading.py:join'] },
  { kind: 'join', frames: ['threading.py:wait', 'threading.py:join'] },
  { kind: 'join', frames: ['threading.py:_wait_for_tstate_lock'] },
  { kind: 'join', frames: ['threading.py:_shutdown'] },
  { kind: 'mp-lock', frames: ['synchronize.py:__enter__'] },
];

/** What the innermost frames wait for, when they are a known waiting function of the standard library. */
export function knownWait(frames: readonly JudgedFrame[]): WaitKind | undefined {
  const inner = libraryNames(frames);
  const matches = knownWaits.filter(known => known.frames.every((name, index) => inner[index] === name));
  return matches.sort((a, b) => b.frames.length - a.frames.length)[0]?.kind;
}

/** The innermost frames as far as they are the standard library's. */
function libraryNames(frames: readonly JudgedFrame[]): readonly string[] {
  const end = frames.findIndex(({ origin }) => origin !== 'stdlib');
  return frames.slice(0, end < 0 ? frames.length : end).map(libraryName);
}
