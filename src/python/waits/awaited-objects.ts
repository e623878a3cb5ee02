import type { CoreThread } from '../../corefile/core.ts';
import { formatAddress } from '../../corefile/memory.ts';
import type { LiveFrame } from '../frames/frames.ts';
import { libraryName } from '../frames/names.ts';
import { slotOf, slotsOf } from '../frames/slots.ts';
import { loadedModules } from '../loaded-modules.ts';
import { awaitedEvidence, lockObjectAt, takenEvidence } from '../locks/lock-objects.ts';
import { awaitedWord, boundTo, slotEvidence } from '../locks/locks.ts';
import { type Semaphore, semaphoreAt } from '../locks/semaphores.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import { lengthOf, listItems } from '../objects/lists.ts';
import type { Evidence, PythonWait, RunningFuture } from '../process.ts';
import { futureWaiters } from './future-waiters.ts';
import {
  futureWaits,
  jobs,
  type ShownAttribute,
  semLock,
  sharedWaits,
  shutdownFunction,
  simpleQueue,
  threadHandle,
  type WaitingFunction,
  waitingFunctions,
  waitsForAll,
  workItemFunction,
} from './waiting-functions.ts';
import { isAtWork } from './work-queue.ts';

/** A blocked thread, as far as what it waits for is read from it. */
interface BlockedThread {
  readonly heap: Heap;
  readonly call: NonNullable<CoreThread['syscall']>;
  /** Address of the word that it sleeps on, when the call is futex(2). */
  readonly word?: bigint;
  /** Innermost first, at least one. */
  readonly frames: readonly LiveFrame[];
  /** Address of its PyInterpreterState. */
  readonly interpreter: bigint;
}

type Proof = Pick<PythonWait, 'confidence' | 'evidence' | 'ownerThreadId'>;

/**
 * The object whose waiting function a thread stands in: a condition, event, semaphore, queue, thread, child process or
 * lock of multiprocessing, with its state. The local variable of the function names it; that the blocked system call
 * waits for a word of it is the proof. Undefined for a thread that waits for something else, the GIL included.
 */
export function waitedObject(
  heap: Heap,
  thread: CoreThread | undefined,
  frames: readonly LiveFrame[],
  interpreter: bigint,
): PythonWait | undefined {
  if (thread?.syscall === undefined || frames.length === 0) return undefined;
  const word = awaitedWord(thread);
  const blocked = { heap, call: thread.syscall, ...(word !== undefined && { word }), frames, interpreter };
  const names = frames.slice(0, depthLimit).map(nameOf);
  for (const row of longestFirst) {
    if (!row.frames.every((name, index) => names[index] === name)) continue;
    const found = attempt(() => inFunction(blocked, row));
    if (found !== undefined) return found;
  }
  if (names[0] === shutdownFunction) return attempt(() => inShutdown(blocked));
  return word === undefined ? undefined : inCall(blocked, word, names);
}

/** The futures, and jobs, whose work the frames do, innermost first. */
export function runningFutures(heap: Heap, frames: readonly LiveFrame[]): readonly RunningFuture[] {
  return frames.flatMap((frame, index) => {
    const name = nameOf(frame);
    // What its variable had of the job before, while it waits for the next one, is done.
    if (name === jobs.run && isAtWork(frames[index - 1])) return runningJob(heap, frame);
    if (name !== workItemFunction) return [];
    const item = attempt(() => localOf(heap, frame, 'self'));
    const future = item && attempt(() => heap.attributeSlot(item.object, 'future'));
    if (item === undefined || future === undefined) return [];
    const text = `${frame.frame.function} works out the result of the future ${formatAddress(future.value)}`;
    return [
      {
        address: future.value,
        waiters: futureWaiters(heap, future.value),
        evidence: [item.evidence, { text, address: future.slot, value: future.value, bytes: 8 }],
      },
    ];
  });
}

function runningJob(heap: Heap, frame: LiveFrame): readonly RunningFuture[] {
  const job = attempt(() => localOf(heap, frame, jobs.running));
  return job === undefined ? [] : [{ address: job.object, waiters: [], evidence: [job.evidence] }];
}

const longestFirst = waitingFunctions.toSorted((left, right) => right.frames.length - left.frames.length);

