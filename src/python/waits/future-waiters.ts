import { attempt, type Heap } from '../objects/heap.ts';

const waiterLimit = 256;

/** Addresses of the waiters that a future of concurrent.futures tells when it is done (Lib/concurrent/futures/_base.py). */
export function futureWaiters(heap: Heap, future: bigint): readonly bigint[] {
  const list = attempt(() => heap.attribute(future, '_waiters'));
  return (list === undefined ? undefined : attempt(() => listItems(heap, list, waiterLimit))) ?? [];
}

/** `ob_item` follows `ob_size` (Include/listobject.h). */
export function listItems(heap: Heap, list: bigint, limit: number): readonly bigint[] {
  const count = Math.min(lengthOf(heap, list), limit);
  return count === 0 ? [] : heap.pointers(heap.pointer(heap.field(list, 8)), count);
}

/** `ob_size` of a list or deque. */
export function lengthOf(heap: Heap, object: bigint): number {
  return heap.count(heap.field(object, 0), Number.MAX_SAFE_INTEGER);
}
