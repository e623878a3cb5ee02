/** What the walker reads from a process that runs CPython. Addresses are the process's own. */
export interface PythonProcess {
  /** As `sys.version` starts, e.g. `2.7.18`; `2.7` where only the layout is known. */
  readonly version: string;
  readonly interpreters: readonly PythonInterpreter[];
  /** All threads of all interpreters, in list order. */
  readonly threads: readonly PythonThread[];
  /** Threads that did not come along when the process was forked; looked for only where a lock's owner is missed. */
  readonly lost?: readonly LostPythonThread[];
  /** Pending asyncio tasks and greenlets, the most telling first; absent when there are none. */
  readonly tasks?: readonly PythonTask[];
  /** Pools of threads whose workers were found; absent when there are none. */
  readonly pools?: readonly PythonPool[];
  /** What could not be read, and why. */
  readonly gaps: readonly { readonly what: string; readonly why: string; readonly fix?: string }[];
}

export interface PythonInterpreter {
  readonly address: bigint;
  /** 0 is the main interpreter. */
  readonly id: number;
  /** Address of the PyThreadState that holds this interpreter's GIL (one for all interpreters before 3.12). */
  readonly gilHolder?: bigint;
  /** `Gil.queues`: the futex address of who waits for the GIL lies in one of them. */
  readonly gilQueues: readonly bigint[];
  /** Whether the GIL is this interpreter's alone; absent before 3.12. */
  readonly gilOwn?: boolean;
  /** Whether the holder is asked to give the GIL up (`gil_drop_request`); absent in 2.7, or where it was not found. */
  readonly gilDropRequested?: boolean;
  /** Whether the holder's byte code is asked to stop for anything (`eval_breaker`); absent as above. */
  readonly evalBreaker?: boolean;
  /** Where holder and request were read. */
  readonly gilEvidence?: readonly Evidence[];
}

export interface PythonThread {
  /** Address of its PyThreadState. */
  readonly address: bigint;
  /** `PythonInterpreter.id` */
  readonly interpreter: number;
  /** `pthread_t`, from `thread_id`. */
  readonly threadId: bigint;
  /** The core's thread with that `pthread_t`; absent for a thread state without a live thread. */
  readonly lwp?: number;
  readonly holdsGil: boolean;
  /** Innermost first. */
  readonly frames: readonly PythonFrame[];
  readonly waits?: PythonWait;
  readonly holds: readonly HeldLock[];
  /** Innermost first; absent when it runs none. */
  readonly runs?: readonly RunningFuture[];
  readonly request?: PythonRequest;
  /** The socket whose system call it is blocked in. */
  readonly socket?: PythonSocket;
}

export interface PythonRequest {
  readonly method: string;
  /** Without its query string. */
  readonly path: string;
  readonly query?: string;
}

/** A socket object (`_socket.socket`, or of a class derived from it). */
export interface PythonSocket {
  readonly address: bigint;
  readonly fd: number;
  /** What `gettimeout()` says: null is for ever, 0 does not block. */
  readonly timeoutSeconds: number | null;
  readonly evidence: readonly Evidence[];
}

export interface PythonFrame {
  readonly address: bigint;
  /** Address of its PyCodeObject. */
  readonly code: bigint;
  /** `co_qualname` where the version has it, else `co_name`. */
  readonly function: string;
  /** `co_filename` as it is. */
  readonly file: string;
  /** Line of the instruction being executed; 0 when the code has none there. */
  readonly line: number;
  /** `co_firstlineno` */
  readonly firstLine: number;
  /**
   * Whether this frame is the outermost Python frame of a call of the C evaluation function:
   * always before 3.11; from then on one C frame runs many Python frames.
   */
  readonly entry: boolean;
  /**
   * Of an entry frame: address on the native stack that tells the place of its call; a lower one is of a later call.
   * Known from 3.12 on, and before where several thread states share a stack.
   */
  readonly position?: bigint;
  /** Arguments and variables; only where they were asked for. */
  readonly locals?: readonly PythonLocal[];
}