/** Frames of waiting functions that can follow each other. */
const depthLimit = 4;

function nameOf({ frame }: LiveFrame): string {
  return libraryName(frame);
}

interface Local {
  readonly object: bigint;
  readonly evidence: Evidence;
}

function localOf(heap: Heap, live: LiveFrame, name: string): Local | undefined {
  const slot = slotOf(heap, live, name);
  if (slot === undefined) return undefined;
  const { address, word, object } = slot;
  const text = `${name} of ${live.frame.function} is ${formatAddress(object)}`;
  return { object, evidence: { text, address, value: word, bytes: 8 } };
}

function inFunction(blocked: BlockedThread, row: WaitingFunction): PythonWait | undefined {
  const { heap, frames } = blocked;
  const frame = row.frames.length - 1;
  const own = frames[frame] && localOf(heap, frames[frame], row.object);
  if (own === undefined) return undefined;
  const condition = row.sleeps.on === 'waiter' ? conditionOf(blocked, row.sleeps.condition, own) : undefined;
  const proof = proofOf(blocked, row, own, condition);
  if (proof === undefined) return undefined;
  const future = futureOf(blocked, row, own);
  const timeoutSeconds = timeoutOf(blocked);
  const semaphore = row.kind === 'semaphore' ? semaphoreAt(heap, own.object) : undefined;
  return {
    kind: row.kind,
    address: row.kind === 'condition' ? (condition?.object ?? own.object) : own.object,
    frame,
    ...proof,
    ...ownerOf(heap, row, own.object, proof),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    ...future,
    ...(semaphore && { permits: permitsOf(semaphore) }),
    evidence: [
      ...proof.evidence,
      own.evidence,
      ...(condition && condition !== own ? [condition.evidence] : []),
      ...row.shows.flatMap(shown => attempt(() => shownEvidence(heap, own.object, shown)) ?? []),
    ],
  };
}

function permitsOf({ value, initial }: Semaphore): NonNullable<PythonWait['permits']> {
  return { value, ...(initial !== undefined && { initial }) };
}

/** The condition that the innermost frame waits on, when the object has it; the object itself when it is one. */
function conditionOf({ heap, frames }: BlockedThread, names: readonly string[], own: Local): Local | undefined {
  if (names.length === 0) return own;
  const inner = frames[0] && localOf(heap, frames[0], 'self');
  const held = heap.attributeSlot(own.object, ...names);
  if (inner === undefined || held === undefined || held.value !== inner.object) return undefined;
  const text = `its ${names[0]} is the condition ${formatAddress(held.value)}`;
  return { object: held.value, evidence: { text, address: held.slot, value: held.value, bytes: 8 } };
}

function proofOf(
  blocked: BlockedThread,
  { sleeps }: WaitingFunction,
  own: Local,
  condition: Local | undefined,
): Proof | undefined {
  const { heap, frames, call } = blocked;
  switch (sleeps.on) {
    case 'waiter': {
      const waiter = frames[0] && localOf(heap, frames[0], 'waiter');
      if (condition === undefined || waiter === undefined) return undefined;
      return byLock(blocked, waiter.object, waiter.evidence);
    }
    case 'lock': {
      const lock = heap.attributeSlot(own.object, ...sleeps.names);
      if (lock === undefined) return undefined;
      const text = `its ${sleeps.names[0]} is the lock ${formatAddress(lock.value)}`;
      return byLock(blocked, lock.value, { text, address: lock.slot, value: lock.value, bytes: 8 });
    }
    case 'handle': {
      const handle = heap.attributeSlot(own.object, ...sleeps.names);
      return handle && byHandle(blocked, heap.pointer(heap.field(handle.value, threadHandle.object)));
    }
    case 'child':
      return childCalls.has(call.name ?? '') ? { confidence: 'proven', evidence: [] } : undefined;
    default:
      return sleeps satisfies never;
  }
}

const childCalls: ReadonlySet<string> = new Set(['wait4', 'waitid']);
/** With these a wait with a limit of 2.7 asks again and again (Lib/threading.py, `_Condition.wait`). */
const napCalls: ReadonlySet<string> = new Set(['select', 'pselect6', 'nanosleep', 'clock_nanosleep']);

