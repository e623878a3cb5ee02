import type { NativeThread } from './stacks.ts';

/** The debugger: the one way to native stacks. */
export interface Gdb {
  /**
   * All threads of a core, in one run of the debugger.
   * @throws HangarError `GDB_MISSING`, `GDB_WITHOUT_PYTHON`, `GDB_TIMEOUT`, `GDB_FAILED`, `CANCELLED`
   */
  stacks(job: GdbJob, signal?: AbortSignal): Promise<GdbAnswer>;
}

/** What the debugger gets to see, and how much of this machine it may use. */
export interface GdbJob {
  /** Directory laid out by `layOutSysroot`. */
  readonly root: string;
  /** The only files outside of `root` that it may read. */
  readonly files: readonly string[];
  /** The process's executable under `root`; absent when it was not found. */
  readonly executable?: string;
  readonly limits: GdbLimits;
}

export interface GdbLimits {
  readonly seconds: number;
  /** Address space. */
  readonly memoryBytes: number;
  /** Of its answer. */
  readonly outputBytes: number;
  /** A thread; the outermost frames beyond are left out. */
  readonly frames: number;
}

export interface GdbAnswer {
  readonly version: string;
  /** Frames without `module` and `offset`, which are not the debugger's to say. */
  readonly threads: readonly NativeThread[];
  /** Whether it ran in a sandbox. */
  readonly sandboxed: boolean;
}
