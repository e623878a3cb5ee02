/**
 * Where CPython of one minor version keeps what the walker reads. Tables in `layouts/` are made from the DWARF of a
 * real interpreter by `scripts/layout/make.ts`; the walker knows shapes, never versions.
 * Plain numbers are byte offsets into the structure named, `size` its `sizeof`.
 */
export interface Layout {
  /** `3.11` */
  readonly minor: string;
  /** A build in which threads run Python at the same time (PEP 703, `python3.13t`). */
  readonly freeThreaded?: true;
  /** What the table was made from. */
  readonly source: { readonly version: string; readonly build: string; readonly structures: string };
  readonly runtime: RuntimeLayout;
  /** Present where `_PyRuntime` describes itself (`_Py_DebugOffsets`, 3.13): its numbers replace ours. */
  readonly debugOffsets?: DebugOffsetsLayout;
  readonly interpreter: {
    readonly next: number;
    readonly threads: number;
    /** `int64_t`; absent before 3.7, where the order of the list has to do. */
    readonly id?: number;
    readonly sysDict: number;
  };
  readonly thread: {
    readonly size: number;
    readonly next: number;
    readonly interpreter: number;
    readonly threadId: number;
    readonly frame: FrameHead;
  };
  readonly gil: GilLayout;
  /** Absent in 2.7, where the holder gives the GIL up after a number of instructions, unasked. */
  readonly requests?: RequestsLayout;
  readonly frame: FrameLayout;
  readonly code: CodeLayout;
  readonly opcodes: Opcodes;
  readonly object: { readonly type: number; readonly itemCount: number };
  readonly type: {
    readonly name: number;
    readonly basicSize: number;
    readonly flags: number;
    readonly dictOffset: number;
    /** `ht_cached_keys` of a heap type, where instances share keys without a dict object of their own. */
    readonly cachedKeys?: number;
    readonly base: number;
    /** `tp_dict`; from 3.12 on NULL in static types. */
    readonly dict: number;
  };
  readonly bytes: { readonly typeName: string; readonly length: number; readonly data: number };
  readonly text: TextLayout;
  readonly integer: IntegerLayout;
  readonly tuple: { readonly length: number; readonly items: number };
  readonly dict: DictLayout;
  readonly instance: InstanceLayout;
  /** Of an attribute in `__slots__`: `PyMemberDescrObject.d_member` in its class, `PyMemberDef.offset` behind it. */
  readonly slot: { readonly definition: number; readonly offset: number };
  readonly values: ValuesLayout;
  /** `PySocketSockObject` of Modules/socketmodule.h */
  readonly socket: {
    readonly descriptor: number;
    /** Negative: none (`None`); 0: does not block. */
    readonly timeout: number;
    /** `double`, or `PyTime_t`, signed (3.5). */
    readonly timeoutIn: 'seconds' | 'nanoseconds';
  };
  /** `PyCFunctionObject` with `PyMethodDef`. */
  readonly builtin: { readonly definition: number; readonly self: number; readonly name: number };
  /** `PyMethodObject` */
  readonly method: {
    readonly typeName: string;
    readonly function: number;
    readonly self: number;
    /** `PyFunctionObject.func_code` */
    readonly code: number;
  };
  /** `lockobject` of _threadmodule.c */
  readonly lock: { readonly size: number; readonly typeName: string; readonly state: LockStateLayout };
  /** `rlockobject`; absent in 2.7, where `threading._RLock` is written in Python. */
  readonly rlock?: {
    readonly size: number;
    readonly typeName: string;
    readonly state: LockStateLayout;
    readonly owner: number;
    readonly count: number;
  };
}

/** `3.13`, or `3.13t` for a free-threaded build: by this name other tables of the same build are found. */
export function buildOf({ minor, freeThreaded }: Layout): string {
  return freeThreaded ? `${minor}t` : minor;
}

/** Where a lock object keeps whether it is taken. */
export type LockStateLayout =
  /** `PyThread_type_lock`: a `sem_t *` (thread_pthread.h, USE_SEMAPHORES). */
  | { readonly by: 'semaphore'; readonly offset: number }
  /** `PyMutex`, in the object itself. */
  | { readonly by: 'mutex'; readonly offset: number };

export type RuntimeLayout =
  /** Two static variables: the newest interpreter, and the thread that holds the GIL. */
  | { readonly shape: 'static-head'; readonly head: string; readonly current: string }
  /** One structure; offsets into it. */
  | {
      readonly shape: 'runtime-struct';
      readonly symbol: string;
      readonly size: number;
      readonly interpreters: number;
      readonly mainInterpreter: number;
    };

/** Of objects that are only shown. */
export interface ValuesLayout {
  /** `PyCellObject.ob_ref`; NULL while the variable is unbound. */
  readonly cell: number;
  /** `PyFloatObject.ob_fval` */
  readonly float: number;
  /** `PyListObject.ob_item`, a pointer. */
  readonly list: number;
  /** `PyDictObject.ma_used` */
  readonly dictUsed: number;
  readonly set: {
    readonly used: number;
    readonly mask: number;
    readonly table: number;
    readonly entry: { readonly size: number; readonly key: number; readonly hash: number };
  };
}

