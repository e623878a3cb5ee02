import { formatAddress } from '../../corefile/memory.ts';
import { type Heap, MalformedPythonError } from './heap.ts';

/** A deque that claims more items is damaged. */
const countLimit = 2 ** 40;

/**
 * `dequeobject`, behind its head, and `block` of Modules/_collectionsmodule.c, 64-bit: by `ptype /o` of 2.7, and of 3.6 to
 * 3.14, which are alike.
 */
const shapes = {
  '2.7': { count: 32, rightBlock: 8, rightIndex: 24, leftLink: 504, data: 0, blockLength: 62 },
  later: { count: 0, rightBlock: 16, rightIndex: 32, leftLink: 0, data: 8, blockLength: 64 },
} as const;

function shapeOf({ layout: { minor } }: Heap): (typeof shapes)[keyof typeof shapes] {
  return minor === '2.7' ? shapes[minor] : shapes.later;
}

/** An item of a container, and the word of it that refers to the item. */
export interface Item {
  readonly address: bigint;
  readonly item: bigint;
}

/** Address of the number of a deque's items. */
export function dequeCount(heap: Heap, deque: bigint): bigint {
  return heap.field(deque, shapeOf(heap).count);
}

/**
 * The last items of a deque, the last one first, at most `limit` of them.
 * @throws MalformedPythonError when its blocks end before its first item
 */
export function dequeItems(heap: Heap, deque: bigint, limit: number): readonly Item[] {
  const { rightBlock, rightIndex, leftLink, data, blockLength } = shapeOf(heap);
  const count = Math.min(heap.count(dequeCount(heap, deque), countLimit), limit);
  let block = heap.pointer(heap.field(deque, rightBlock));
  let index = heap.count(heap.field(deque, rightIndex), blockLength - 1);
  return Array.from({ length: count }, () => {
    if (index < 0) {
      block = heap.pointer(block + BigInt(leftLink));
      if (block === 0n) throw new MalformedPythonError(`the deque ${formatAddress(deque)} ends before its first item`);
      index = blockLength - 1;
    }
    const address = block + BigInt(data + 8 * index--);
    return { address, item: heap.pointer(address) };
  });
}
