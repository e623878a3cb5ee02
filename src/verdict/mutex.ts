import { attempt } from '../corefile/attempt.ts';
import { formatAddress, type Memory, readI32, readU32 } from '../corefile/memory.ts';
import type { Evidence } from '../python/process.ts';

/** A `pthread_mutex_t` that is taken and waited for. */
export interface AwaitedMutex {
  /** Thread id of its owner, as the process itself knows it. */
  readonly ownerId: number;
  /** Whether the call or the structure says by itself that this is a mutex, and no other user of a futex. */
  readonly confidence: 'proven' | 'likely';
  readonly evidence: readonly Evidence[];
  /** What of it says who the owner is. */
  readonly ownerEvidence: readonly Evidence[];
}

/** Fields of `struct __pthread_mutex_s` on 64-bit machines (glibc, struct_mutex.h); `__lock`, the futex word, comes first. */
const layout = { owner: 8n, users: 12n, kind: 16n } as const;

/** Bits of `__kind` (glibc, nptl/pthreadP.h). */
const kinds = { robust: 16, priorityInheritance: 32, priorityProtection: 64, known: 0x3ff } as const;

/** Futex operations (linux/futex.h). */
const waits = new Set([0n, 9n]);
const priorityLocks = new Set([6n, 13n]);

/** Bits of the futex word of robust and priority-inheriting mutexes; the others are the owner's thread id. */
const word = { waiters: 0x8000_0000, owner: 0x3fff_ffff } as const;

/**
 * The mutex that a futex(2) call waits for; undefined for what has not the form of one: condition variables, read-write
 * locks and semaphores have no field that names an owner where a mutex has it.
 * @param args of the call
 */
export function awaitedMutex(memory: Memory, args: readonly bigint[]): AwaitedMutex | undefined {
  const [address = 0n, operation = 0n] = args;
  const command = operation & 0x7fn;
  const read = attempt(() => ({
    lock: readU32(memory, address),
    owner: readI32(memory, address + layout.owner),
    users: readI32(memory, address + layout.users),
    kind: readU32(memory, address + layout.kind),
  }));
  if (read === undefined) return undefined;
  const { lock, owner, users, kind } = read;
  const namesOwner = owner > 0 && users > 0 && kind <= kinds.known && (kind & kinds.priorityProtection) === 0;
  const field: Evidence = {
    text: `mutex owner is thread ${owner}`,
    address: address + layout.owner,
    value: BigInt(owner),
    bytes: 4,
  };
  const kindField = (text: string): Evidence => ({
    text,
    address: address + layout.kind,
    value: BigInt(kind),
    bytes: 4,
  });
  const inWord = lock & word.owner;
  const wordField: Evidence = {
    text: `the futex ${formatAddress(address)} names thread ${inWord}`,
    address,
    value: BigInt(lock),
    bytes: 4,
  };
  if (priorityLocks.has(command)) {
    // The kernel itself keeps to this form (futex(2), Priority-inheritance futexes).
    if (inWord === 0) return undefined;
    const isMutex = namesOwner && owner === inWord && (kind & kinds.priorityInheritance) !== 0;
    const more = isMutex ? [field, kindField('and is a mutex with priority inheritance')] : [];
    const evidence = [wordField, ...more];
    return {
      ownerId: inWord,
      confidence: isMutex ? 'proven' : 'likely',
      evidence,
      ownerEvidence: isMutex ? [wordField, field] : [wordField],
    };
  }
  if (!waits.has(command) || !namesOwner) return undefined;
  if ((kind & kinds.robust) !== 0) {
    if (inWord !== owner || (lock & word.waiters) === 0) return undefined;
    const ownerEvidence = [wordField, field];
    const evidence = [...ownerEvidence, kindField('and is a robust mutex')];
    return { ownerId: owner, confidence: 'proven', evidence, ownerEvidence };
  }
  if (lock !== 2 || (kind & kinds.priorityInheritance) !== 0) return undefined;
  return { ownerId: owner, confidence: 'likely', evidence: [field], ownerEvidence: [field] };
}
