import { type BlockFrame, withBlocks } from '../frames/with-blocks.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import { managerAt, waitedOn } from './locks.ts';

/**
 * The objects whose `with` block some frames are in, with what a condition has given back while it waits left out: what
 * a suspended task, or greenlet, holds.
 * @param frames innermost first
 * @param enterAsync instruction that enters an `async with`, where blocks are known by it
 */
export function enteredManagers(heap: Heap, frames: readonly BlockFrame[], enterAsync?: number): ReadonlySet<bigint> {
  const entered = new Set<bigint>();
  const given = new Set<bigint>();
  for (const frame of frames) {
    const own = attempt(() => waitedOn(heap, frame));
    if (own !== undefined) given.add(own);
    for (const { slot } of attempt(() => withBlocks(heap, frame, enterAsync)) ?? []) {
      const manager = attempt(() => managerAt(heap, slot))?.address;
      if (manager !== undefined && !given.has(manager)) entered.add(manager);
    }
  }
  return entered;
}
