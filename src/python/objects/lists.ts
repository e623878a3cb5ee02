import type { Heap } from './heap.ts';

/** The first items of a list, at most `limit`. */
export function listItems(heap: Heap, list: bigint, limit: number): readonly bigint[] {
  const count = Math.min(lengthOf(heap, list), limit);
  return count === 0 ? [] : heap.pointers(listStart(heap, list), count);
}

/** Address of a list's first item: `ob_item` follows `ob_size` (Include/listobject.h). */
export function listStart(heap: Heap, list: bigint): bigint {
  return heap.pointer(heap.field(list, 8));
}

/** `ob_size` of a list or deque. */
export function lengthOf(heap: Heap, object: bigint): number {
  return heap.count(heap.field(object, 0), Number.MAX_SAFE_INTEGER);
}