/** A variable of a frame, as a short text without secrets: never the value itself. */
export interface PythonLocal {
  readonly name: string;
  readonly value: string;
  readonly argument?: boolean;
}

/** A thread of the process that was forked: the child has what it left in memory, and nobody who would go on with it. */
export interface LostPythonThread {
  /** Its `pthread_t`; a later thread may have got the same. */
  readonly threadId: bigint;
  /** Where it stood when the process was forked, innermost first; empty when that was not found. */
  readonly frames: readonly PythonFrame[];
  readonly holds: readonly HeldLock[];
  /** That it is no thread of this process. */
  readonly evidence: readonly Evidence[];
}

/** `mp-lock`: a lock or semaphore of multiprocessing, which several processes share. */
export const lockKinds = ['python-lock', 'python-rlock', 'import-lock', 'mp-lock'] as const;
export type LockKind = (typeof lockKinds)[number];

/** What another thread, or process, has to do before the wait ends: notify, set, release, put or take, end. */
export type NotificationKind = 'condition' | 'event' | 'semaphore' | 'queue' | 'join' | 'child';

/** What this thread waits for, read from its frames and confirmed by its system call where that is possible. */
export interface PythonWait {
  readonly kind: LockKind | NotificationKind;
  /** Address of the lock object, condition, event, semaphore, queue, thread object or `subprocess.Popen`. */
  readonly address: bigint;
  /** Index into the thread's `frames`. */
  readonly frame: number;
  readonly confidence: 'proven' | 'likely' | 'suspected';
  /** `PythonThread.threadId` of who has it, or has to act; absent where nothing says it: plain locks store no owner. */
  readonly ownerThreadId?: bigint;
  /** That the owner is the one who has to act; absent: as sure as that it is the owner. */
  readonly ownerConfidence?: 'proven' | 'likely' | 'suspected';
  /** The thread that had to act is none of the process's: nobody will. */
  readonly ownerAbsent?: boolean;
  /** Of an import lock: name of the module whose import is awaited. */
  readonly module?: string;
  /** Of a semaphore: how many of its permits nobody holds, and how many there are, where it knows. */
  readonly permits?: { readonly value: number; readonly initial?: number };
  /** Of a lock that processes share: no thread of this one holds it. */
  readonly heldElsewhere?: boolean;
  /** The limit that the waiting function was called with. */
  readonly timeoutSeconds?: number;
  /**
   * Address of the future whose result is awaited, of the waiter that `wait` put into several futures, or of the number of a job
   * of multiprocessing.pool.
   */
  readonly future?: bigint;
  /** Address of the queue of work in which that future's work still lies: no worker of its pool has taken it. */
  readonly queuedIn?: bigint;
  readonly evidence: readonly Evidence[];
}

/** A future of concurrent.futures, or a job of multiprocessing.pool, whose work a thread does. */
export interface RunningFuture {
  /** As `PythonWait.future`. */
  readonly address: bigint;
  /** Addresses of the waiters that are told when it is done. */
  readonly waiters: readonly bigint[];
  readonly evidence: readonly Evidence[];
}

/**
 * A lock this thread owns: bound `__exit__` on the value stack of a `with`, or `rlock_owner`; or one permit of a semaphore of
 * Lib/threading.py, taken by such a `with`.
 */
export interface HeldLock {
  readonly kind: LockKind | 'semaphore';
  readonly address: bigint;
  /** The frame whose `with` holds it; absent for an RLock known by owner only. */
  readonly frame?: number;
  /** Line of the `with` statement. */
  readonly at?: { readonly file: string; readonly line: number };
  readonly confidence: 'proven' | 'likely' | 'suspected';
  readonly evidence: readonly Evidence[];
}

