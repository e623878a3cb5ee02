import type { CoreThread } from '../../corefile/core.ts';
import { formatAddress } from '../../corefile/memory.ts';
import type { HangarError } from '../../errors.ts';
import type { LiveFrame } from '../frames/frames.ts';
import { localOf, type Slot, slotsOf } from '../frames/slots.ts';
import { type BlockFrame, withBlocks } from '../frames/with-blocks.ts';
import { attempt, type BoundMethod, type Heap } from '../objects/heap.ts';
import type { Evidence, HeldLock, PythonWait } from '../process.ts';
import { stackedManagers } from './exit-stack.ts';
import { awaitedEvidence, type LockObject, lockObjectAt, lockOfManager, takenEvidence } from './lock-objects.ts';
import { type Semaphore, semaphoreAt } from './semaphores.ts';

/**
 * The lock a thread waits for: one that its innermost frame works with and that the blocked system call waits for.
 * Which slot of the frame leads to it does not matter, stale ones included: the awaited word proves it.
 */
export function waitedLock(
  heap: Heap,
  thread: CoreThread | undefined,
  frames: readonly LiveFrame[],
): PythonWait | undefined {
  const [innermost] = frames;
  const word = thread === undefined ? undefined : awaitedWord(thread);
  if (innermost === undefined || thread === undefined || word === undefined) return undefined;
  let found: { readonly lock: LockObject; readonly awaited: Evidence; readonly path: readonly Evidence[] } | undefined;
  for (const slot of slotsOf(heap, innermost)) {
    const reached = lockBehind(heap, slot.object);
    const awaited = reached && awaitedEvidence(heap, reached.lock, word);
    if (reached === undefined || awaited === undefined) continue;
    // A lock written in Python is the one meant, the inner one only how it waits.
    if (found !== undefined && !isWrapper(reached.lock, found.lock)) continue;
    found = { lock: reached.lock, awaited, path: [slotEvidence(innermost, slot), ...reached.path] };
  }
  if (found === undefined) return undefined;
  const { lock, awaited, path } = found;
  const taken = takenEvidence(heap, lock);
  return {
    kind: lock.kind,
    address: lock.address,
    frame: 0,
    // A free lock lets the thread go on: the core shows it just before it wakes.
    confidence: taken === undefined ? 'suspected' : 'proven',
    ...(lock.owner !== undefined && lock.owner !== 0n && { ownerThreadId: lock.owner }),
    ...(lock.module !== undefined && { module: lock.module }),
    evidence: [awaited, ...path, ...lock.evidence, ...(taken ? [taken] : [])],
  };
}

/**
 * The locks, and permits of semaphores, whose `with` block a thread executes, innermost first.
 * @param tell is given what damage left out
 */
export function heldLocks(
  heap: Heap,
  threadId: bigint,
  frames: readonly LiveFrame[],
  tell?: (damage: HangarError) => void,
): readonly HeldLock[] {
  const held: HeldLock[] = [];
  /** Locks that an inner frame has given back while it waits. */
  const given = new Set<bigint>();
  for (const [index, live] of frames.entries()) {
    const released = attempt(() => releasedByWait(heap, live), tell);
    if (released !== undefined) given.add(released);
    for (const { slot, line, evidence } of attempt(() => withBlocks(heap, live), tell) ?? []) {
      const manager = attempt(() => managerAt(heap, slot), tell);
      for (const { lock, confidence, path } of manager ? locksOf(heap, manager) : []) {
        const taken = given.has(lock.address) ? undefined : ownership(heap, lock, threadId);
        if (taken === undefined) continue;
        held.push({
          kind: lock.kind,
          address: lock.address,
          frame: index,
          at: lock.kind === 'import-lock' ? importedAt(frames, index, line) : { file: live.frame.file, line },
          confidence,
          evidence: [evidence, ...path, ...taken],
        });
      }
    }
  }
  return held;
}

interface Entered {
  readonly lock: LockObject | Semaphore;
  readonly confidence: HeldLock['confidence'];
  /** From the block to the lock. */
  readonly path: readonly Evidence[];
}

/** The lock or semaphore that a `with` block manages, or those that its ExitStack has entered. */
function locksOf(heap: Heap, { address, evidence }: Manager): readonly Entered[] {
  const lock = takenBy(heap, address);
  if (lock !== undefined) return [{ lock, confidence: 'proven', path: evidence }];
  return (attempt(() => stackedManagers(heap, address)) ?? []).flatMap(manager => {
    const entered = takenBy(heap, manager.address);
    if (entered === undefined) return [];
    // Its `push` takes locks in that it has not entered: only one that names its owner is sure.
    const confidence = entered.kind === 'semaphore' || entered.owner === undefined ? 'likely' : 'proven';
    return [{ lock: entered, confidence, path: [...evidence, ...manager.evidence] }];
  });
}

