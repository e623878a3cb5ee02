/** What the walker reads from a process that runs CPython. Addresses are the process's own. */
export interface PythonProcess {
  /** As `sys.version` starts, e.g. `2.7.18`; `2.7` where only the layout is known. */
  readonly version: string;
  readonly interpreters: readonly PythonInterpreter[];
  /** All threads of all interpreters, in list order. */
  readonly threads: readonly PythonThread[];
  /** Pending asyncio tasks, the most telling first; absent when there are none. */
  readonly tasks?: readonly PythonTask[];
  /** What could not be read, and why. */
  readonly gaps: readonly { readonly what: string; readonly why: string; readonly fix?: string }[];
}

export interface PythonInterpreter {
  readonly address: bigint;
  /** 0 is the main interpreter. */
  readonly id: number;
  /** Address of the PyThreadState that holds this interpreter's GIL (one for all interpreters before 3.12). */
  readonly gilHolder?: bigint;
  /** `pthread_cond_t` and `pthread_mutex_t` of the GIL, 3.2 on: a waiter's futex address lies in one of them. */
  readonly gilCondition?: bigint;
  readonly gilMutex?: bigint;
}

export interface PythonThread {
  /** Address of its PyThreadState. */
  readonly address: bigint;
  /** `PythonInterpreter.id` */
  readonly interpreter: number;
  /** `pthread_t`, from `thread_id`. */
  readonly threadId: bigint;
  /** The core's thread with the same thread pointer; absent for a thread state without a live thread. */
  readonly lwp?: number;
  readonly holdsGil: boolean;
  /** Innermost first. */
  readonly frames: readonly PythonFrame[];
  readonly waits?: PythonWait;
  readonly holds: readonly HeldLock[];
  readonly request?: { readonly method: string; readonly path: string; readonly query?: string };
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
}

export type LockKind = 'python-lock' | 'python-rlock' | 'import-lock';

/** A lock this thread waits for, read from its innermost frame and confirmed by its system call where that is possible. */
export interface PythonWait {
  readonly kind: LockKind;
  /** Address of the lock object. */
  readonly address: bigint;
  /** Index into the thread's `frames`. */
  readonly frame: number;
  readonly confidence: 'proven' | 'likely' | 'suspected';
  /** Address of the PyThreadState (via `rlock_owner`) or undefined: plain locks store no owner. */
  readonly ownerThreadId?: bigint;
  readonly evidence: readonly Evidence[];
}

/** A lock this thread owns: bound `__exit__` on the value stack of a `with`, or `rlock_owner`. */
export interface HeldLock {
  readonly kind: LockKind;
  readonly address: bigint;
  /** The frame whose `with` holds it; absent for an RLock known by owner only. */
  readonly frame?: number;
  /** Line of the `with` statement. */
  readonly at?: { readonly file: string; readonly line: number };
  readonly confidence: 'proven' | 'likely' | 'suspected';
  readonly evidence: readonly Evidence[];
}

/** An asyncio task that has not ended. */
export interface PythonTask {
  /** Address of the task object. */
  readonly address: bigint;
  /** `PythonInterpreter.id` */
  readonly interpreter: number;
  /** `get_name()`; absent before 3.8. */
  readonly name?: string;
  /** Address of its event loop. */
  readonly loop?: bigint;
  /** The thread that runs the loop; absent when the loop does not say, or does not run. */
  readonly lwp?: number;
  /** `running`: a thread executes it now. `ready`: it waits for nothing but its turn. */
  readonly state: 'running' | 'waiting' | 'ready';
  /** Innermost first: its coroutines; for a running one the thread's frames down to them. */
  readonly stack: readonly TaskFrame[];
  /** In words; absent unless it waits. */
  readonly awaits?: string;
}

export type TaskFrame = Pick<PythonFrame, 'function' | 'file' | 'line'>;

/** What was read, where: a doubter can read it again with gdb. */
export interface Evidence {
  readonly text: string;
  readonly address?: bigint;
  /** The bytes at `address` as an unsigned little-endian number of `bytes` bytes. */
  readonly value?: bigint;
  readonly bytes?: 1 | 2 | 4 | 8;
}
