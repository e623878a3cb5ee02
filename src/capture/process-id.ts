/** A process of a host. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks from the host's start to the process's: makes a reused number an error (`PROCESS_GONE`). */
  readonly startTicks?: number;
}

/** As arguments of the host program. */
export function processArguments({ pid, startTicks }: ProcessId): { readonly pid: number; readonly start?: number } {
  return { pid, ...(startTicks !== undefined && { start: startTicks }) };
}
