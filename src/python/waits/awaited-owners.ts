import { formatAddress } from '../../corefile/memory.ts';
import type { PythonThread, PythonWait } from '../process.ts';
import type { QueuedWork } from './queued-work.ts';

/** What else is asked to find out who has to act. */
export interface OwnerAnswers {
  /** Whether a thread of the process has that `get_ident()`. */
  readonly isAlive: (threadId: bigint) => boolean;
  /** Of some futures, or waiters of such: those whose work still lies in a queue. */
  readonly queued: (awaited: ReadonlySet<bigint>) => ReadonlyMap<bigint, QueuedWork>;
}

/**
 * The threads, each wait with the thread that has to act, where another thread's frames say it: the worker that runs the
 * awaited future; with the queue in which that future's work still lies; and with the word that the joined thread does not
 * exist.
 */
export function settleAwaited(
  threads: readonly PythonThread[],
  { isAlive, queued }: OwnerAnswers,
): readonly PythonThread[] {
  const working = threads.map(thread => {
    const { waits } = thread;
    if (waits === undefined) return thread;
    if (waits.future !== undefined) return { ...thread, waits: withWorker(waits, waits.future, threads) };
    if (waits.kind !== 'join' || waits.ownerThreadId === undefined || isAlive(waits.ownerThreadId)) return thread;
    const text = `the process has no thread ${formatAddress(waits.ownerThreadId)}`;
    return { ...thread, waits: { ...waits, ownerAbsent: true, evidence: [...waits.evidence, { text }] } };
  });
  return withQueues(working, queued);
}

/** The threads, each wait that no worker will end with the queue in which the work lies. */
function withQueues(threads: readonly PythonThread[], queued: OwnerAnswers['queued']): readonly PythonThread[] {
  const awaited = new Set(threads.flatMap(({ waits }) => openFuture(waits) ?? []));
  if (awaited.size === 0) return threads;
  const found = queued(awaited);
  return threads.map(thread => {
    const { waits } = thread;
    const future = openFuture(waits);
    const work = future === undefined ? undefined : found.get(future);
    if (waits === undefined || work === undefined) return thread;
    return { ...thread, waits: { ...waits, queuedIn: work.queue, evidence: [...work.evidence, ...waits.evidence] } };
  });
}

/** The future that a thread waits for, where no thread runs its work. */
function openFuture(waits: PythonWait | undefined): bigint | undefined {
  return waits?.ownerThreadId === undefined ? waits?.future : undefined;
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