/** That the thread sleeps on this lock, which somebody has to release. */
function byLock({ heap, word, call }: BlockedThread, address: bigint, named: Evidence): Proof | undefined {
  const lock = lockObjectAt(heap, address);
  if (lock === undefined) return undefined;
  const taken = takenEvidence(heap, lock);
  const evidence = [named, ...lock.evidence, ...(taken ? [taken] : [])];
  if (word === undefined)
    return napCalls.has(call.name ?? '') ? { confidence: taken ? 'likely' : 'suspected', evidence } : undefined;
  const awaited = awaitedEvidence(heap, lock, word);
  if (awaited === undefined) return undefined;
  // A lock that was released lets the thread go on: the core shows it just before it wakes.
  return { confidence: taken === undefined ? 'suspected' : 'proven', evidence: [awaited, ...evidence] };
}

/** That the thread is parked until the thread of a handle is about to end (3.13, `ThreadHandle_join`). */
function byHandle({ heap, word }: BlockedThread, handle: bigint): Proof | undefined {
  const parked = word === undefined ? undefined : parkedFor(heap, word);
  const event = handle + BigInt(threadHandle.isExiting);
  if (parked?.value !== event) return undefined;
  const state = heap.int(handle + BigInt(threadHandle.state));
  const ident = heap.pointer(handle + BigInt(threadHandle.ident));
  // `_Py_LOCKED` of `thread_is_exiting`: it has ended.
  const isExiting = (heap.byte(event) & 1) !== 0;
  return {
    confidence: isExiting || state !== threadHandle.running ? 'suspected' : 'proven',
    ...(ident !== 0n && { ownerThreadId: ident }),
    evidence: [
      parked,
      {
        text: `the handle of the thread ${formatAddress(ident)}`,
        address: handle + BigInt(threadHandle.ident),
        value: ident,
        bytes: 8,
      },
      {
        text: `its state is ${state}, where ${threadHandle.running} is running`,
        address: handle + BigInt(threadHandle.state),
        value: BigInt(state >>> 0),
        bytes: 4,
      },
    ],
  };
}

/** The address that a thread is parked for: `struct wait_entry` has it before its semaphore (Python/parking_lot.c, 3.13). */
function parkedFor(heap: Heap, word: bigint): (Evidence & { readonly value: bigint }) | undefined {
  const address = word - 8n;
  const value = attempt(() => heap.pointer(address));
  if (value === undefined) return undefined;
  return { text: `the thread is parked for ${formatAddress(value)}`, address, value, bytes: 8 };
}

/** Who has to end. */
function ownerOf(
  heap: Heap,
  { ident }: WaitingFunction,
  object: bigint,
  { ownerThreadId, evidence }: Proof,
): Pick<PythonWait, 'ownerThreadId' | 'evidence'> | undefined {
  const named = ident && ownerThreadId === undefined ? heap.attributeSlot(object, ...ident) : undefined;
  const id = named && attempt(() => heap.integer(named.value));
  if (named === undefined || id === undefined) return undefined;
  const text = `it is the thread object of the thread ${formatAddress(id)}`;
  return {
    ownerThreadId: id,
    evidence: [...evidence, { text, address: named.slot, value: named.value, bytes: 8 }],
  };
}

/** The future that the object is, or what `wait` put into several: then one of them may be enough. */
function futureOf(
  { heap, frames }: BlockedThread,
  { kind, frames: names }: WaitingFunction,
  own: Local,
): Pick<PythonWait, 'future' | 'ownerConfidence'> | undefined {
  if (names[1]?.startsWith('_base.py:') === true) return { future: own.object };
  const caller = frames[names.length];
  const job = caller && jobOf(heap, caller);
  if (job !== undefined) return { future: job };
  if (kind !== 'event' || caller === undefined) return undefined;
  const known = futureWaits.find(({ frame }) => frame === nameOf(caller));
  const waiter = known && attempt(() => localOf(heap, caller, known.waiter))?.object;
  if (waiter === undefined) return undefined;
  return { future: waiter, ...(!waitsForEach(heap, waiter) && { ownerConfidence: 'likely' }) };
}

