import type { CoreThread } from '../corefile/core.ts';
import { type Memory, readI32, readU32 } from '../corefile/memory.ts';
import type { Descriptor } from '../host/evidence.ts';
import type { NativeFrame } from '../native/stacks.ts';
import type { Evidence, PythonInterpreter, PythonThread } from '../python/process.ts';
import { attempt, type BlockedCall, blockedCall } from './blocked-call.ts';
import { knownWait } from './known-waits.ts';
import { waitsForGil, waitsForMutex } from './native-names.ts';
import type { Confidence, JudgedFrame, Wait } from './thread.ts';

/** All that is known of one thread when its wait is judged. */
export interface WaitQuestion {
  readonly core: CoreThread;
  readonly python?: PythonThread;
  readonly frames: readonly JudgedFrame[];
  readonly native: readonly NativeFrame[];
  readonly pythonVersion: string;
  readonly memory?: Memory;
  readonly descriptors: readonly Descriptor[];
  /** Of the thread's interpreter. */
  readonly interpreter?: PythonInterpreter;
  /** LWP of the thread that holds the interpreter's GIL. */
  readonly gilHolder?: number;
  /** LWP by its thread id inside the process's PID namespace, or by itself. */
  readonly lwpOf: (id: number) => number | undefined;
  /** Who holds a lock object: by `rlock_owner`, or by a `with` block. */
  readonly ownerOf: (address: bigint, ownerThreadId?: bigint) => Owner | undefined;
}

export interface Owner {
  readonly lwp: number;
  readonly confidence: Confidence;
}

/** What a thread waits for; undefined while it executes. The surest source decides: debugger, then Python, then the system call. */
export function describeWait(question: WaitQuestion): Wait | undefined {
  const { core, memory } = question;
  if (core.syscall === undefined) return undefined;
  const call = blockedCall(core.syscall, memory);
  return gilWait(question, call) ?? libraryWait(question, call) ?? lockWait(question, call) ?? callWait(question, call);
}

/** The GIL, when the native stack or the futex's address says so. */
function gilWait(question: WaitQuestion, call: BlockedCall): Wait | undefined {
  const { core, python, native, interpreter, gilHolder } = question;
  if (python === undefined || python.holdsGil || call.kind !== 'futex' || call.address === undefined) return undefined;
  const byStack = waitsForGil(native, question.pythonVersion);
  const byAddress = isGilAddress(interpreter, call.address);
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

function isGilAddress(interpreter: PythonInterpreter | undefined, address: bigint): boolean {
  const within = (start: bigint | undefined, bytes: bigint) =>
    start !== undefined && address >= start && address < start + bytes;
  // sizeof(pthread_cond_t), sizeof(pthread_mutex_t): glibc, x86-64 and AArch64.
  return within(interpreter?.gilCondition, 48n) || within(interpreter?.gilMutex, 48n);
}

/** Without a native stack: a thread in Python code that waits for a futex which is no lock, while another one runs Python. */
function isGilByExclusion(question: WaitQuestion, call: BlockedCall): boolean {
  const { core, python, frames, gilHolder, interpreter } = question;
  if (interpreter?.gilCondition !== undefined) return false;
  if (gilHolder === undefined || gilHolder === core.lwp || frames.length === 0) return false;
  // From 3.2 on a waiter asks again after each switch interval, so that its futex has a limit.
  if (!question.pythonVersion.startsWith('2.') && !call.limited) return false;
  return python?.waits === undefined && knownWait(frames) === undefined && mutexOwner(question, call) === undefined;
}

function gilEvidence(interpreter: PythonInterpreter | undefined): readonly Evidence[] {
  return interpreter?.gilHolder === undefined
    ? []
    : [{ text: `the GIL is held by the thread state at 0x${interpreter.gilHolder.toString(16)}` }];
}

/** A waiting function of the standard library: its inner lock is an accident of how it is made. */
function libraryWait({ frames, python }: WaitQuestion, call: BlockedCall): Wait | undefined {
  const kind = knownWait(frames);
  if (kind === undefined || (call.kind !== 'futex' && call.kind !== 'sleep')) return undefined;
  return {
    kind,
    ...(python?.waits !== undefined && { address: python.waits.address }),
    confidence: 'proven',
    syscall: call.name,
    ...limits(call),
    evidence: [...call.evidence, ...(python?.waits?.evidence ?? [])],
  };
}

function lockWait({ python, ownerOf }: WaitQuestion, call: BlockedCall): Wait | undefined {
  const waits = python?.waits;
  if (waits === undefined || call.kind !== 'futex') return undefined;
  const owner = ownerOf(waits.address, waits.ownerThreadId);
  return {
    kind: waits.kind,
    address: waits.address,
    confidence: waits.confidence,
    ...(owner && { owner: owner.lwp, ownerConfidence: owner.confidence }),
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
      return {
        kind: 'io',
        ...base,
        ...(call.fd !== undefined && { fd: call.fd }),
        ...(call.watched !== undefined && { watched: call.watched }),
        ...(peer !== undefined && { peer }),
      };
    }
    case 'sleep':
    case 'child':
      return { kind: call.kind, ...base };
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
  const owner = mutexOwner(question, call);
  const named = waitsForMutex(question.native);
  if (!named && owner === undefined) return { kind: 'unknown', ...base, address };
  return {
    kind: 'pthread-mutex',
    ...base,
    address,
    // Without a native stack only the owner's place in the structure speaks for a mutex.
    confidence: named ? 'proven' : 'likely',
    ...(owner && { owner: owner.lwp, ownerConfidence: named ? 'proven' : 'likely' }),
    evidence: [...base.evidence, ...(owner ? [owner.evidence] : [])],
  };
}

/** `__owner` of a pthread_mutex_t whose `__lock` says that it is taken and waited for (glibc, struct_mutex.h). */
function mutexOwner(
  { core, memory, lwpOf }: WaitQuestion,
  { address }: BlockedCall,
): { readonly lwp: number; readonly evidence: Evidence } | undefined {
  if (memory === undefined || address === undefined) return undefined;
  const lock = attempt(() => readU32(memory, address));
  const id = attempt(() => readI32(memory, address + 8n));
  if (lock !== 2 || id === undefined || id <= 0) return undefined;
  const lwp = lwpOf(id);
  if (lwp === undefined || lwp === core.lwp) return undefined;
  return { lwp, evidence: { text: `mutex owner is thread ${id}`, address: address + 8n, value: BigInt(id), bytes: 4 } };
}

function limits({ timeoutSeconds, limited }: BlockedCall): Pick<Wait, 'timeoutSeconds' | 'limited'> {
  return { ...(timeoutSeconds !== undefined && { timeoutSeconds }), ...(limited && { limited }) };
}

function peerOf(descriptors: readonly Descriptor[], fd: number | undefined): string | undefined {
  const found = descriptors.find(descriptor => descriptor.fd === fd);
  return found && (found.socket?.peer ?? found.partner ?? found.target);
}
