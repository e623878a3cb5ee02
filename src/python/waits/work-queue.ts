import type { LiveFrame } from '../frames/frames.ts';
import { dequeCount, dequeItems, type Item } from '../objects/deque.ts';
import type { Heap } from '../objects/heap.ts';
import { listStart } from '../objects/lists.ts';
import type { Evidence } from '../process.ts';

/** Functions in which a worker waits for its next item of work; where the queue is written in C it has none. */
const takesWork = /(?:^|\/)[Qq]ueue\.py$/;

/** Whether a worker does an item of work. @param inner the frame that the worker's own function called */
export function isAtWork(inner: LiveFrame | undefined): boolean {
  return inner !== undefined && !takesWork.test(inner.frame.file);
}

/** How many items a queue has. */
export interface Waiting {
  readonly count: number;
  readonly evidence: readonly Evidence[];
}

/** More items than this in one queue are taken for damage. */
const itemLimit = 1 << 30;

/**
 * `simplequeueobject` of Modules/_queuemodule.c: a list that is read from a position on (3.7 to 3.12), or a ring buffer
 * that counts (3.13, 3.14: `RingBuf`). Bytes behind the object's head; `size`, all of them there, tells which it is. By the
 * DWARF of 3.7, 3.9, 3.12 and 3.13.
 */
const simpleQueues = [
  { size: 40, shape: 'list', list: 16, position: 24 },
  { size: 56, shape: 'ring', first: 16, items: 24, capacity: 32, count: 40 },
] as const;

/** Items in a `queue.SimpleQueue` or a `queue.Queue`; undefined for other objects. */
export function waitingItems(heap: Heap, queue: bigint): Waiting | undefined {
  if (isSimple(heap, queue)) return countOfSimple(heap, queue);
  const items = heap.attribute(queue, 'queue');
  return items === undefined ? undefined : counted(heap, dequeCount(heap, items));
}

/**
 * The last items of such a queue, the last one first, at most `limit`; none of other objects.
 * @throws MalformedPythonError when the queue is damaged
 */
export function itemsIn(heap: Heap, queue: bigint, limit: number): readonly Item[] {
  if (isSimple(heap, queue)) return itemsOfSimple(heap, queue, limit);
  const items = heap.attribute(queue, 'queue');
  return items === undefined ? [] : dequeItems(heap, items, limit);
}

function isSimple(heap: Heap, queue: bigint): boolean {
  return heap.typeNameOf(queue) === '_queue.SimpleQueue';
}

function shapeOf(heap: Heap, queue: bigint): (typeof simpleQueues)[number] | undefined {
  return simpleQueues.find(({ size }) => heap.field(0n, size) === BigInt(heap.basicSize(queue)));
}

function countOfSimple(heap: Heap, queue: bigint): Waiting | undefined {
  const row = shapeOf(heap, queue);
  switch (row?.shape) {
    case 'ring':
      return counted(heap, heap.field(queue, row.count));
    case 'list': {
      const list = heap.pointer(heap.field(queue, row.list));
      const taken = counted(heap, heap.field(queue, row.position), 'of which were taken:');
      const all = counted(heap, list + BigInt(heap.layout.object.itemCount));
      if (all.count < taken.count) return undefined;
      return { count: all.count - taken.count, evidence: [...all.evidence, ...taken.evidence] };
    }
    case undefined:
      return undefined;
    default:
      return row satisfies never;
  }
}

function itemsOfSimple(heap: Heap, queue: bigint, limit: number): readonly Item[] {
  const row = shapeOf(heap, queue);
  const number = (offset: number) => heap.count(heap.field(queue, offset), itemLimit);
  switch (row?.shape) {
    case 'ring': {
      const [count, first, capacity] = [number(row.count), number(row.first), number(row.capacity)];
      const items = heap.pointer(heap.field(queue, row.items));
      const at = (back: number) => (first + count - 1 - back) % capacity;
      return count > capacity ? [] : slots(heap, Math.min(count, limit), back => items + BigInt(8 * at(back)));
    }
    case 'list': {
      const list = heap.pointer(heap.field(queue, row.list));
      const all = heap.count(list + BigInt(heap.layout.object.itemCount), itemLimit);
      const items = listStart(heap, list);
      const count = Math.max(0, all - number(row.position));
      return slots(heap, Math.min(count, limit), back => items + BigInt(8 * (all - 1 - back)));
    }
    case undefined:
      return [];
    default:
      return row satisfies never;
  }
}

function slots(heap: Heap, count: number, addressOf: (back: number) => bigint): readonly Item[] {
  return Array.from({ length: count }, (_, back) => {
    const address = addressOf(back);
    return { address, item: heap.pointer(address) };
  });
}

function counted(heap: Heap, address: bigint, what = 'items in the queue of work:'): Waiting {
  const count = heap.count(address, itemLimit);
  return { count, evidence: [{ text: `${what} ${count}`, address, value: BigInt(count), bytes: 8 }] };
}
