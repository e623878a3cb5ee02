/**
 * Where asyncio of one CPython minor version keeps its tasks, and how a suspended coroutine leads to what it awaits.
 * The tables in `task-layouts.ts` are made from DWARF by `scripts/layout/make-tasks.ts`. Plain numbers are byte offsets into
 * the structure named.
 */
export interface TaskLayout {
  /** `3.11` */
  readonly minor: string;
  readonly source: { readonly version: string; readonly structures: string };
  /** `TaskObj` of Modules/_asynciomodule.c. */
  readonly task: {
    readonly size: number;
    readonly loop: number;
    readonly coroutine: number;
    /** Absent before 3.8: tasks had no names. */
    readonly name?: number;
    /** `fut_state`: 0 pending, 1 cancelled, 2 finished. */
    readonly state: number;
    /** `task_fut_waiter`; NULL while it is run or ready to be. */
    readonly waiter: number;
  };
  /** Circular lists of tasks, `struct llist_node` each: one a thread state, one an interpreter for threads that ended. */
  readonly lists?: {
    readonly thread: number;
    readonly interpreter: number;
    /** Of the node in a task. */
    readonly node: number;
    readonly previous: number;
    readonly described: TaskListDescription;
  };
  /** `PyGenObject`; coroutines and asynchronous generators start alike. */
  readonly generator: {
    readonly frame: number;
    readonly qualifiedName: number;
    /** `gi_frame_state`, one signed byte; absent where the generator only points at its frame. */
    readonly state?: { readonly offset: number; readonly created: number; readonly executing: number };
  };
  /** In the frame: how high its value stack is while it is suspended. */
  readonly stackTop: /** Of the slot above the highest value; NULL while it executes. */
    | { readonly as: 'pointer'; readonly offset: number }
    /** `int`, values above `f_valuestack`; negative while it executes. */
    | { readonly as: 'depth'; readonly offset: number }
    /** `int`, slots from the first local on. */
    | { readonly as: 'slots'; readonly offset: number };
  /** What tells that a suspended frame awaits the highest value of its stack, as against a plain `yield`. */
  readonly awaiting: /** The next instruction is `YIELD_FROM`. */
    | { readonly by: 'instruction'; readonly opcode: number }
    /** The next instruction, `RESUME`, has at least this argument in its two low bits. */
    | { readonly by: 'argument'; readonly minimum: number }
    | { readonly by: 'state'; readonly value: number };
  /** Instruction that enters an `async with`; absent where exception tables tell the blocks. */
  readonly enterAsync?: number;
  /** `FutureObj`: the first of what is called when it is done. */
  readonly future: { readonly callback: number };
  /** `PyFunctionObject.func_closure` */
  readonly closure: number;
  /** What stands between a coroutine and an asynchronous generator or another coroutine that it awaits. */
  readonly between: Readonly<Record<string, number>>;
  readonly set: { readonly mask: number; readonly table: number; readonly entry: number; readonly key: number };
  readonly list: { readonly items: number };
  /** `PyWeakReference.wr_object` */
  readonly referent: number;
}

/**
 * Where the `_asyncio` module says itself how its lists lie (`Py_AsyncioModuleDebugOffsets` of Modules/_asynciomodule.c,
 * 3.14): `PyInterpreterState` of a free-threaded build changes with the allocator inside it, also between releases of
 * one minor.
 */
export interface TaskListDescription {
  /** `PyModuleObject.md_state` */
  readonly state: number;
  /** `asyncio_state.debug_offsets`, a pointer to the description. */
  readonly pointer: number;
  /** Bytes of the description. */
  readonly size: number;
  /** In the description, `uint64_t` each: what stands for the fields of the same names. */
  readonly thread: number;
  readonly interpreter: number;
  readonly node: number;
}
