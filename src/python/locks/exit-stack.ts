import { formatAddress } from '../../corefile/memory.ts';
import { dequeItems } from '../objects/deque.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { Evidence } from '../process.ts';

/** A context manager that an ExitStack has entered and will leave. */
export interface StackedManager {
  readonly address: bigint;
  readonly evidence: readonly Evidence[];
}

/** Entries of one stack that are looked at, the last ones. */
const entryLimit = 1024;
/**
 * The context managers whose `__exit__` an ExitStack (Lib/contextlib.py, 3.3) will call, the last one entered first;
 * none for any other object. That they were entered is what `enter_context` does; `push` enters nothing.
 */
export function stackedManagers(heap: Heap, object: bigint): readonly StackedManager[] {
  if (!['ExitStack', 'AsyncExitStack'].includes(attempt(() => heap.className(object)) ?? '')) return [];
  const callbacks = heap.attribute(object, '_exit_callbacks');
  if (callbacks === undefined || !/(?:^|\.)deque$/.test(heap.typeNameOf(callbacks) ?? '')) return [];
  return dequeItems(heap, callbacks, entryLimit).flatMap(({ address, item }) => {
    const manager = attempt(() => leftBy(heap, item));
    if (manager === undefined) return [];
    const text = `the ExitStack ${formatAddress(object)} will leave ${formatAddress(manager)}`;
    return [{ address: manager, evidence: [{ text, address, value: item, bytes: 8 }] }];
  });
}

/**
 * The manager behind an entry: 3.8 on `(is_sync, method)`, the method being `__exit__` bound to the manager; 3.7 the same with
 * a function that has the manager as its `__self__`; 3.6 that function alone.
 */
function leftBy(heap: Heap, entry: bigint): bigint | undefined {
  const callback = heap.typeNameOf(entry) === 'tuple' ? heap.tuple(entry)[1] : entry;
  if (callback === undefined) return undefined;
  return heap.boundMethod(callback)?.self ?? heap.attribute(callback, '__self__');
}
