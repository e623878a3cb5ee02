import { lwpsByInnerId } from '../corefile/pthreads.ts';
import type { JudgeInput } from './judge-input.ts';

/** Thread ids as the process itself has them, in its own PID namespace. */
export interface InnerIds {
  /** LWP of the core by its id in there, or by itself. */
  readonly lwpOf: (id: number) => number | undefined;
  /** Whether every thread of the process is known by the id that it has there. */
  readonly areComplete: () => boolean;
}

/** By /proc, else by what glibc keeps of each thread: a page of memory a thread, so that it is read only when asked for. */
export function innerIds(input: Pick<JudgeInput, 'core' | 'evidence' | 'memory'>): InnerIds {
  const lwps = new Set(input.core.threads.map(({ lwp }) => lwp));
  let read: ReadonlyMap<number, number> | undefined;
  const known = () => (read ??= lwpsByAnySource(input, lwps));
  return {
    lwpOf: id => known().get(id) ?? (lwps.has(id) ? id : undefined),
    areComplete: () => known().size === lwps.size,
  };
}

function lwpsByAnySource(
  { core, evidence, memory }: Pick<JudgeInput, 'core' | 'evidence' | 'memory'>,
  lwps: ReadonlySet<number>,
): ReadonlyMap<number, number> {
  const byProc = evidence?.threads.flatMap(({ tid, nsPid }) =>
    nsPid === undefined || !lwps.has(tid) ? [] : [[nsPid, tid] as const],
  );
  const byLibrary = memory === undefined ? [] : lwpsByInnerId(memory, core.threads);
  return new Map([...byLibrary, ...(byProc ?? [])]);
}
