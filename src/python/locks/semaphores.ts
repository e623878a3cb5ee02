import { attempt, type Heap } from '../objects/heap.ts';

/** A semaphore of Lib/threading.py: `with` takes one of its permits, and gives it back. */
export interface Semaphore {
  readonly kind: 'semaphore';
  readonly address: bigint;
  /** Permits that nobody holds. */
  readonly value: number;
  /** Permits that there are; known of a `BoundedSemaphore` alone: any other one may be released without having been taken. */
  readonly initial?: number;
}

/** asyncio has classes of the same names, which have no condition. 2.7 has functions of these names, and mangles attributes. */
const classes: ReadonlySet<string> = new Set(['Semaphore', 'BoundedSemaphore', '_Semaphore', '_BoundedSemaphore']);
const conditions: ReadonlySet<string> = new Set(['Condition', '_Condition']);
const condition = ['_cond', '_Semaphore__cond'];
const value = ['_value', '_Semaphore__value'];
const initialValue = ['_initial_value'];

/** The semaphore at an address; undefined for anything else. */
export function semaphoreAt(heap: Heap, address: bigint): Semaphore | undefined {
  return attempt(() => {
    if (!classes.has(heap.className(address))) return undefined;
    const inner = heap.attribute(address, ...condition);
    const free = countAt(heap, address, value);
    if (inner === undefined || !conditions.has(heap.className(inner)) || free === undefined) return undefined;
    const initial = countAt(heap, address, initialValue);
    return { kind: 'semaphore', address, value: free, ...(initial !== undefined && { initial }) };
  });
}

function countAt(heap: Heap, object: bigint, names: readonly string[]): number | undefined {
  const held = heap.attribute(object, ...names);
  const number = held === undefined ? undefined : heap.integer(held);
  return number === undefined ? undefined : Number(number);
}
