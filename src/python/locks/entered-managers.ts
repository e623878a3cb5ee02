import { type BlockFrame, withBlocks } from '../frames/with-blocks.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { PythonTask, PythonThread, TaskHold } from '../process.ts';
import { managerAt, waitedOn } from './locks.ts';

/** By address: where an object's `with` block was entered, and what shows it. */
export type EnteredManagers = ReadonlyMap<bigint, Omit<TaskHold, 'address'>>;

/**
 * The objects whose `with` block some frames are in, with what a condition has given back while it waits left out: what
 * a suspended task, or greenlet, holds.
 * @param frames innermost first
 * @param enterAsync instruction that enters an `async with`, where blocks are known by it
 */
export function enteredManagers(heap: Heap, frames: readonly BlockFrame[], enterAsync?: number): EnteredManagers {
  const entered = new Map<bigint, Omit<TaskHold, 'address'>>();
  const given = new Set<bigint>();
  for (const frame of frames) {
    const own = attempt(() => waitedOn(heap, frame));
    if (own !== undefined) given.add(own);
    for (const { slot, line, evidence } of attempt(() => withBlocks(heap, frame, enterAsync)) ?? []) {
      const manager = attempt(() => managerAt(heap, slot));
      if (manager === undefined || given.has(manager.address)) continue;
      const at = { file: frame.frame.file, line };
      entered.set(manager.address, { at, evidence: [evidence, ...manager.evidence] });
    }
  }
  return entered;
}

/** Addresses of what tasks, and threads, wait for: of a task's holds only these are told. */
export function wantedOf(tasks: readonly PythonTask[], threads: readonly PythonThread[]): ReadonlySet<bigint> {
  return new Set([...tasks, ...threads].flatMap(({ waits }) => waits?.address ?? []));
}
