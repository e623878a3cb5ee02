import type { CoreThread } from '../corefile/core.ts';
import { formatAddress } from '../corefile/memory.ts';
import { FrameReader } from './frames/frames.ts';
import { LocalsReader } from './frames/locals.ts';
import { placeOnStacks } from './frames/stack-positions.ts';
import { gapOf } from './gap.ts';
import { readGil } from './gil.ts';
import { settleImports } from './locks/import-lock.ts';
import { heldLocks, waitedLock } from './locks/locks.ts';
import { forgottenStates, hasUnknownOwner, readLostThreads } from './locks/lost-threads.ts';
import { settleOwners } from './locks/owners.ts';
import { attempt, type Heap } from './objects/heap.ts';
import { learnValueTypes } from './objects/values.ts';
import type { LostPythonThread, PythonInterpreter, PythonProcess, PythonThread } from './process.ts';
import { readRequest } from './requests/request.ts';
import { findRuntime, listThreads, type Runtime } from './runtime.ts';
import { readSuspendedWork } from './suspended-work.ts';
import type { PythonTarget } from './target.ts';
import { runningFutures, waitedObject } from './waits/awaited-objects.ts';
import { settleAwaited } from './waits/awaited-owners.ts';
import { PoolReader } from './waits/pools.ts';
import { awaitedSocket } from './waits/socket.ts';

type Gap = PythonProcess['gaps'][number];

export interface PythonQuestion {
  /** Whether the variables of frames are shown. */
  readonly locals?: boolean;
}

/** CPython's interpreters, threads, frames and locks, straight from memory; undefined when the process has no CPython. */
export function readPython(target: PythonTarget, question: PythonQuestion = {}): PythonProcess | undefined {
  const search = findRuntime(target);
  switch (search.status) {
    case 'absent':
      return undefined;
    case 'unfit':
      return unreadable(search.what, search.reasons);
    case 'found':
      return readRuntime(target, search.runtime, question);
    default:
      return search satisfies never;
  }
}

function unreadable(what: string, reasons: readonly string[]): PythonProcess {
  const why =
    reasons.length === 0
      ? 'its state was found neither by symbols nor by search'
      : `no layout fits: ${reasons.join('; ')}`;
  const fix = 'give the modules that ran: --modules DIR';
  return {
    version: /python(\d\.\d+)/.exec(what)?.[1] ?? 'unknown',
    interpreters: [],
    threads: [],
    gaps: [{ what: `Python of ${what}`, why, fix }],
  };
}

function readRuntime(target: PythonTarget, runtime: Runtime, question: PythonQuestion): PythonProcess {
  const reader = newReader(target, runtime, question);
  const read = readInterpreters(reader, runtime);
  const interpreters = read.map(({ interpreter }) => interpreter);
  const threads = settled(
    reader,
    target,
    read.flatMap(({ threads: found }) => found),
  );
  const lost = leftBehind(reader, target, threads);
  const pools = reader.pools.pools();
  const suspended = readSuspendedWork({
    ...reader,
    target,
    ...(runtime.structure !== undefined && { structure: runtime.structure }),
    interpreters,
    threads,
  });
  return {
    version: runtime.version ?? runtime.heap.layout.minor,
    interpreters,
    threads,
    ...(lost.length > 0 && { lost }),
    ...(suspended.tasks.length > 0 && { tasks: suspended.tasks }),
    ...(pools.length > 0 && { pools }),
    gaps: [...reader.gaps, ...suspended.gaps, ...(reader.locals?.gaps ?? [])],
  };
}

interface Reader {
  readonly heap: Heap;
  readonly frames: FrameReader;
  readonly pools: PoolReader;
  /** Absent where variables were not asked for. */
  readonly locals?: LocalsReader;
  /** Threads of the core by `pthread_t`. */
  readonly lwps: ReadonlyMap<bigint, CoreThread>;
  readonly gaps: Gap[];
}

function newReader({ core }: PythonTarget, { heap, notes }: Runtime, { locals }: PythonQuestion): Reader {
  return {
    heap,
    gaps: notes.map(why => ({ what: 'Python layout', why })),
    frames: new FrameReader(heap),
    pools: new PoolReader(heap),
    ...(locals === true && { locals: new LocalsReader(heap) }),
    // The kernel's own threads for io_uring(7) have a copy of the registers of the thread that made them: it comes first.
    lwps: new Map(
      core.threads
        .toReversed()
        .flatMap(thread => (thread.pthread === undefined ? [] : [[thread.pthread, thread] as const])),
    ),
  };
}

/** Newest first; the last is the main one, whose id is 0. */
function readInterpreters(reader: Reader, runtime: Runtime) {
  const { interpreters } = runtime;
  return interpreters.map((address, index) =>
    readInterpreter(reader, runtime, address, interpreters.length - 1 - index),
  );
}

