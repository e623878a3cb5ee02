import type { CoreThread } from '../corefile/core.ts';
import type { ThreadEvidence } from '../host/evidence.ts';

/**
 * Whether a thread ran or woke while /proc was sampled, or between then and the core; undefined where that is not known.
 * A thread that stands still has one state, no CPU time, no context switch, and the same system call throughout.
 * @param wasSampled whether others of the process were looked at more than once: who was not had yet to begin
 */
export function hasMoved(proc: ThreadEvidence | undefined, core: CoreThread, wasSampled: boolean): boolean | undefined {
  if (!isSampled(proc)) return wasSampled ? true : undefined;
  // Who is not let run cannot show whether it would.
  if (proc.states.includes('stopped')) return undefined;
  if (proc.states.some(state => state === 'running')) return true;
  const { cpuPercent = 0, switchesWhileSampled: switches, syscall } = proc;
  if (cpuPercent > 0 || (switches ?? 0) > 0) return true;
  if (syscall !== undefined && !isSameCall(syscall, core.syscall)) return true;
  // Without a count it may have run for a moment that no sample saw.
  return switches === undefined ? undefined : false;
}

/** Whether a thread was looked at more than once. */
export function isSampled(proc: ThreadEvidence | undefined): proc is ThreadEvidence {
  return proc !== undefined && proc.states.length >= 2;
}

function isSameCall(sampled: NonNullable<ThreadEvidence['syscall']>, dumped: CoreThread['syscall']): boolean {
  // The kernel restarts an interrupted wait under this number (restart_syscall(2)).
  if (dumped?.name === 'restart_syscall') return true;
  return dumped !== undefined && dumped.number === sampled.number && dumped.args[0] === sampled.args[0];
}
