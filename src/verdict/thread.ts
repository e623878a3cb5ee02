import type { ThreadState } from '../host/evidence.ts';
import type { NativeFrame } from '../native/stacks.ts';
import type { Evidence, PythonFrame } from '../python/process.ts';

/** One LWP of the core: what every source said of it, joined. */
export interface JudgedThread {
  readonly lwp: number;
  /** Id inside the process's own PID namespace, where it differs or is known. */
  readonly nsPid?: number;
  readonly name?: string;
  readonly state?: ThreadState;
  /** 100 is one full core; absent without two samples of /proc. */
  readonly cpuPercent?: number;
  /** As `cpuPercent`, with the time in which it was ready to run and others had the core. */
  readonly wantedPercent?: number;
  readonly role: ThreadRole;
  readonly gil: 'holds' | 'waits' | 'none';
  /** Lowest `PythonInterpreter.id` of those that share the GIL it runs under; absent without Python. */
  readonly gilGroup?: number;
  /** What says that it holds the GIL, and whether it is asked to give it up; absent unless it does. */
  readonly gilEvidence?: readonly Evidence[];
  /** Innermost first. */
  readonly python: readonly JudgedFrame[];
  /** Innermost first. */
  readonly native: readonly NativeFrame[];
  /** Both stacks merged, innermost first: indexes into `python` and `native`. */
  readonly stack: readonly StackEntry[];
  readonly waits?: Wait;
  readonly holds: readonly Hold[];
  readonly request?: Request;
  /** Whether /proc's samples show that the thread ran or woke between them; absent when not sampled. */
  readonly moved?: boolean;
  /** One per sample of /proc. */
  readonly states: readonly ThreadState[];
  /** Function of the kernel that it slept in when it was sampled, and how it came there, innermost first. */
  readonly wchan?: string;
  readonly kernelStack?: readonly string[];
  /** Whether the thread was executing, not blocked in a system call, when the core was taken. */
  readonly onCpu: boolean;
  /** Address of the instruction being executed. */
  readonly pc: bigint;
  /** Name of the module that holds `pc`, where known. */
  readonly runningModule?: string;
  /** `PythonProcess.version` */
  readonly pythonVersion: string;
}

/** application: runs the service's own code; idle: waits for work; runtime: has no Python of its own. */
export type ThreadRole = 'application' | 'idle' | 'runtime';

export interface JudgedFrame {
  readonly function: string;
  readonly file: string;
  readonly line: number;
  /** `PythonInterpreter.id` */
  readonly interpreter: number;
  readonly firstLine: number;
  /** Whose code this is, by its path. */
  readonly origin: FrameOrigin;
  /** Only where they were asked for. */
  readonly locals?: NonNullable<PythonFrame['locals']>;
}

export type FrameOrigin = 'application' | 'site' | 'stdlib' | 'launcher';

export type StackEntry = { readonly python: number } | { readonly native: number };

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
}

export type Confidence = 'proven' | 'likely' | 'suspected';

export type WaitKind =
  | 'python-lock'
  | 'python-rlock'
  | 'import-lock'
  | 'condition'
  | 'event'
  | 'semaphore'
  | 'queue'
  | 'join'
  | 'mp-lock'
  | 'pthread-mutex'
  | 'gil'
  | 'io'
  | 'sleep'
  | 'child'
  | 'unknown';

/** Why nobody will give a lock back: whoever took it is no thread of the process. */
export interface Orphan {
  readonly confidence: Confidence;
  /** `forked`: it stayed behind in the process that was forked; `ended`: it ended; `gone`: which of these is not known. */
  readonly by: 'forked' | 'ended' | 'gone';
  /** Where it took the lock. */
  readonly at?: { readonly function: string; readonly file: string; readonly line: number };
  readonly evidence: readonly Evidence[];
}

/** What a blocked thread waits for. */
export interface Wait {
  readonly kind: WaitKind;
  /** Of the lock object, mutex or futex. */
  readonly address?: bigint;
  /** LWP of the thread that must act for this wait to end, where memory names one. */
  readonly owner?: number;
  /** Of a lock: address of the suspended task, or greenlet, that holds it; `owner` is who has to act for that to go on. */
  readonly ownerTask?: bigint;
  /** Of a semaphore: LWPs that hold its permits; any of them would do, and `owner` stands for them. */
  readonly holders?: readonly number[];
  /** The thread that had to act is none of the process's: nobody will. */
  readonly ownerAbsent?: boolean;
  /** Of a lock that processes share: no thread of this one holds it. */
  readonly heldElsewhere?: boolean;
  /** Another process can end it. */
  readonly shared?: boolean;
  /** The child process that is waited for, where it is a certain one. */
  readonly pid?: number;
  /** Of the kind and address; the owner's is `ownerConfidence`. */
  readonly confidence: Confidence;
  readonly ownerConfidence?: Confidence;
  /** What of `evidence` says who the owner is, where the object itself does. */
  readonly ownerEvidence?: readonly Evidence[];
  /** Of a lock that is taken and has no owner any more. */
  readonly orphan?: Orphan;
  /** Name of the module whose import is awaited, of an import lock. */
  readonly module?: string;
  /** `address:port` or the descriptor's target. */
  readonly peer?: string;
  readonly fd?: number;
  readonly syscall?: string;
  readonly timeoutSeconds?: number;
  /** The wait ends by itself although its length could not be read. */
  readonly limited?: boolean;
  /** Of work whose result is awaited: address of the queue of a pool that still has it, and how sure it is that it is needed. */
  readonly queuedIn?: { readonly queue: bigint; readonly confidence: Confidence };
  /** Of the socket object whose call it is: null is for ever. */
  readonly socketTimeoutSeconds?: number | null;
  /** How many descriptors poll or select watches. */
  readonly watched?: number;
  readonly evidence: readonly Evidence[];
}

export interface Hold {
  readonly kind: string;
  readonly address: bigint;
  readonly at?: { readonly file: string; readonly line: number };
  readonly confidence: Confidence;
  readonly evidence: readonly Evidence[];
}