export interface DebugOffsetsLayout {
  readonly cookie: string;
  /** `(major << 24) | (minor << 16) | …` as PY_VERSION_HEX. */
  readonly version: number;
  readonly freeThreaded: number;
  readonly size: number;
  /** `section.key` of this table → where in `_Py_DebugOffsets` its offset stands, or that and the one that it counts from. */
  readonly fields: Readonly<Record<string, number | readonly [offset: number, from: number]>>;
}

export type GilLayout =
  /**
   * The holder is the current thread state itself; NULL when nobody holds it. What waiters sleep on: static variables,
   * `lock` the one that points to the semaphore of 2.7.
   */
  | ({ readonly shape: 'current-thread'; readonly lock?: string } & Partial<GilQueues<string>>)
  | ({ readonly shape: 'runtime' } & GilState)
  /**
   * One per interpreter: `pointer` is an offset into it, `own` that of `int own_gil` behind the pointer, the others are
   * into what it points at.
   */
  | ({
      readonly shape: 'interpreter';
      readonly pointer: number;
      readonly own: number;
      /** `int`, 0 while threads run without it: in free-threaded builds only. */
      readonly enabled?: number;
    } & GilState);

/**
 * Where the holder of the GIL is asked to give it up (`gil_drop_request`), and where byte code is asked to stop for
 * anything: that, a signal, a pending call, an exception from another thread, garbage (`eval_breaker`).
 */
export type RequestsLayout =
  /** Names of two static `int`. */
  | { readonly at: 'static'; readonly drop: string; readonly breaker: string }
  /** Offsets of two `int`. */
  | { readonly at: 'runtime' | 'interpreter'; readonly drop: number; readonly breaker: number }
  /** One `uintptr_t` for all: bits of requests below a version number. */
  | { readonly at: 'thread'; readonly breaker: number; readonly dropBit: number; readonly requestBits: number };

interface GilState extends GilQueues<number> {
  /** `PyThreadState *` */
  readonly lastHolder: number;
  /** `int`: 1 held, 0 free, -1 not made. */
  readonly locked: number;
}

/**
 * What threads sleep on: for the GIL (`condition`, `mutex`), and, having given it up on request, until another thread
 * has taken it (`switch_cond`, `switch_mutex`; Python/ceval_gil.h, `drop_gil`).
 */
interface GilQueues<Place> {
  readonly condition: Place;
  readonly mutex: Place;
  readonly switchCondition: Place;
  readonly switchMutex: Place;
}

/** How a thread state leads to its innermost frame. */
export type FrameHead =
  | { readonly via: 'thread'; readonly offset: number }
  | { readonly via: 'cframe'; readonly offset: number; readonly frame: number };

export type FrameLayout =
  | {
      readonly shape: 'frame-object';
      readonly size: number;
      readonly previous: number;
      readonly code: number;
      /** `f_lasti` */
      readonly lastInstruction: number;
      /** Bytes in which `f_lasti`, handlers of blocks and jumps are counted. */
      readonly instructionUnit: 1 | 2;
      readonly valueStack: number;
      readonly blockCount: number;
      readonly blocks: number;
      /** CO_MAXBLOCKS */
      readonly maximumBlocks: number;
      readonly block: {
        readonly size: number;
        readonly type: number;
        readonly handler: number;
        readonly level: number;
      };
      readonly locals: number;
    }
  | {
      readonly shape: 'interpreter-frame';
      readonly size: number;
      readonly previous: number;
      readonly code: number;
      /** `_Py_CODEUNIT *` */
      readonly instruction: number;
      readonly owner: number;
      readonly locals: number;
      readonly entry: /** `bool is_entry` */
        | { readonly by: 'flag'; readonly offset: number }
        /** A shim frame of one of these owners stands below the entry frame. */
        | { readonly by: 'shim'; readonly owners: readonly number[] };
      /** Words that refer to objects (code, locals, stack) are `_PyStackRef`; absent: plain pointers. */
      readonly tagged?: TaggedWords;
      /** `int32_t tlbc_index`: the copy of the bytecode that `instruction` points into; absent where code has no copies. */
      readonly copy?: number;
    };

/** Low bits of a word that say what it is (Include/internal/pycore_stackref.h, 3.14). */
export interface TaggedWords {
  /** All of them; the others are the address. */
  readonly mask: number;
  /** Their value where the word is an integer itself and refers to no object. */
  readonly integer: number;
}