/** The threads, with what one says of another: who is awaited, who imports, who owns, and whose stack is whose. */
function settled(
  { heap, frames, lwps, pools }: Reader,
  target: PythonTarget,
  threads: readonly PythonThread[],
): readonly PythonThread[] {
  const awaited = settleAwaited(threads, {
    isAlive: id => lwps.has(id),
    queued: futures => pools.queued(futures),
  });
  const importing = settleImports(target, heap, frames, awaited);
  const owning = settleOwners(importing);
  return placeOnStacks(heap, target.core.threads, owning);
}

/** Those that a fork left behind; none where nobody may wait for them. */
function leftBehind(
  { heap, frames, gaps }: Reader,
  target: PythonTarget,
  threads: readonly PythonThread[],
): readonly LostPythonThread[] {
  if (!hasUnknownOwner(threads, target.core.threads)) return [];
  const found = guarded(gaps, 'threads that a fork left behind', () => [
    ...forgottenStates(heap, threads),
    ...readLostThreads(heap, frames, target, threads),
  ]);
  return found ?? [];
}

function readInterpreter(reader: Reader, runtime: Runtime, address: bigint, position: number) {
  const { heap, gaps } = reader;
  const id = attempt(() => interpreterId(heap, address, position)) ?? position;
  const gil = guarded(gaps, `GIL of interpreter ${id}`, () => readGil(runtime, address));
  const interpreter: PythonInterpreter = {
    address,
    id,
    ...(gil?.holder !== undefined && { gilHolder: gil.holder }),
    gilQueues: gil?.queues ?? [],
    ...(gil?.own !== undefined && { gilOwn: gil.own }),
    ...(gil?.dropRequested !== undefined && { gilDropRequested: gil.dropRequested }),
    ...(gil?.breaker !== undefined && { evalBreaker: gil.breaker }),
    ...(gil && { gilEvidence: gil.evidence }),
  };
  if (reader.locals !== undefined) learnValueTypes(heap, address);
  const list = listThreads(heap, address);
  note(gaps, `threads of interpreter ${id}`, list.stopped);
  // The newest comes first: an older one of the same thread was left by a fork (2.7), after which pthread_t are used again.
  const seen = new Set<bigint>();
  const threads = list.threads.map(state =>
    guarded(gaps, `thread state ${formatAddress(state)}`, () => readThread(reader, state, interpreter, seen)),
  );
  return { interpreter, threads: threads.filter(thread => thread !== undefined) };
}

function readThread(
  { heap, frames, pools, locals, lwps, gaps }: Reader,
  state: bigint,
  interpreter: PythonInterpreter,
  seen: Set<bigint>,
): PythonThread {
  const threadId = heap.pointer(state + BigInt(heap.layout.thread.threadId));
  const core = seen.has(threadId) ? undefined : lwps.get(threadId);
  seen.add(threadId);
  const name = core ? `thread ${core.lwp}` : `thread state ${formatAddress(state)}`;
  const { frames: live, stopped } = frames.walk(state);
  note(gaps, `Python frames of ${name}`, stopped);
  if (core) pools.note(core.lwp, live);
  const waits = guarded(
    gaps,
    `lock that ${name} waits for`,
    () => waitedObject(heap, core, live, interpreter.address) ?? waitedLock(heap, core, live),
  );
  const runs = guarded(gaps, `futures that ${name} works on`, () => runningFutures(heap, live)) ?? [];
  let damage: unknown;
  const holds = guarded(gaps, `locks that ${name} holds`, () =>
    heldLocks(heap, threadId, live, why => (damage ??= why)),
  );
  note(gaps, `locks that ${name} holds`, damage);
  const request = guarded(gaps, `request of ${name}`, () => readRequest(heap, live));
  const socket = guarded(gaps, `socket of ${name}`, () => awaitedSocket(heap, core, live, interpreter.address));
  return {
    address: state,
    interpreter: interpreter.id,
    threadId,
    ...(core && { lwp: core.lwp }),
    holdsGil: interpreter.gilHolder === state,
    frames: live.map(({ frame, ...slots }) => (locals ? { ...frame, locals: locals.read(slots) } : frame)),
    ...(waits && { waits }),
    holds: holds ?? [],
    ...(runs.length > 0 && { runs }),
    ...(request && { request }),
    ...(socket && { socket }),
  };
}

function interpreterId(heap: Heap, address: bigint, position: number): number {
  const { id } = heap.layout.interpreter;
  return id === undefined ? position : Number(BigInt.asIntN(48, heap.pointer(address + BigInt(id))));
}

/** The result; damage becomes a gap. */
function guarded<T>(gaps: Gap[], what: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    note(gaps, what, error);
    return undefined;
  }
}

function note(gaps: Gap[], what: string, stopped: unknown): void {
  if (stopped !== undefined) gaps.push(gapOf(what, stopped));
}
