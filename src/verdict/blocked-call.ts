import { attempt } from '../corefile/attempt.ts';
import type { CoreThread } from '../corefile/core.ts';
import { formatAddress, type Memory, readI32, readI64 } from '../corefile/memory.ts';
import type { Evidence } from '../python/process.ts';

/** A blocked system call, by what it waits for. */
export interface BlockedCall {
  readonly kind: 'io' | 'sleep' | 'child' | 'futex' | 'signal' | 'other';
  readonly name: string;
  readonly fd?: number;
  /** Of the futex. */
  readonly address?: bigint;
  readonly timeoutSeconds?: number;
  /** It ends by itself; the length may be unknown. */
  readonly limited: boolean;
  /** The only child process that it waits for. */
  readonly pid?: number;
  /** A futex that other processes can wake it by, as far as its operation says. */
  readonly shared?: boolean;
  /** How many descriptors it watches, for poll and select. */
  readonly watched?: number;
  readonly evidence: readonly Evidence[];
}

type Syscall = NonNullable<CoreThread['syscall']>;
type Timeout = { readonly limited: boolean; readonly timeoutSeconds?: number; readonly evidence?: readonly Evidence[] };

/** What a thread's system call waits for, from its number and raw arguments (man 2 of each call). */
export function blockedCall(syscall: Syscall, memory?: Memory): BlockedCall {
  const { args } = syscall;
  const name = syscall.name ?? `system call ${syscall.number}`;
  const registers: Evidence = { text: `blocked in ${name}(${args.map(formatAddress).join(', ')})` };
  const made = (rest: Omit<BlockedCall, 'name' | 'evidence'>, more: readonly Evidence[] = []): BlockedCall => ({
    name,
    ...rest,
    evidence: [registers, ...more],
  });
  const timed = (
    kind: BlockedCall['kind'],
    { evidence = [], ...timeout }: Timeout,
    rest: { watched?: number; fd?: number } = {},
  ) => made({ kind, ...rest, ...timeout }, evidence);
  const first = args[0] ?? 0n;
  switch (name) {
    case 'read':
    case 'readv':
    case 'pread64':
    case 'recvfrom':
    case 'recvmsg':
    case 'recvmmsg':
    case 'write':
    case 'writev':
    case 'pwrite64':
    case 'sendto':
    case 'sendmsg':
    case 'sendfile':
    case 'connect':
    case 'accept':
    case 'accept4':
    case 'fsync':
    case 'fdatasync':
    case 'flock':
    case 'fcntl':
      return made({ kind: 'io', fd: Number(BigInt.asIntN(32, first)), limited: false });
    case 'poll':
      return polled(milliseconds(args[2]));
    case 'ppoll':
      return polled(timespec(memory, args[2]));
    case 'select':
    case 'pselect6': {
      const timeout = name === 'select' ? timeval(memory, args[4]) : timespec(memory, args[4]);
      const sets = args.slice(1, 4).filter(set => set !== 0n).length;
      return timed(sets === 0 ? 'sleep' : 'io', timeout, { watched: sets === 0 ? 0 : Number(first) });
    }
    case 'epoll_wait':
    case 'epoll_pwait':
      return timed('io', milliseconds(args[3]), { fd: Number(first) });
    case 'epoll_pwait2':
      return timed('io', timespec(memory, args[3]), { fd: Number(first) });
    case 'nanosleep':
      return timed('sleep', timespec(memory, first));
    case 'clock_nanosleep':
      return timed('sleep', args[1] === 1n ? deadline(memory, args[2] ?? 0n) : timespec(memory, args[2]));
    case 'wait4':
      return child(Number(BigInt.asIntN(32, first)));
    case 'waitid':
      // P_PID (waitid(2))
      return child(first === 1n ? Number(BigInt.asIntN(32, args[1] ?? 0n)) : -1);
    case 'pause':
    case 'rt_sigsuspend':
    case 'rt_sigtimedwait':
      return made({ kind: 'signal', limited: false });
    case 'futex':
      return made({
        kind: 'futex',
        address: first,
        ...futexTimeout(memory, args),
        ...(((args[1] ?? 0n) & futexPrivate) === 0n && { shared: true }),
      });
    default:
      return made({ kind: 'other', limited: false });
  }

  /** @param pid below 1: any child, or any of a group */
  function child(pid: number): BlockedCall {
    if (pid < 1) return made({ kind: 'child', limited: false });
    return made({ kind: 'child', limited: false, pid }, [{ text: `waits for the child process ${pid}` }]);
  }

  function polled(timeout: Timeout): BlockedCall {
    const watched = Number(BigInt.asUintN(32, args[1] ?? 0n));
    const fd = watched === 1 && memory !== undefined ? attempt(() => readI32(memory, first)) : undefined;
    return timed(watched === 0 ? 'sleep' : 'io', timeout, { watched, ...(fd !== undefined && { fd }) });
  }
}