function takenBy(heap: Heap, manager: bigint): LockObject | Semaphore | undefined {
  return lockOfManager(heap, manager) ?? semaphoreAt(heap, manager);
}

/** The statement that imports: importlib, which takes the lock, stands inside it and is no file. */
function importedAt(frames: readonly LiveFrame[], index: number, line: number): NonNullable<HeldLock['at']> {
  const importer = frames.slice(index).find(({ frame }) => !frame.file.startsWith('<frozen '))?.frame;
  const { file, line: own } = importer ?? { file: frames[index]?.frame.file ?? '?', line };
  return { file, line: own };
}

/** Address of the word that a thread waits on with futex(2): FUTEX_WAIT, FUTEX_WAIT_BITSET. */
export function awaitedWord({ syscall }: CoreThread): bigint | undefined {
  const [word, operation] = syscall?.args ?? [];
  if (syscall?.name !== 'futex' || word === undefined || operation === undefined) return undefined;
  return [0n, 9n].includes(operation & 0x7fn) ? word : undefined;
}

/** The lock that a value is or manages, or that it is a method of. */
function lockBehind(
  heap: Heap,
  value: bigint,
): { readonly lock: LockObject; readonly path: readonly Evidence[] } | undefined {
  const own = lockOfManager(heap, value);
  if (own !== undefined) return { lock: own, path: [] };
  const bound = attempt(() => heap.boundMethod(value));
  const lock = bound && lockOfManager(heap, bound.self);
  if (bound === undefined || lock === undefined) return undefined;
  return { lock, path: [boundTo(bound)] };
}

function isWrapper(lock: LockObject, found: LockObject): boolean {
  return found.kind === 'python-lock' && lock.kind !== 'python-lock';
}

/** That the innermost frame has an object at hand. */
export function slotEvidence({ frame }: LiveFrame, { address, word, object }: Slot): Evidence {
  return {
    text: `${frame.function} at line ${frame.line} works with ${formatAddress(object)}`,
    address,
    value: word,
    bytes: 8,
  };
}

export interface Manager {
  readonly address: bigint;
  readonly evidence: readonly Evidence[];
}

/** The object of a `with` block, from what the block keeps on the value stack. */
export function managerAt(heap: Heap, slot: bigint): Manager | undefined {
  const { withExit } = heap.layout.opcodes;
  switch (withExit) {
    case 'bound':
      return managerOfMethod(heap, slot);
    case 'function-and-self': {
      const word = heap.pointer(slot);
      const address = heap.referent(word);
      // Null where looking `__exit__` up gave something that is called as it is.
      if (address === 0n) return managerOfMethod(heap, slot - 8n);
      const text = `its __exit__ waits on the value stack to be called on ${formatAddress(address)}`;
      return { address, evidence: [{ text, address: slot, value: word, bytes: 8 }] };
    }
    default:
      return withExit satisfies never;
  }
}

/** The object whose bound `__exit__` lies in a slot. */
function managerOfMethod(heap: Heap, slot: bigint): Manager | undefined {
  const word = heap.pointer(slot);
  const method = heap.referent(word);
  const bound = heap.boundMethod(method);
  if (bound === undefined) return undefined;
  const text = `its __exit__ waits on the value stack: ${formatAddress(method)}`;
  return { address: bound.self, evidence: [{ text, address: slot, value: word, bytes: 8 }, boundTo(bound)] };
}

/** What leads from a method to its object. */
export function boundTo({ self, selfField }: BoundMethod): Evidence {
  return { text: `which is a method of ${formatAddress(self)}`, address: selfField, value: self, bytes: 8 };
}

/** Why a lock whose block is being executed is the thread's now; undefined when it is not. Of a permit the block is all. */
function ownership(heap: Heap, lock: LockObject | Semaphore, threadId: bigint): readonly Evidence[] | undefined {
  if (lock.kind === 'semaphore') return [];
  if (lock.owner !== undefined) return lock.owner === threadId ? lock.evidence : undefined;
  const taken = takenEvidence(heap, lock);
  return taken && [...lock.evidence, taken];
}

/** What a frame's `wait` is called on: a condition (Lib/threading.py, asyncio/locks.py) gives its lock back meanwhile. */
export function waitedOn(heap: Heap, frame: BlockFrame): bigint | undefined {
  return /(?:^|\.)wait$/.test(frame.frame.function) ? localOf(heap, frame, 'self') : undefined;
}

/** The lock that a condition has given back until it is notified. */
function releasedByWait(heap: Heap, live: LiveFrame): bigint | undefined {
  const self = waitedOn(heap, live);
  if (self === undefined) return undefined;
  return lockObjectAt(heap, self) === undefined ? lockOfManager(heap, self)?.address : undefined;
}
