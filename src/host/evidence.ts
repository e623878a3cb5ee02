/** What /proc said of a process while it ran, taken without stopping it (proc(5)). */
export interface ProcessEvidence {
  readonly pid: number;
  /** ISO 8601 UTC, by the host's clock. */
  readonly takenAt: string;
  /** `clk_tck`-corrected seconds between first and last thread sample. */
  readonly sampledSeconds: number;
  readonly startedAt?: string;
  readonly command: readonly string[];
  readonly executable: string;
  readonly user?: string;
  readonly os?: string;
  readonly kernel?: string;
  readonly unit?: string;
  /** The signal that stopped the process: `SIGSTOP`; absent while it runs, or where a debugger has it. */
  readonly stopSignal?: string;
  /** Numbers of the signals that it has a handler for (`SigCgt`, proc_pid_status(5)); ascending. */
  readonly caughtSignals?: readonly number[];
  /** Who traces it with ptrace(2): a debugger, strace. */
  readonly tracer?: { readonly pid: number; readonly name: string };
  readonly threads: readonly ThreadEvidence[];
  readonly descriptors: readonly Descriptor[];
  /** `path` → name and version of the package that owns it. */
  readonly packages: Readonly<Record<string, string>>;
  /** What could not be read, and why. */
  readonly gaps: readonly { readonly what: string; readonly why: string; readonly fix?: string }[];
}

export type ThreadState = 'running' | 'sleeping' | 'uninterruptible' | 'stopped' | 'zombie';

export interface ThreadEvidence {
  /** Thread id as the host's root sees it: equals `CoreThread.lwp`. */
  readonly tid: number;
  /** Last entry of `NSpid`: the id inside the process's own PID namespace. */
  readonly nsPid?: number;
  readonly name?: string;
  /** One per sample, first to last. */
  readonly states: readonly ThreadState[];
  /** CPU use over the sampled time; 100 is one full core. Absent with fewer than two samples. */
  readonly cpuPercent?: number;
  /** As `cpuPercent`, with the time in which it was ready to run and others had the core. */
  readonly wantedPercent?: number;
  /** Since the thread began, at the last sample. */
  readonly voluntarySwitches?: number;
  readonly involuntarySwitches?: number;
  /** Context switches of both kinds between the first and the last sample; absent with fewer than two samples. */
  readonly switchesWhileSampled?: number;
  readonly wchan?: string;
  /** Functions of the kernel that it is in, innermost first (/proc/PID/task/TID/stack, root only). */
  readonly kernelStack?: readonly string[];
  /** As /proc/PID/task/TID/syscall: number and six arguments; `running` when it executes. */
  readonly syscall?: { readonly number: number; readonly args: readonly bigint[] };
}

/** An open file descriptor and, for a socket, its two ends. */
export interface Descriptor {
  readonly fd: number;
  /** The link's text: a path, `socket:[N]`, `pipe:[N]`, `anon_inode:[eventpoll]`. */
  readonly target: string;
  readonly socket?: {
    readonly protocol: 'tcp' | 'tcp6' | 'udp' | 'udp6' | 'unix';
    /** `address:port`, `[address6]:port`, or a unix path. */
    readonly local?: string;
    readonly peer?: string;
    /** `ESTABLISHED`, `LISTEN`, … (include/net/tcp_states.h). */
    readonly state?: string;
    /** Connections waiting to be accepted (LISTEN) or bytes unread. */
    readonly receiveQueue?: number;
    readonly sendQueue?: number;
  };
  /** Process name and id at the other end of a pipe or unix socket, where found. */
  readonly partner?: string;
}
