import type { CoreThread } from '../corefile/core.ts';
import type { Memory } from '../corefile/memory.ts';
import type { Descriptor } from '../host/evidence.ts';
import type { NativeFrame } from '../native/stacks.ts';
import type { PythonInterpreter, PythonThread, PythonWait } from '../python/process.ts';
import { type BlockedCall, blockedCall } from './blocked-call.ts';
import { gilEvidence, isGilAddress } from './gil.ts';
import { knownWait } from './known/library-waits.ts';
import { type AwaitedMutex, awaitedMutex } from './mutex.ts';
import { waitsForGil, waitsForMutex } from './native-names.ts';
import { lackedPermits, type PermitHolder } from './permits.ts';
import type { Confidence, JudgedFrame, Orphan, Wait } from './thread.ts';
import { isLock } from './wait-kinds.ts';

/** All that is known of one thread when its wait is judged. */
export interface WaitQuestion {
  readonly core: CoreThread;
  readonly python?: PythonThread;
  readonly frames: readonly JudgedFrame[];
  readonly native: readonly NativeFrame[];
  readonly pythonVersion: string;
  readonly memory?: Memory;
  readonly descriptors: readonly Descriptor[];
  /** The one whose GIL it waits for, if it waits for one; else the thread's own. */
  readonly interpreter?: PythonInterpreter;
  /** LWP of the thread that holds that GIL. */
  readonly gilHolder?: number;
  /** LWP by its thread id inside the process's PID namespace, or by itself. */
  readonly lwpOf: (id: number) => number | undefined;
  /** Who holds a lock object: by `rlock_owner`, or by a `with` block. */
  readonly ownerOf: (address: bigint, ownerThreadId?: bigint) => Owner | undefined;
  /** Who holds permits of a semaphore. */
  readonly holdersOf: (semaphore: bigint) => readonly PermitHolder[];
  /** That a lock's owner does not exist; absent: it was not looked for. */
  readonly orphanOf?: (waits: PythonWait) => Orphan | undefined;
  /** Whether every thread of the process is known by the id that it has there: a mutex owner that is none does not exist. */
  readonly knowsAllIds?: () => boolean;
}

export interface Owner {
  readonly lwp: number;
  readonly confidence: Confidence;
}

/** What a thread waits for; undefined while it executes. The surest source decides: debugger, then Python, then the system call. */
export function describeWait(question: WaitQuestion): Wait | undefined {
  const { core, memory } = question;
  if (core.syscall === undefined) return betweenGilWaits(question);
  const call = blockedCall(core.syscall, memory);
  return gilWait(question, call) ?? libraryWait(question, call) ?? lockWait(question, call) ?? callWait(question, call);
}

/** The GIL, when the native stack or the futex's address says so. */
function gilWait(question: WaitQuestion, call: BlockedCall): Wait | undefined {
  const { core, python, native, interpreter, gilHolder } = question;
  if (python === undefined || call.kind !== 'futex' || call.address === undefined) return undefined;
  const byAddress = isGilAddress(interpreter, call.address);
  // Who has one interpreter's may wait for another's.
  if (gilHolder === core.lwp || (python.holdsGil && !byAddress)) return undefined;
  const byStack = waitsForGil(native, question.pythonVersion);
  const byRest = native.length === 0 && !byAddress && isGilByExclusion(question, call);
  if (!byStack && !byAddress && !byRest) return undefined;
  return {
    kind: 'gil',
    address: call.address,
    confidence: byRest ? 'likely' : 'proven',
    ...(gilHolder !== undefined && gilHolder !== core.lwp && { owner: gilHolder }),
    syscall: call.name,
    evidence: [...call.evidence, ...gilEvidence(interpreter)],
  };
}

/** From 3.2 on who waits for the GIL asks again after each switch interval, and may be dumped on its way round. */
function betweenGilWaits(question: WaitQuestion): Wait | undefined {
  const { core, python, native, pythonVersion, memory, interpreter, gilHolder } = question;
  if (core.expired !== undefined) return gilWait(question, blockedCall(core.expired, memory));
  if (python === undefined || python.holdsGil || gilHolder === core.lwp || !waitsForGil(native, pythonVersion))
    return undefined;
  return {
    kind: 'gil',
    confidence: 'proven',
    ...(gilHolder !== undefined && { owner: gilHolder }),
    evidence: [
      { text: 'its native stack is inside a function that takes the GIL or hands it on' },
      ...gilEvidence(interpreter),
    ],
  };
}

/** Without a native stack: a thread in Python code that waits for a futex which is no lock, while another one runs Python. */
function isGilByExclusion(question: WaitQuestion, call: BlockedCall): boolean {
  const { core, python, frames, gilHolder, interpreter } = question;
  if (interpreter !== undefined && interpreter.gilQueues.length > 0) return false;
  if (gilHolder === undefined || gilHolder === core.lwp || frames.length === 0) return false;
  // From 3.2 on a waiter asks again after each switch interval, so that its futex has a limit.
  if (!question.pythonVersion.startsWith('2.') && !call.limited) return false;
  return python?.waits === undefined && knownWait(frames) === undefined && mutexOf(question) === undefined;
}

/** A waiting function of the standard library: the object that it waits for, else what its name alone says. */
function libraryWait(question: WaitQuestion, call: BlockedCall): Wait | undefined {
  const { frames, python } = question;
  if (call.kind !== 'futex' && call.kind !== 'sleep') return undefined;
  if (python?.waits !== undefined)
    return isLock(python.waits.kind) ? undefined : objectWait(question, python.waits, call);
  const kind = knownWait(frames);
  return kind && { kind, confidence: 'likely', syscall: call.name, ...limits(call), evidence: call.evidence };
}