export interface CodeLayout {
  readonly size: number;
  readonly typeName: string;
  readonly name: number;
  readonly file: number;
  readonly qualifiedName?: number;
  /** `int co_firstlineno` */
  readonly firstLine: number;
  readonly lines: {
    readonly shape: 'lnotab' | 'lnotab-signed' | 'linetable' | 'location-table';
    readonly offset: number;
  };
  readonly bytecode:
    | { readonly in: 'bytes'; readonly offset: number }
    /** The code object ends with it. */
    | { readonly in: 'code'; readonly offset: number; readonly copies?: BytecodeCopies };
  /** `co_exceptiontable`; absent: the frame's block stack. */
  readonly exceptionTable?: number;
  readonly stackSize: number;
  /** `int co_nlocalsplus`: slots below the value stack; absent where the frame points at its value stack. */
  readonly slotCount?: number;
  /** Tuple of names of the slots, from the first. */
  readonly slotNames: number;
  /** `co_localspluskinds`, a byte a slot; absent where the two tuples below name the slots behind the locals. */
  readonly slotKinds?: number;
  /** `co_cellvars` */
  readonly cellNames?: number;
  /** `co_freevars` */
  readonly freeNames?: number;
  readonly argumentCount: number;
  /** `co_kwonlyargcount`; absent in 2.7. */
  readonly keywordOnlyCount?: number;
  /** `int co_flags` */
  readonly flags: number;
}

/** `co_tlbc` (Include/cpython/code.h, 3.14): threads of a free-threaded build each run a copy of the bytecode. */
export interface BytecodeCopies {
  /** Pointer in the code object to the `_PyCodeArray`. */
  readonly array: number;
  /** In that array: how many there are, and pointers to them, the first to the code object's own. */
  readonly count: number;
  readonly entries: number;
}

export interface Opcodes {
  /** `word`: opcode and argument byte; `mixed`: 1 byte, or 3 from `haveArgument` on. */
  readonly encoding: 'word' | 'mixed';
  readonly haveArgument: number;
  readonly extendedArgument: number;
  /** `SETUP_WITH`: its argument leads from the next instruction to the handler; absent with exception tables. */
  readonly enterWith?: number;
  /** First instruction of a `with`'s handler, or the one after PUSH_EXC_INFO. */
  readonly withHandler: number;
  readonly pushExceptionInfo?: number;
  /** Block types that a `with` pushes; none with exception tables. */
  readonly withBlocks: readonly number[];
  /** What a `with` leaves on the stack: the bound `__exit__`, or the function and above it what it is called on. */
  readonly withExit: 'bound' | 'function-and-self';
}

export type TextLayout =
  /** 2.7: `str` is bytes, `unicode` is UCS2 or UCS4 by build. */
  | { readonly shape: 'legacy'; readonly typeName: string; readonly length: number; readonly data: number }
  /** PEP 393 */
  | {
      readonly shape: 'compact';
      readonly typeName: string;
      readonly length: number;
      /** `uint32_t` of bit fields. */
      readonly state: number;
      /** The lowest bit of `kind` (3 bits) in it; behind it `compact`, then `ascii`. */
      readonly kindBit: number;
      readonly asciiSize: number;
      readonly compactSize: number;
      readonly data: number;
    };

export type IntegerLayout = {
  /** `digit`: 30 bits in 4 bytes. */
  readonly digits: number;
} & (
  | { readonly shape: 'signed-size'; readonly size: number; readonly small?: number /** `PyIntObject.ob_ival` */ }
  /** `lv_tag`: sign in the two low bits, digit count from bit 3 on. */
  | { readonly shape: 'tagged'; readonly tag: number }
);

export type DictLayout =
  | {
      readonly shape: 'open-table';
      readonly mask: number;
      readonly table: number;
      readonly entry: { readonly size: number; readonly key: number; readonly value: number };
    }
  | {
      readonly shape: 'compact';
      readonly keys: number;
      readonly values: number;
      /** Of the pointers behind `values`. */
      readonly valuesItems: number;
      readonly tableSize:
        | { readonly as: 'count'; readonly offset: number }
        | { readonly as: 'log2'; readonly offset: number; readonly indexBytes: number };
      readonly entryCount: number;
      readonly indices: number;
      readonly entry: { readonly size: number; readonly key: number; readonly value: number };
      /** Keys that are all `str` have shorter entries when `kind` is not 0. */
      readonly textEntry?: {
        readonly kind: number;
        readonly size: number;
        readonly key: number;
        readonly value: number;
      };
    };

/** Where an instance keeps its attributes, apart from `tp_dictoffset`. */
export interface InstanceLayout {
  /** `PyInstanceObject` of classic classes. */
  readonly classic?: {
    readonly typeName: string;
    readonly class: number;
    readonly dict: number;
    readonly className: number;
  };
  /** Py_TPFLAGS_MANAGED_DICT: words before the object. */
  readonly managed?: {
    readonly flag: number;
    /** Negative offset of the dict pointer. */
    readonly dict: number;
    /** Where values without a dict lie: behind their own pointer, behind the dict word when its low bit is set, or in the object. */
    readonly values:
      | { readonly at: 'pointer'; readonly offset: number }
      | { readonly at: 'tagged-dict' }
      | { readonly at: 'inline'; readonly flag: number; readonly offset: number; readonly valid: number };
  };
}