/** The number of the job whose result a frame of multiprocessing.pool waits for. */
function jobOf(heap: Heap, frame: LiveFrame): bigint | undefined {
  const result = nameOf(frame) === jobs.wait ? attempt(() => localOf(heap, frame, jobs.result)) : undefined;
  return result && attempt(() => heap.attribute(result.object, jobs.number));
}

/** Whether every one of its futures has to be done (`return_when=ALL_COMPLETED`). */
function waitsForEach(heap: Heap, waiter: bigint): boolean {
  const stops = attempt(() => heap.attribute(waiter, waitsForAll.attribute));
  const isThat = attempt(() => heap.className(waiter)) === waitsForAll.className;
  return isThat && stops !== undefined && attempt(() => heap.integer(stops)) === 0n;
}

/** `timeout` of the innermost frame; undefined for None and for -1. */
function timeoutOf({ heap, frames }: BlockedThread): number | undefined {
  const timeout = attempt(() => frames[0] && localOf(heap, frames[0], 'timeout'));
  const seconds = timeout && attempt(() => heap.number(timeout.object));
  if (seconds === undefined || !Number.isFinite(seconds) || seconds < 0) return undefined;
  // What remained of a limit after some bookkeeping.
  return Math.round(seconds * 1000) / 1000;
}

function shownEvidence(heap: Heap, object: bigint, { names, as, text }: ShownAttribute): readonly Evidence[] {
  const held = heap.attributeSlot(object, ...names);
  if (held === undefined) return [];
  const shown = shownValue(heap, held.value, as);
  return shown === undefined ? [] : [{ text: `${text}: ${shown}`, address: held.slot, value: held.value, bytes: 8 }];
}

const textLimit = 64;

function shownValue(heap: Heap, object: bigint, as: ShownAttribute['as']): string | undefined {
  switch (as) {
    case 'boolean': {
      const value = heap.integer(object);
      return value === undefined ? undefined : value === 0n ? 'no' : 'yes';
    }
    case 'integer':
      return heap.integer(object)?.toString();
    case 'length':
      return String(lengthOf(heap, object));
    case 'text':
      return heap.text(object, textLimit);
    case 'command':
      return commandOf(heap, object);
    default:
      return as satisfies never;
  }
}

/** The program alone: arguments may be secrets. */
function commandOf(heap: Heap, object: bigint): string | undefined {
  const name = heap.typeNameOf(object);
  if (name !== 'list' && name !== 'tuple') return heap.text(object, textLimit)?.split(/\s/)[0];
  const [program] = name === 'tuple' ? heap.tuple(object) : listItems(heap, object, 1);
  const more = lengthOf(heap, object) - 1;
  const text = program === undefined ? undefined : heap.text(program, textLimit);
  return text === undefined || more < 1 ? text : `${text} and ${more} ${more === 1 ? 'argument' : 'arguments'}`;
}

/** The end of the program: the main thread waits for each thread that is no daemon, by its lock or its handle. */
function inShutdown(blocked: BlockedThread): PythonWait | undefined {
  const { heap, frames, word } = blocked;
  if (word === undefined || frames[0] === undefined) return undefined;
  const lock = localOf(heap, frames[0], 'lock');
  const byLocal = lock && byLock(blocked, lock.object, lock.evidence);
  const parked = byLocal === undefined ? parkedFor(heap, word) : undefined;
  const handle = parked === undefined ? undefined : parked.value - BigInt(threadHandle.isExiting);
  for (const thread of activeThreads(blocked)) {
    const own =
      byLocal === undefined
        ? heap.attribute(thread, '_handle', '_os_thread_handle')
        : heap.attributeSlot(thread, '_tstate_lock');
    if (own === undefined) continue;
    const proof =
      typeof own === 'bigint'
        ? handle === attempt(() => heap.pointer(heap.field(own, threadHandle.object))) &&
          byHandle(blocked, handle ?? 0n)
        : own.value === lock?.object && byLocal;
    if (!proof) continue;
    const row = waitingFunctions.find(({ kind, ident }) => kind === 'join' && ident !== undefined);
    return {
      kind: 'join',
      address: thread,
      frame: 0,
      ...proof,
      ...(row && ownerOf(heap, row, thread, proof)),
    };
  }
  return undefined;
}

