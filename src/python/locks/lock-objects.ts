import { formatAddress } from '../../corefile/memory.ts';
import type { LockStateLayout } from '../layout.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { Evidence, LockKind } from '../process.ts';

/** A lock object of `_thread`, or one of the standard library's that is written in Python around such a one. */
export interface LockObject {
  readonly kind: LockKind;
  readonly address: bigint;
  readonly state: LockState;
  /** `get_ident()` of the thread that holds it: only locks that know it have it; 0 is nobody. */
  readonly owner?: bigint;
  /** Of an import lock: the module that it is of. */
  readonly module?: string;
  /** From the lock object to its state and its owner. */
  readonly evidence: readonly Evidence[];
}

/** Where a lock keeps whether it is taken. */
export type LockState =
  /** A `sem_t` that waiters sleep on (thread_pthread.h, USE_SEMAPHORES). */
  | { readonly by: 'semaphore'; readonly address: bigint }
  /** A `PyMutex`, one byte; waiters are parked: each sleeps on a semaphore of its own (Python/parking_lot.c). */
  | { readonly by: 'mutex'; readonly address: bigint };

/** Classes written in Python: where they keep the inner lock that waiters sleep on, and who holds them. */
const wrappers: readonly {
  readonly className: string;
  readonly kind: LockKind;
  readonly inner: readonly string[];
  readonly owner: readonly string[];
  /** Where it keeps the name of its module. */
  readonly module?: string;
}[] = [
  // Lib/threading.py: 2.7 mangles the names; 3.x uses this class where C has none.
  { className: '_RLock', kind: 'python-rlock', inner: ['_RLock__block', '_block'], owner: ['_RLock__owner', '_owner'] },
  // Lib/importlib/_bootstrap.py
  { className: '_ModuleLock', kind: 'import-lock', inner: ['wakeup'], owner: ['owner'], module: 'name' },
];

/** The lock object at an address; undefined for anything else. */
export function lockObjectAt(heap: Heap, address: bigint): LockObject | undefined {
  return attempt(() => nativeLock(heap, address) ?? wrappedLock(heap, address));
}

/** The lock that entering or leaving a context manager takes or gives back: itself, a condition's, an import lock's. */
export function lockOfManager(heap: Heap, address: bigint): LockObject | undefined {
  return lockObjectAt(heap, address) ?? attempt(() => innerLock(heap, address));
}

/** Why a thread that sleeps on a futex waits for this lock; undefined: it does not. */
export function awaitedEvidence(heap: Heap, { state }: LockObject, word: bigint): Evidence | undefined {
  if (state.by === 'semaphore')
    return state.address === word
      ? { text: `the futex ${formatAddress(word)} is the semaphore of that lock` }
      : undefined;
  // `struct wait_entry`: the address that a thread is parked for, then the semaphore that it sleeps on.
  const field = word - 8n;
  if (attempt(() => heap.pointer(field)) !== state.address) return undefined;
  const text = `the thread is parked for the mutex ${formatAddress(state.address)} of that lock`;
  return { text, address: field, value: state.address, bytes: 8 };
}

/** What says that the lock is taken; undefined: it is free. */
export function takenEvidence(heap: Heap, { state }: LockObject): Evidence | undefined {
  const { address } = state;
  if (state.by === 'semaphore') {
    // Its value, the low half of what `sem_t` starts with.
    const value = attempt(() => heap.read(address, 4).readUInt32LE());
    if (value !== 0) return undefined;
    return { text: 'the semaphore of the lock is 0: taken', address, value: 0n, bytes: 4 };
  }
  const bits = attempt(() => heap.byte(address)) ?? 0;
  if ((bits & mutexLocked) === 0) return undefined;
  return { text: 'the mutex of the lock has its lowest bit set: taken', address, value: BigInt(bits), bytes: 1 };
}

/** `_Py_LOCKED` (Include/internal/pycore_lock.h, 3.13) */
const mutexLocked = 1;

/** `lockobject` of later 3.13 releases: a PyMutex behind its head (measured on 3.13.5: tp_basicsize 24). */
const mutexLock = { size: 24, offset: 16 };

