import { attempt } from './attempt.ts';
import type { CoreFile, CoreThread, Machine } from './core.ts';
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
 * Offsets into `struct pthread`, the same from glibc 2.28 to 2.42: of x86-64 by `ptype /o struct pthread` of Debian's
 * libc6-dbg. On AArch64, where glibc keeps no `tcbhead_t` in it, 24 words take that place (nptl/descr.h, `__padding`),
 * and the fields behind them follow each other alike; that was read, and not seen on such a machine.
 */
const layouts = {
  x86_64: {
    // `tcbhead_t.tcb`, `tcbhead_t.self`
    selfPointers: { to: 0n, at: [0n, 16n] },
    id: 720n,
    robustOffset: 744n,
    endFlags: 776n,
  },
  aarch64: {
    // `robust_prev` and `robust_head.list` lead to the latter while the thread has no robust mutex.
    selfPointers: { to: 224n, at: [216n, 224n] },
    id: 208n,
    robustOffset: 232n,
    endFlags: 264n,
  },
} as const satisfies Record<Machine, PthreadLayout>;

interface PthreadLayout {
  /** Words that hold the address of the structure's own byte `to`: no other memory looks like that. */
  readonly selfPointers: { readonly to: bigint; readonly at: readonly bigint[] };
  readonly id: bigint;
  /** `robust_head.futex_offset`, a constant of the library. */
  readonly robustOffset: bigint;
  readonly endFlags: bigint;
}

/** offsetof(pthread_mutex_t, __lock) - offsetof(pthread_mutex_t, __list.__next) */
const robustFutexOffset = 2n ** 64n - 32n;
/** EXITING_BITMASK and TERMINATED_BITMASK of `cancelhandling`. */
const endedBits = 0x30;
/** The descriptor, some 2,300 bytes, lies at the upper end of the stack, with static TLS below it (x86-64) or above it. */
const searched = 8n << 10n;
/** What a `struct pthread` is aligned to (TCB_ALIGNMENT). */
const alignment = 64;
/** PTHREAD_STACK_MIN */
const smallestStack = 16n << 10n;
const lostLimit = 4096;

/**
 * The threads, each with its `pthread_t`. On x86-64 the thread pointer is it. On AArch64 it is `sizeof(struct pthread)`
 * below that (TLS variant I; sysdeps/aarch64/nptl/tls.h, `THREAD_SELF`): the distance, for all threads of a process the
 * same, at which such a structure lies. None where that is not found: with another C library, or with the memory lost.
 */
export function withPthreads(machine: Machine, memory: Memory, threads: readonly CoreThread[]): readonly CoreThread[] {
  const distance = machine === 'x86_64' ? 0n : commonDistance(memory, threads);
  if (distance === undefined) return threads;
  return threads.map(thread =>
    thread.threadPointer === undefined ? thread : { ...thread, pthread: thread.threadPointer - distance },
  );
}

/** Threads whose distance is looked for: one would do. */
const askedLimit = 32;

function commonDistance(memory: Memory, threads: readonly CoreThread[]): bigint | undefined {
  const distances = new Set(
    threads
      .slice(0, askedLimit)
      .flatMap(({ threadPointer }) =>
        threadPointer === undefined ? [] : (distanceBelow(memory, threadPointer) ?? []),
      ),
  );
  const [distance] = distances;
  return distances.size === 1 ? distance : undefined;
}

/** From a thread pointer down to the structure of a thread that lives. */
function distanceBelow(memory: Memory, threadPointer: bigint): bigint | undefined {
  for (let distance = 16n; distance <= searched; distance += 16n) {
    const found = readPthread(memory, threadPointer - distance);
    if (found !== undefined && found.id > 0) return distance;
  }
  return undefined;
}

/** The thread that a `pthread_t` names, or named; undefined where there is none. */
export function readPthread(memory: Memory, address: bigint): Pthread | undefined {
  return attempt(() => {
    const layout = layoutAt(memory, address);
    if (layout === undefined) return undefined;
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

function layoutAt(memory: Memory, address: bigint): PthreadLayout | undefined {
  const { x86_64, aarch64 } = layouts;
  if (fits(memory, address, x86_64)) return x86_64;
  if (!fits(memory, address, aarch64)) return undefined;
  // Behind their heads both have the same: it may be the rest of one of x86-64.
  const before = address - (x86_64.id - aarch64.id);
  return attempt(() => fits(memory, before, x86_64)) === true ? undefined : aarch64;
}

function fits(memory: Memory, address: bigint, { selfPointers: { to, at }, robustOffset }: PthreadLayout): boolean {
  return (
    at.every(offset => readU64(memory, address + offset) === address + to) &&
    readU64(memory, address + robustOffset) === robustFutexOffset
  );
}

/** LWP by the thread id that the process itself knows: what owners of mutexes are. */
export function lwpsByInnerId(memory: Memory, threads: readonly CoreThread[]): ReadonlyMap<number, number> {
  return new Map(
    threads.flatMap(({ lwp, pthread }) => {
      const found = pthread === undefined ? undefined : readPthread(memory, pthread);
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
  const live = new Set(threads.map(({ pthread }) => pthread));
  const lost: LostThread[] = [];
  for (const { address: stackStart, fileBytes, writable } of segments) {
    if (!writable || fileBytes < smallestStack || lost.length >= lostLimit) continue;
    const end = stackStart + fileBytes;
    for (const address of candidates(memory, end - searched, searched)) {
      const found = live.has(address) ? undefined : readPthread(memory, address);
      if (found !== undefined && !found.hasEnded && !inner.has(found.id)) lost.push({ ...found, stackStart });
    }
  }
  return lost;
}

/** Addresses, aligned as a thread's structure is, of what has a word that leads back into it. */
function* candidates(memory: Memory, start: bigint, length: bigint): Generator<bigint> {
  const bytes = attempt(() => memory.read(start, Number(length)));
  if (bytes === undefined) return;
  for (let at = Number(-start & BigInt(alignment - 1)); at < bytes.length; at += alignment) {
    const address = start + BigInt(at);
    const leadsBack = Object.values(layouts).some(({ selfPointers: { to } }) => {
      const word = at + Number(to);
      return word + 8 <= bytes.length && bytes.readBigUInt64LE(word) === address + to;
    });
    if (leadsBack) yield address;
  }
}