/** `threading._active`: the thread objects of one interpreter. */
function activeThreads({ heap, interpreter }: BlockedThread): readonly bigint[] {
  const threading = loadedModules(heap, { address: interpreter }, ['threading']).get('threading');
  const active = threading === undefined ? undefined : heap.attribute(threading, '_active');
  return active === undefined ? [] : [...heap.values(active)];
}

/** An object of a C type that a value of the innermost frame is, or is a method of. */
function inCall(blocked: BlockedThread, word: bigint, names: readonly string[]): PythonWait | undefined {
  const { heap, frames } = blocked;
  const [innermost] = frames;
  if (innermost === undefined) return undefined;
  for (const slot of slotsOf(heap, innermost)) {
    const bound = attempt(() => heap.boundMethod(slot.object));
    const target = bound?.self ?? slot.object;
    const path = [slotEvidence(innermost, slot), ...(bound ? [boundTo(bound)] : [])];
    const found = attempt(() => cObject(blocked, { target, word, path, names }));
    if (found !== undefined) return found;
  }
  return undefined;
}

interface CObject {
  readonly target: bigint;
  readonly word: bigint;
  readonly path: readonly Evidence[];
  readonly names: readonly string[];
}

function cObject(blocked: BlockedThread, object: CObject): PythonWait | undefined {
  switch (blocked.heap.typeNameOf(object.target)) {
    case simpleQueue.typeName:
      return inSimpleQueue(blocked, object);
    case semLock.typeName:
      return inSemLock(blocked, object);
    default:
      return undefined;
  }
}

function inSimpleQueue({ heap }: BlockedThread, { target, word, path }: CObject): PythonWait | undefined {
  const address = heap.field(target, simpleQueue.state);
  const lock = heap.pointer(address);
  const parked = parkedFor(heap, word);
  const isParked = parked?.value === address;
  if (lock !== word && !isParked) return undefined;
  const text = `the futex ${formatAddress(word)} is the lock of the queue ${formatAddress(target)}`;
  const proof: Evidence = isParked && parked ? parked : { text, address, value: lock, bytes: 8 };
  return { kind: 'queue', address: target, frame: 0, confidence: 'proven', evidence: [proof, ...path] };
}

/** A `sem_t` that processes share; the object knows which thread of its own process took it last, and how often. */
function inSemLock({ heap, frames }: BlockedThread, { target, word, path, names }: CObject): PythonWait | undefined {
  const at = (offset: number) => heap.field(target, offset);
  if (heap.pointer(at(semLock.handle)) !== word) return undefined;
  const handle: Evidence = {
    text: `the futex ${formatAddress(word)} is the semaphore of ${formatAddress(target)}`,
    address: at(semLock.handle),
    value: word,
    bytes: 8,
  };
  const shared = sharedWaits.findLast(row => row.frames.every((name, index) => names[index] === name));
  const frame = shared === undefined ? undefined : frames[shared.frames.length - 1];
  const object = frame && attempt(() => localOf(heap, frame, 'self'));
  if (shared !== undefined && object !== undefined)
    return {
      kind: shared.kind,
      address: object.object,
      frame: shared.frames.length - 1,
      confidence: 'proven',
      evidence: [handle, ...path, object.evidence],
    };
  const count = heap.int(at(semLock.count));
  const owner = heap.pointer(at(semLock.lastThread));
  const counted: Evidence = {
    text:
      count > 0
        ? `this process has it ${count === 1 ? 'once' : `${count} times`}`
        : 'no thread of this process has it: another process does',
    address: at(semLock.count),
    value: BigInt(count >>> 0),
    bytes: 4,
  };
  const taken: Evidence = {
    text: `its owner is the thread ${formatAddress(owner)}`,
    address: at(semLock.lastThread),
    value: owner,
    bytes: 8,
  };
  // Of a semaphore with more than one place only the last taker is known.
  const isOwned = count > 0 && heap.int(at(semLock.maximum)) === 1;
  return {
    kind: 'mp-lock',
    address: target,
    frame: 0,
    confidence: 'proven',
    ...(isOwned && { ownerThreadId: owner }),
    ...(count === 0 && { heldElsewhere: true }),
    evidence: [handle, ...path, counted, ...(isOwned ? [taken] : [])],
  };
}
