import { type BlockFrame, withBlocks } from '../frames/with-blocks.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import { managerAt } from './locks.ts';

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
    if (/(?:^|\.)wait$/.test(frame.frame.function)) {
      const own = attempt(() => localOf(heap, frame, 'self'));
      if (own !== undefined) given.add(own);
    }
    for (const { slot } of attempt(() => withBlocks(heap, frame, enterAsync)) ?? []) {
      const manager = attempt(() => managerAt(heap, slot))?.address;
      if (manager !== undefined && !given.has(manager)) entered.add(manager);
    }
  }
  return entered;
}

/** What a local variable refers to; undefined where there is none, or it is not set. */
export function localOf(
  heap: Heap,
  { code, locals }: Pick<BlockFrame, 'code' | 'locals'>,
  name: string,
): bigint | undefined {
  const slot = code.slotNames.indexOf(name);
  if (slot < 0) return undefined;
  const value = heap.referent(heap.pointer(locals + BigInt(8 * slot)));
  return value === 0n ? undefined : value;
}
