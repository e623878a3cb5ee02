import { attempt, type Heap } from '../objects/heap.ts';
import type { LiveFrame } from './frames.ts';

/** A word of a frame that refers to an object. */
export interface Slot {
  readonly address: bigint;
  /** As it is in memory. */
  readonly word: bigint;
  /** What it refers to. */
  readonly object: bigint;
}

/** A local variable; undefined where there is none of that name, or it is not set. */
export function slotOf(
  heap: Heap,
  { code, locals }: Pick<LiveFrame, 'code' | 'locals'>,
  name: string,
): Slot | undefined {
  const index = code.slotNames.indexOf(name);
  if (index < 0) return undefined;
  const address = locals + BigInt(8 * index);
  const word = heap.pointer(address);
  const object = heap.referent(word);
  return object === 0n ? undefined : { address, word, object };
}

/** What a local variable refers to; undefined where there is none, or it is not set. */
export function localOf(heap: Heap, frame: Pick<LiveFrame, 'code' | 'locals'>, name: string): bigint | undefined {
  return slotOf(heap, frame, name)?.object;
}

/**
 * Value stack, then local variables, stale slots included.
 * @param limit of each of the two
 */
export function slotsOf(
  heap: Heap,
  { code, locals, stack }: Pick<LiveFrame, 'code' | 'locals' | 'stack'>,
  limit = 1024,
): readonly Slot[] {
  const variables = code.slotCount || (attempt(() => code.slotNames.length) ?? 0);
  return [
    ...slotsAt(heap, stack, Math.min(code.stackSize, limit)),
    ...slotsAt(heap, locals, Math.min(variables, limit)),
  ];
}

function slotsAt(heap: Heap, start: bigint, count: number): readonly Slot[] {
  const all = attempt(() => heap.pointers(start, count));
  return (all ?? [])
    .map((word, index) => ({ address: start + BigInt(8 * index), word, object: heap.referent(word) }))
    .filter(({ object }) => object !== 0n && object % 8n === 0n);
}
