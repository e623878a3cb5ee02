import { formatAddress } from '../../corefile/memory.ts';
import type { PythonThread, PythonWait } from '../process.ts';

/**
 * The threads, each wait with the thread that has to act, where another thread's frames say it: the worker that runs the
 * awaited future; and with the word that the joined thread does not exist.
 * @param isAlive whether a thread of the process has that `get_ident()`
 */
export function settleAwaited(
  threads: readonly PythonThread[],
  isAlive: (threadId: bigint) => boolean,
): readonly PythonThread[] {
  return threads.map(thread => {
    const { waits } = thread;
    if (waits === undefined) return thread;
    if (waits.future !== undefined) return { ...thread, waits: withWorker(waits, waits.future, threads) };
    if (waits.kind !== 'join' || waits.ownerThreadId === undefined || isAlive(waits.ownerThreadId)) return thread;
    const text = `the process has no thread ${formatAddress(waits.ownerThreadId)}`;
    return { ...thread, waits: { ...waits, ownerAbsent: true, evidence: [...waits.evidence, { text }] } };
  });
}

function withWorker(waits: PythonWait, future: bigint, threads: readonly PythonThread[]): PythonWait {
  for (const { runs, threadId } of threads)
    for (const { address, waiters, evidence } of runs ?? []) {
      if (address !== future && !waiters.includes(future)) continue;
      return {
        ...waits,
        ownerThreadId: threadId,
        evidence: [...waits.evidence, ...evidence],
      };
    }
  return waits;
}
