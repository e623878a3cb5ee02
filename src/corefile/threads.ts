import type { CoreThread, Machine } from './core.ts';
import { syscallName } from './syscalls.ts';

/** What one NT_PRSTATUS descriptor says; undefined when it is too short. Layout: `struct elf_prstatus`, sys/procfs.h. */
export function parseThread(machine: Machine, status: Buffer): CoreThread | undefined {
  if (status.length < registersOffset + registerCount[machine] * 8) return undefined;
  const lwp = status.readInt32LE(32);
  const register = (index: number): bigint => status.readBigUInt64LE(registersOffset + index * 8);
  switch (machine) {
    case 'x86_64': {
      const { syscall, expired } = x86Syscall(register);
      return {
        lwp,
        pc: register(16),
        stackPointer: register(19),
        threadPointer: register(21),
        ...(syscall && { syscall }),
        ...(expired && { expired }),
      };
    }
    case 'aarch64':
      // The thread pointer and the system call have notes of their own, which follow (NT_ARM_TLS, NT_ARM_SYSTEM_CALL).
      return { lwp, pc: register(32), stackPointer: register(31) };
    default:
      return machine satisfies never;
  }
}

/** Arguments of an AArch64 system call: x0 to x5. */
export function aarch64Syscall(status: Buffer, number: number): CoreThread['syscall'] {
  const args = [0, 1, 2, 3, 4, 5].map(index => status.readBigUInt64LE(registersOffset + index * 8));
  return namedSyscall('aarch64', number, args);
}

const registersOffset = 112;
/** `struct user_regs_struct`, sys/user.h of each machine. */
const registerCount = { x86_64: 27, aarch64: 34 } as const satisfies Record<Machine, number>;

/** rdi, rsi, rdx, r10, r8, r9 as indexes into `user_regs_struct`. */
const x86Arguments = [14, 13, 12, 7, 9, 8] as const;

function x86Syscall(register: (index: number) => bigint): Pick<CoreThread, 'syscall' | 'expired'> {
  const number = BigInt.asIntN(64, register(15));
  const result = BigInt.asIntN(64, register(10));
  if (number < 0n || number > 0xffffn) return {};
  const call = () =>
    namedSyscall(
      'x86_64',
      Number(number),
      x86Arguments.map(index => register(index)),
    );
  // orig_rax is negative once the thread runs again: whatever stops it then is no system call.
  if (interrupted.has(result) || isCutShort(Number(number), result, register)) return { syscall: call() };
  return result === timedOut ? { expired: call() } : {};
}

/** Index into `x86Arguments` of how many bytes a call is to write: write(2), pwrite64, sendfile, sendto. */
const x86Lengths: ReadonlyMap<number, number> = new Map([
  [1, 2],
  [18, 2],
  [40, 3],
  [44, 2],
]);

/**
 * Whether a call that writes had done a part of its work: one that blocks goes on until all is written, unless it is
 * interrupted (write(2)). The stop itself interrupts it, and it then has no sign of that in its result.
 */
function isCutShort(number: number, result: bigint, register: (index: number) => bigint): boolean {
  const length = x86Lengths.get(number);
  const argument = length === undefined ? undefined : x86Arguments[length];
  return argument !== undefined && result > 0n && result < register(argument);
}

/** -ETIMEDOUT */
const timedOut = -110n;

/**
 * What rax holds while a call is pending: -ENOSYS (not yet run), or the kernel's note that the dumper's stop
 * interrupted it: -EINTR and the -ERESTART family (include/linux/errno.h). Any other value is the result of a call that
 * had returned.
 */
const interrupted: ReadonlySet<bigint> = new Set([-38n, -4n, -512n, -513n, -514n, -516n]);

function namedSyscall(machine: Machine, number: number, args: readonly bigint[]): NonNullable<CoreThread['syscall']> {
  const name = syscallName(machine, number);
  return { number, ...(name !== undefined && { name }), args };
}