function nativeLock(heap: Heap, address: bigint): LockObject | undefined {
  const { lock, rlock } = heap.layout;
  const name = heap.typeNameOf(address);
  if (name === lock.typeName) return { kind: 'python-lock', address, ...lockState(heap, address) };
  if (rlock === undefined || name !== rlock.typeName) return undefined;
  const { state, evidence } = stateAt(heap, address, rlock.state);
  const field = address + BigInt(rlock.owner);
  const owner = heap.pointer(field);
  const owned: Evidence = {
    text: `its owner is the thread ${formatAddress(owner)}`,
    address: field,
    value: owner,
    bytes: 8,
  };
  return { kind: 'python-rlock', address, state, owner, evidence: [...evidence, owned] };
}

function lockState(heap: Heap, address: bigint): Pick<LockObject, 'state' | 'evidence'> {
  const isMutex = heap.basicSize(address) === mutexLock.size;
  return stateAt(heap, address, isMutex ? { by: 'mutex', offset: mutexLock.offset } : heap.layout.lock.state);
}

function stateAt(heap: Heap, address: bigint, { by, offset }: LockStateLayout): Pick<LockObject, 'state' | 'evidence'> {
  if (by === 'mutex') return { state: { by, address: address + BigInt(offset) }, evidence: [] };
  const field = address + BigInt(offset);
  const semaphore = heap.pointer(field);
  const text = `the lock object ${formatAddress(address)} has the semaphore ${formatAddress(semaphore)}`;
  return {
    state: { by, address: semaphore },
    evidence: [{ text, address: field, value: semaphore, bytes: 8 }],
  };
}

function wrappedLock(heap: Heap, address: bigint): LockObject | undefined {
  const className = heap.className(address);
  const wrapper = wrappers.find(candidate => candidate.className === className);
  if (wrapper === undefined) return undefined;
  const inner = heap.attribute(address, ...wrapper.inner);
  const lock = inner === undefined ? undefined : nativeLock(heap, inner);
  if (lock === undefined) return undefined;
  const held = heap.attribute(address, ...wrapper.owner);
  const owner = held === undefined ? undefined : heap.integer(held);
  const name = wrapper.module === undefined ? undefined : heap.attribute(address, wrapper.module);
  const module = name === undefined ? undefined : attempt(() => heap.text(name, 256));
  const named = `the ${className} ${formatAddress(address)}${module === undefined ? '' : `, of the module "${module}",`}`;
  return {
    kind: wrapper.kind,
    address,
    state: lock.state,
    // None is nobody.
    owner: owner ?? 0n,
    ...(module !== undefined && { module }),
    evidence: [
      ...lock.evidence,
      owner === undefined || held === undefined
        ? { text: `${named} says that it has no owner` }
        : {
            text: `${named} says that its owner is the thread ${formatAddress(owner)}`,
            ...digitsOf(heap, held, owner),
          },
    ],
  };
}

/** Where an integer keeps a value of at most 60 bits: the value itself (2.7), or its two digits of 30 bits. */
function digitsOf(heap: Heap, object: bigint, value: bigint): Pick<Evidence, 'address' | 'value' | 'bytes'> {
  const { integer } = heap.layout;
  const isSmall = integer.shape === 'signed-size' && integer.small !== undefined && heap.typeNameOf(object) === 'int';
  if (!isSmall && value < 1n << 30n) return {};
  const address = object + BigInt(isSmall && integer.small !== undefined ? integer.small : integer.digits);
  const kept = attempt(() => heap.pointer(address));
  return kept === undefined ? {} : { address, value: kept, bytes: 8 };
}

/** Lib/threading.py, `Condition`; Lib/importlib/_bootstrap.py, `_ModuleLockManager`. */
function innerLock(heap: Heap, address: bigint): LockObject | undefined {
  const inner = heap.attribute(address, '_lock', '_Condition__lock');
  const isKnown = ['Condition', '_Condition', '_ModuleLockManager'].includes(heap.className(address));
  return isKnown && inner !== undefined ? lockObjectAt(heap, inner) : undefined;
}