/** FUTEX_PRIVATE_FLAG (futex(2)): no other process can wake it. */
const futexPrivate = 128n;

function milliseconds(argument = 0n): Timeout {
  const value = Number(BigInt.asIntN(32, argument));
  return value < 0 ? { limited: false } : { limited: true, timeoutSeconds: value / 1000 };
}

const timespec = (memory: Memory | undefined, address?: bigint) => interval(memory, address, 1e9);
const timeval = (memory: Memory | undefined, address?: bigint) => interval(memory, address, 1e6);

/** `struct timespec` or `struct timeval`: whole seconds and a fraction, 8 bytes each. */
function interval(memory: Memory | undefined, address = 0n, fraction: number): Timeout {
  if (address === 0n) return { limited: false };
  const seconds = memory && attempt(() => readI64(memory, address));
  const rest = memory && attempt(() => readI64(memory, address + 8n));
  if (seconds === undefined || rest === undefined || seconds < 0n) return { limited: true };
  const evidence: Evidence = { text: `limit of ${seconds} s`, address, value: seconds, bytes: 8 };
  return { limited: true, timeoutSeconds: Number(seconds) + Number(rest) / fraction, evidence: [evidence] };
}

/**
 * An absolute limit on the monotonic clock. Its start is not an argument, but CPython's `pysleep` (Modules/timemodule.c,
 * 3.11 on) keeps the clock's value of that moment, in nanoseconds, in a local variable beside the limit.
 */
function deadline(memory: Memory | undefined, address: bigint): Timeout {
  const { evidence = [], timeoutSeconds: end } = interval(memory, address, 1e9);
  if (memory === undefined || end === undefined) return { limited: true };
  const limit = BigInt(Math.round(end * 1e9));
  const starts = [-8n, 16n, -16n, 24n, -24n, 32n, -32n, 40n, -40n, 48n].map(offset => address + offset);
  for (const start of starts) {
    const value = attempt(() => readI64(memory, start));
    // A pointer is not a time: nothing that can be read at.
    if (
      value === undefined ||
      value < 1_000_000_000n ||
      value > limit ||
      attempt(() => memory.read(value, 1)) !== undefined
    )
      continue;
    return {
      limited: true,
      timeoutSeconds: Number(limit - value) / 1e9,
      evidence: [
        ...evidence.map(entry => ({ ...entry, text: `sleeps until ${entry.value} s on the monotonic clock` })),
        { text: `began at ${value} ns on it`, address: start, value, bytes: 8 },
      ],
    };
  }
  return { limited: true };
}

/** FUTEX_WAIT takes an interval, FUTEX_WAIT_BITSET and FUTEX_LOCK_PI a point of time (futex(2)). */
function futexTimeout(memory: Memory | undefined, args: readonly bigint[]): Timeout {
  if ((args[3] ?? 0n) === 0n) return { limited: false };
  const operation = (args[1] ?? 0n) & 127n;
  return operation === 0n ? timespec(memory, args[3]) : { limited: true };
}
