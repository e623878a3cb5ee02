import { formatAddress } from '../corefile/memory.ts';
import { attempt, type Heap } from './heap.ts';
import type { Evidence, LockKind } from './process.ts';

/** A lock object of `_thread`, or one of the standard library's that is written in Python around such a one. */
export interface LockObject {
  readonly kind: LockKind;
  readonly address: bigint;
  /** `sem_t *` that waiters sleep on. */
  readonly semaphore: bigint;
  /** `get_ident()` of the thread that holds it: only locks that know it have it; 0 is nobody. */
  readonly owner?: bigint;
  /** From the lock object to its semaphore and its owner. */
  readonly evidence: readonly Evidence[];
}

/** Classes written in Python: where they keep the inner lock that waiters sleep on, and who holds them. */
const wrappers: readonly {
  readonly className: string;
  readonly kind: LockKind;
  readonly inner: readonly string[];
  readonly owner: readonly string[];
}[] = [
  // Lib/threading.py: 2.7 mangles the names; 3.x uses this class where C has none.
  { className: '_RLock', kind: 'python-rlock', inner: ['_RLock__block', '_block'], owner: ['_RLock__owner', '_owner'] },
  // Lib/importlib/_bootstrap.py
  { className: '_ModuleLock', kind: 'import-lock', inner: ['wakeup'], owner: ['owner'] },
];

/** The lock object at an address; undefined for anything else. */
export function lockObjectAt(heap: Heap, address: bigint): LockObject | undefined {
  return attempt(() => nativeLock(heap, address) ?? wrappedLock(heap, address));
}

/** The lock that entering or leaving a context manager takes or gives back: itself, a condition's, an import lock's. */
export function lockOfManager(heap: Heap, address: bigint): LockObject | undefined {
  return lockObjectAt(heap, address) ?? attempt(() => innerLock(heap, address));
}

/** Whether the semaphore says that the lock is taken: its value, the low half of what `sem_t` starts with, is 0. */
export function takenEvidence(heap: Heap, { semaphore }: LockObject): Evidence | undefined {
  const value = attempt(() => heap.read(semaphore, 4).readUInt32LE());
  if (value !== 0) return undefined;
  return { text: 'the semaphore of the lock is 0: taken', address: semaphore, value: 0n, bytes: 4 };
}

function nativeLock(heap: Heap, address: bigint): LockObject | undefined {
  const { lock, rlock } = heap.layout;
  const name = heap.typeNameOf(address);
  if (name === lock.typeName) return { kind: 'python-lock', address, ...semaphoreOf(heap, address, lock.semaphore) };
  if (rlock === undefined || name !== rlock.typeName) return undefined;
  const { semaphore, evidence } = semaphoreOf(heap, address, rlock.semaphore);
  const field = address + BigInt(rlock.owner);
  const owner = heap.pointer(field);
  const owned: Evidence = {
    text: `its owner is the thread ${formatAddress(owner)}`,
    address: field,
    value: owner,
    bytes: 8,
  };
  return { kind: 'python-rlock', address, semaphore, owner, evidence: [...evidence, owned] };
}

function semaphoreOf(heap: Heap, address: bigint, offset: number): Pick<LockObject, 'semaphore' | 'evidence'> {
  const field = address + BigInt(offset);
  const semaphore = heap.pointer(field);
  const text = `the lock object ${formatAddress(address)} has the semaphore ${formatAddress(semaphore)}`;
  return { semaphore, evidence: [{ text, address: field, value: semaphore, bytes: 8 }] };
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
  // None is nobody.
  const named: Evidence = {
    text: `the ${className} ${formatAddress(address)} says that its owner is the thread ${formatAddress(owner ?? 0n)}`,
  };
  return {
    kind: wrapper.kind,
    address,
    semaphore: lock.semaphore,
    owner: owner ?? 0n,
    evidence: [...lock.evidence, named],
  };
}

/** Lib/threading.py, `Condition`; Lib/importlib/_bootstrap.py, `_ModuleLockManager`. */
function innerLock(heap: Heap, address: bigint): LockObject | undefined {
  const inner = heap.attribute(address, '_lock', '_Condition__lock');
  const isKnown = ['Condition', '_Condition', '_ModuleLockManager'].includes(heap.className(address));
  return isKnown && inner !== undefined ? lockObjectAt(heap, inner) : undefined;
}
