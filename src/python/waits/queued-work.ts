import { formatAddress } from '../../corefile/memory.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { Evidence, PythonPool } from '../process.ts';
import { futureWaiters } from './future-waiters.ts';
import { itemsIn } from './work-queue.ts';

/** Work whose result somebody waits for, and that no worker of its pool has taken yet. */
export interface QueuedWork {
  /** Address of the pool's queue. */
  readonly queue: bigint;
  /** From the queue to the future. */
  readonly evidence: readonly Evidence[];
}

/** The queue of a pool; what its items are is a matter of the kind of pool. */
export interface PoolQueue {
  readonly kind: PythonPool['kind'];
  readonly queue: bigint;
}

/** Items of one queue that are looked at, the last ones: whoever waits put them there not long ago. */
const itemLimit = 4096;

/**
 * Looks for the work of some futures, of waiters of futures, and of jobs (`PythonWait.future`) in the queues of pools.
 * @returns by the address that was asked about; those that were found
 */
export function queuedWork(
  heap: Heap,
  queues: readonly PoolQueue[],
  awaited: ReadonlySet<bigint>,
): ReadonlyMap<bigint, QueuedWork> {
  const found = new Map<bigint, QueuedWork>();
  for (const { kind, queue } of queues)
    for (const { address, item } of attempt(() => itemsIn(heap, queue, itemLimit)) ?? []) {
      if (found.size === awaited.size) return found;
      const work = attempt(() => workItems[kind](heap, item));
      if (work === undefined) continue;
      const text = `the queue ${formatAddress(queue)} still has the item of work ${formatAddress(item)}`;
      const evidence = [{ text, address, value: item, bytes: 8 } as const, work.evidence];
      for (const told of work.tells) if (awaited.has(told) && !found.has(told)) found.set(told, { queue, evidence });
    }
  return found;
}

interface WorkItem {
  /** Whoever is told when it is done. */
  readonly tells: readonly bigint[];
  readonly evidence: Evidence;
}

const workItems: Readonly<Record<PythonPool['kind'], (heap: Heap, item: bigint) => WorkItem | undefined>> = {
  // `_WorkItem` of Lib/concurrent/futures/thread.py, 3.6 to 3.14.
  executor(heap, item) {
    const future = heap.attributeSlot(item, 'future');
    if (future === undefined) return undefined;
    const text = `which is to bring the result of the future ${formatAddress(future.value)}`;
    return {
      tells: [future.value, ...futureWaiters(heap, future.value)],
      evidence: { text, address: future.slot, value: future.value, bytes: 8 },
    };
  },
  // `(job, i, func, args, kwds)` of Lib/multiprocessing/pool.py, 2.7 to 3.14; the result has that very number object.
  'thread-pool'(heap, item) {
    const job = heap.typeNameOf(item) === 'tuple' ? heap.tuple(item)[0] : undefined;
    if (job === undefined) return undefined;
    const text = `which is a part of the job ${heap.integer(job) ?? formatAddress(job)}`;
    const address = item + BigInt(heap.layout.tuple.items);
    return { tells: [job], evidence: { text, address, value: job, bytes: 8 } };
  },
};