/** What somebody has to notify, set, release, fill, empty or end. */
function objectWait({ ownerOf, holdersOf }: WaitQuestion, waits: PythonWait, call: BlockedCall): Wait {
  const { ownerThreadId, ownerAbsent, queuedIn: queue, timeoutSeconds } = waits;
  const owner = ownerThreadId === undefined || ownerAbsent ? undefined : ownerOf(waits.address, ownerThreadId);
  const { evidence: accounted, ...lacked } = lackedPermits(waits, holdersOf);
  return {
    kind: waits.kind,
    address: waits.address,
    confidence: waits.confidence,
    ...(owner && { owner: owner.lwp, ownerConfidence: waits.ownerConfidence ?? owner.confidence }),
    ...lacked,
    ...(ownerAbsent === true && { ownerAbsent }),
    ...(queue !== undefined && { queuedIn: { queue, confidence: waits.ownerConfidence ?? waits.confidence } }),
    syscall: call.name,
    ...limits(call),
    ...(call.limited && timeoutSeconds !== undefined && { timeoutSeconds }),
    evidence: [...call.evidence, ...accounted, ...waits.evidence],
  };
}

function lockWait({ python, ownerOf, orphanOf }: WaitQuestion, call: BlockedCall): Wait | undefined {
  const waits = python?.waits;
  if (waits === undefined || call.kind !== 'futex' || !isLock(waits.kind)) return undefined;
  const orphan = orphanOf?.(waits);
  const owner = orphan === undefined ? ownerOf(waits.address, waits.ownerThreadId) : undefined;
  return {
    kind: waits.kind,
    address: waits.address,
    confidence: waits.confidence,
    ...(owner && { owner: owner.lwp, ownerConfidence: waits.ownerConfidence ?? owner.confidence }),
    ...(orphan && { orphan }),
    ...(waits.heldElsewhere === true && { heldElsewhere: true }),
    ...(waits.module !== undefined && { module: waits.module }),
    syscall: call.name,
    ...limits(call),
    evidence: [...call.evidence, ...waits.evidence],
  };
}

/** What the system call alone says. */
function callWait(question: WaitQuestion, call: BlockedCall): Wait {
  const base = { confidence: 'proven', syscall: call.name, ...limits(call), evidence: call.evidence } as const;
  switch (call.kind) {
    case 'io': {
      const peer = peerOf(question.descriptors, call.fd);
      const { socket } = question.python ?? {};
      return {
        kind: 'io',
        ...base,
        ...(call.fd !== undefined && { fd: call.fd }),
        ...(call.watched !== undefined && { watched: call.watched }),
        ...(peer !== undefined && { peer }),
        ...(socket && {
          socketTimeoutSeconds: socket.timeoutSeconds,
          evidence: [...call.evidence, ...socket.evidence],
        }),
      };
    }
    case 'sleep':
      return { kind: 'sleep', ...base };
    case 'child': {
      const { waits } = question.python ?? {};
      const child = waits?.kind === 'child' ? waits : undefined;
      return {
        kind: 'child',
        ...base,
        ...(call.pid !== undefined && { pid: call.pid }),
        ...(child && { address: child.address, evidence: [...base.evidence, ...child.evidence] }),
      };
    }
    case 'futex':
      return futexWait(question, call, base);
    case 'signal':
    case 'other':
      return { kind: 'unknown', ...base };
    default:
      return call.kind satisfies never;
  }
}

function futexWait(question: WaitQuestion, call: BlockedCall, base: Omit<Wait, 'kind'>): Wait {
  const address = call.address ?? 0n;
  const mutex = mutexOf(question);
  const owner = mutex && question.lwpOf(mutex.ownerId);
  const confidence = mutexConfidence(question, mutex, owner);
  if (confidence === undefined) return { kind: 'unknown', ...base, address };
  const orphan = mutex && owner === undefined && question.knowsAllIds?.() === true ? lostOwner(mutex) : undefined;
  return {
    kind: 'pthread-mutex',
    ...base,
    address,
    confidence,
    ...(owner !== undefined && { owner, ownerConfidence: confidence, ownerEvidence: mutex?.ownerEvidence ?? [] }),
    ...(orphan && { orphan }),
    evidence: [...base.evidence, ...(mutex?.evidence ?? [])],
  };
}

/** How sure it is that a thread waits for a mutex; undefined: it is not said to. */
function mutexConfidence(
  { core, native }: WaitQuestion,
  mutex: AwaitedMutex | undefined,
  owner: number | undefined,
): Confidence | undefined {
  if (waitsForMutex(native) || mutex?.confidence === 'proven') return 'proven';
  // A native stack that is there and shows no mutex outweighs what only looks like one.
  if (mutex === undefined || native.length > 0 || owner === core.lwp) return undefined;
  return owner === undefined ? 'suspected' : 'likely';
}

function lostOwner({ ownerId }: AwaitedMutex): Orphan {
  const text = `none of the threads of this process has the id ${ownerId} of that owner`;
  return { confidence: 'proven', by: 'gone', evidence: [{ text }] };
}

/** The mutex that the system call waits for, by its owner's place in the structure. */
function mutexOf({ core, memory }: WaitQuestion): AwaitedMutex | undefined {
  return memory && core.syscall && awaitedMutex(memory, core.syscall.args);
}

function limits({ timeoutSeconds, limited, shared }: BlockedCall): Pick<Wait, 'timeoutSeconds' | 'limited' | 'shared'> {
  return {
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    ...(limited && { limited }),
    ...(shared === true && { shared }),
  };
}

function peerOf(descriptors: readonly Descriptor[], fd: number | undefined): string | undefined {
  const found = descriptors.find(descriptor => descriptor.fd === fd);
  return found && (found.socket?.peer ?? found.partner ?? found.target);
}
