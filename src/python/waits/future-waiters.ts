import { attempt, type Heap } from '../objects/heap.ts';
import { listItems } from '../objects/lists.ts';

const waiterLimit = 256;

/** Addresses of the waiters that a future of concurrent.futures tells when it is done (Lib/concurrent/futures/_base.py). */
export function futureWaiters(heap: Heap, future: bigint): readonly bigint[] {
  const list = attempt(() => heap.attribute(future, '_waiters'));
  return (list === undefined ? undefined : attempt(() => listItems(heap, list, waiterLimit))) ?? [];
}
