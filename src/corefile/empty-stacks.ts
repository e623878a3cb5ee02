import { attempt } from './attempt.ts';
import type { CoreFile } from './core.ts';

/** Bytes above the stack pointer of which a running thread always has some set: return addresses, saved registers. */
const windowBytes = 512;

/**
 * LWPs of the threads whose stack the core does not hold: it is zero, or missing, from the stack pointer on. gcore of
 * gdb 13 leaves a whole stack empty where the guard page lies within its mapping (glibc 2.42, MADV_GUARD_INSTALL).
 */
export function emptyStacks({ threads, memory }: Pick<CoreFile, 'threads' | 'memory'>): readonly number[] {
  const isEmpty = (stackPointer: bigint): boolean => {
    const room = 4096 - Number(stackPointer & 0xfffn);
    // The main thread's stack may end within the window.
    const bytes =
      attempt(() => memory.read(stackPointer, windowBytes)) ??
      attempt(() => memory.read(stackPointer, Math.min(room, windowBytes)));
    return bytes === undefined || bytes.every(byte => byte === 0);
  };
  return threads.filter(({ stackPointer }) => isEmpty(stackPointer)).map(({ lwp }) => lwp);
}