/** An asyncio task, or a greenlet, that has not ended. */
export interface PythonTask {
  readonly kind: 'asyncio' | 'greenlet';
  /** Address of the object. */
  readonly address: bigint;
  /** `PythonInterpreter.id` */
  readonly interpreter: number;
  /** `get_name()`, absent before 3.8; of a greenlet what it was named, else its class. */
  readonly name?: string;
  /** Address of its event loop; of a greenlet that of gevent's hub, else of the main greenlet of its thread. */
  readonly loop?: bigint;
  /** `asyncio.unix_events._UnixSelectorEventLoop`, `uvloop.Loop`; absent where that cannot be read, and of greenlets. */
  readonly loopClass?: string;
  /** The thread that runs the loop; absent when the loop does not say, or does not run. */
  readonly lwp?: number;
  /** `running`: a thread executes it now. `ready`: it waits for nothing but its turn; of a greenlet, its first one. */
  readonly state: 'running' | 'waiting' | 'ready';
  /** Innermost first: its coroutines, or frames; for a running one the thread's frames down to them. */
  readonly stack: readonly TaskFrame[];
  /** In words; absent unless it waits. */
  readonly awaits?: string;
  /** Addresses of the tasks that have to do something before it goes on: hold what it waits for, or have to end. */
  readonly waitsFor?: readonly bigint[];
  /** Whether one of several that it waits for would do: a semaphore has several holders. */
  readonly anyWillDo?: boolean;
  /** What it waits for; absent unless it waits, and where that could not be read. */
  readonly waits?: TaskWait;
  /** Of what others wait for: what it is in the `with` or `async with` block of. */
  readonly holds?: readonly TaskHold[];
  /** gevent's hub: it runs the others, and waits for input and output in their place. */
  readonly isHub?: boolean;
  /** Whether it is one of some that wait for each other. */
  readonly inCycle?: boolean;
  /** The web request that it serves. */
  readonly request?: PythonRequest;
}

export type TaskFrame = Pick<PythonFrame, 'function' | 'file' | 'line' | 'locals'>;

/** `task`: the end of others; `worker`: work that was given to a thread; `future`: something of which no more is known. */
export type TaskWaitKind =
  | 'task'
  | 'lock'
  | 'semaphore'
  | 'condition'
  | 'event'
  | 'queue'
  | 'io'
  | 'sleep'
  | 'worker'
  | 'future';

/** What a suspended task waits for. */
export interface TaskWait {
  readonly kind: TaskWaitKind;
  /** Of the lock, semaphore, condition, event or queue. */
  readonly address?: bigint;
  /** That it waits for this object, or for these tasks. */
  readonly confidence: 'proven' | 'likely';
  readonly fd?: number;
  /** `address:port` or path, where the transport or the evidence has it. */
  readonly peer?: string;
  /** Whether the peer has connected to this process, which waits for what it wants next. */
  readonly isClient?: boolean;
  /** LWP of the thread that does the work. */
  readonly worker?: number;
  /** The least limit that was read: of its sleep, or after which it gives up. */
  readonly timeoutSeconds?: number;
  /** It gives up by itself, perhaps after a time that could not be read. */
  readonly limited?: boolean;
  readonly evidence: readonly Evidence[];
}

/** A lock or the like that a suspended task holds. */
export interface TaskHold {
  readonly address: bigint;
  /** Line of the `with` statement. */
  readonly at: { readonly file: string; readonly line: number };
  readonly evidence: readonly Evidence[];
}

/** Threads that take their work from one queue. */
export interface PythonPool {
  /** `executor`: concurrent.futures; `thread-pool`: multiprocessing.pool. */
  readonly kind: 'executor' | 'thread-pool';
  /** Address of the queue. */
  readonly queue: bigint;
  /** `busy`: it executes an item of work, and does not wait for one. */
  readonly workers: readonly { readonly lwp: number; readonly busy: boolean }[];
  /** Most workers that it may have. */
  readonly size?: number;
  /** Items of work that no worker has taken yet. */
  readonly waiting?: number;
  /** Of its size and of what waits. */
  readonly evidence: readonly Evidence[];
}

/** What was read, where: a doubter can read it again with gdb. */
export interface Evidence {
  readonly text: string;
  readonly address?: bigint;
  /** The bytes at `address` as an unsigned little-endian number of `bytes` bytes. */
  readonly value?: bigint;
  readonly bytes?: 1 | 2 | 4 | 8;
}
