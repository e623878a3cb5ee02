import type { Memory } from './memory.ts';

export type Machine = 'x86_64' | 'aarch64';

/** An ELF core of one process (core(5), elf(5)): what its headers and notes say, and its memory. */
export interface CoreFile {
  /** The uncompressed core on disk. */
  readonly path: string;
  readonly machine: Machine;
  /** Apparent size of the uncompressed core in bytes. */
  readonly bytes: number;
  readonly memory: Memory;
  /** PT_LOAD headers, ascending by address. */
  readonly segments: readonly Segment[];
  /** One per NT_PRSTATUS note, in file order. */
  readonly threads: readonly CoreThread[];
  readonly process: CoreProcess;
  /** NT_AUXV: type → value (getauxval(3)). */
  readonly auxv: ReadonlyMap<number, bigint>;
  /** NT_FILE, ascending by address; empty when the note is absent. */
  readonly mappings: readonly FileMapping[];
  /** Present when the file ends before its program headers say. */
  readonly truncated?: { readonly expectedBytes: number; readonly foundBytes: number };
  close(): void;
}

export interface Segment {
  readonly address: bigint;
  /** Bytes in the process; those past `fileBytes` were not dumped. */
  readonly memoryBytes: bigint;
  readonly fileBytes: bigint;
  readonly fileOffset: bigint;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
}

export interface CoreThread {
  /** `pr_pid` of NT_PRSTATUS: the thread id as the dumper saw it. */
  readonly lwp: number;
  readonly pc: bigint;
  readonly stackPointer: bigint;
  /** `fs_base` on x86-64, `tpidr_el0` on AArch64. Absent when the note lacks it. */
  readonly threadPointer?: bigint;
  /** What pthread_self(3) gives it (`withPthreads`); absent where that was not found. */
  readonly pthread?: bigint;
  /** The system call the thread is blocked in (`orig_rax` ≥ 0). */
  readonly syscall?: SystemCall;
  /** The one whose limit of time had just run out (-ETIMEDOUT), so that the thread had not gone on yet; x86-64 only. */
  readonly expired?: SystemCall;
}

/** With its six raw arguments. */
export interface SystemCall {
  readonly number: number;
  readonly name?: string;
  readonly args: readonly bigint[];
}

export interface CoreProcess {
  readonly pid: number;
  /** `pr_fname` of NT_PRPSINFO, at most 15 bytes. */
  readonly name: string;
  /** `pr_psargs` of NT_PRPSINFO, at most 79 bytes, blank-separated. */
  readonly args: string;
  readonly uid?: number;
}

export interface FileMapping {
  readonly start: bigint;
  readonly end: bigint;
  /** Offset into the file in bytes. */
  readonly fileOffset: bigint;
  readonly path: string;
}
