import { attempt } from './attempt.ts';
import type { CoreFile, CoreThread } from './core.ts';
import { type Memory, readI32, readU32, readU64 } from './memory.ts';

/** What glibc keeps of a thread at its `pthread_t`: `struct pthread` (nptl/descr.h). */
export interface Pthread {
  readonly address: bigint;
  /** Thread id inside the process's own PID namespace; 0 where no thread is any more. */
  readonly id: number;
  readonly idField: bigint;
  /** Whether it went through the end of its start function: what fork(2) left behind did not. */
  readonly hasEnded: boolean;
  readonly endField: bigint;
  readonly endFlags: number;
}

/** A thread of the process that was forked, of which the child has the memory only. */
export interface LostThread extends Pthread {
  /** Bounds of its stack, as far as it was dumped. */
  readonly stackStart: bigint;
}

/**
 * Offsets into `struct pthread`, x86-64. The same from glibc 2.28 to 2.42 (`ptype /o struct pthread` of Debian's
 * libc6-dbg); each read is checked against the two pointers and the list head that point at themselves.
 */
const layout = {
  /** `tcbhead_t.tcb`, `tcbhead_t.self` */
  self: [0n, 16n],
  id: 720n,
  /** `robust_head.list`, empty as a rule; behind it `futex_offset`, a constant of the library. */
  robustOffset: 744n,
  endFlags: 776n,
} as const;

/** offsetof(pthread_mutex_t, __lock) - offsetof(pthread_mutex_t, __list.__next) */
const robustFutexOffset = 2n ** 64n - 32n;
/** EXITING_BITMASK and TERMINATED_BITMASK of `cancelhandling`. */
const endedBits = 0x30;
/** The descriptor, some 2,300 bytes, lies at the upper end of the stack; static TLS is below it. */
const searched = 8n << 10n;
/** PTHREAD_STACK_MIN */
const smallestStack = 16n << 10n;
const lostLimit = 4096;

/** The thread that a `pthread_t` names, or named; undefined where there is none, and on other machines than x86-64. */
export function readPthread(memory: Memory, address: bigint): Pthread | undefined {
  return attempt(() => {
    const pointsAtItself = layout.self.every(offset => readU64(memory, address + offset) === address);
    if (!pointsAtItself || readU64(memory, address + layout.robustOffset) !== robustFutexOffset) return undefined;
    const endFlags = readU32(memory, address + layout.endFlags);
    return {
      address,
      id: readI32(memory, address + layout.id),
      idField: address + layout.id,
      hasEnded: (endFlags & endedBits) !== 0,
      endField: address + layout.endFlags,
      endFlags,
    };
  });
}

/** LWP by the thread id that the process itself knows: what owners of mutexes are. */
export function lwpsByInnerId(memory: Memory, threads: readonly CoreThread[]): ReadonlyMap<number, number> {
  return new Map(
    threads.flatMap(({ lwp, threadPointer }) => {
      const found = threadPointer === undefined ? undefined : readPthread(memory, threadPointer);
      return found === undefined || found.id <= 0 ? [] : [[found.id, lwp] as const];
    }),
  );
}

/**
 * Threads that did not come along when the process was forked: fork(3) clears their id in the child and keeps their
 * stacks for later threads (nptl/allocatestack.c `__reclaim_stacks`), while a thread that ended is marked as ended.
 * Stacks that a later thread was given are not among them. Empty where the thread ids of those alive do not fit.
 */
export function lostThreads({
  memory,
  segments,
  threads,
}: Pick<CoreFile, 'segments' | 'threads'> & { readonly memory: Memory }): readonly LostThread[] {
  const inner = lwpsByInnerId(memory, threads);
  if (inner.size !== threads.length) return [];
  const live = new Set(threads.map(({ threadPointer }) => threadPointer));
  const lost: LostThread[] = [];
  for (const { address: stackStart, fileBytes, writable } of segments) {
    if (!writable || fileBytes < smallestStack || lost.length >= lostLimit) continue;
    const end = stackStart + fileBytes;
    for (const address of selfPointers(memory, end - searched, searched)) {
      const found = live.has(address) ? undefined : readPthread(memory, address);
      if (found !== undefined && !found.hasEnded && !inner.has(found.id)) lost.push({ ...found, stackStart });
    }
  }
  return lost;
}

/** Addresses, aligned as a thread descriptor is, of words that hold their own address. */
function* selfPointers(memory: Memory, start: bigint, length: bigint): Generator<bigint> {
  const bytes = attempt(() => memory.read(start, Number(length)));
  if (bytes === undefined) return;
  for (let at = Number(-start & 63n); at + 8 <= bytes.length; at += 64)
    if (bytes.readBigUInt64LE(at) === start + BigInt(at)) yield start + BigInt(at);
}
