import { formatAddress } from '../../corefile/memory.ts';
import type { EnteredManagers } from '../locks/entered-managers.ts';
import { attempt } from '../objects/heap.ts';
import type { Evidence, PythonThread, TaskHold } from '../process.ts';
import type { Others } from './task-await.ts';
import { isTask, readTask, type TaskObject, type TaskObjects } from './task-object.ts';

/** Cells of one closure that are looked at. */
const cellLimit = 16;

/** What the tasks of one interpreter have to do with each other and with its threads. */
export class TaskSurroundings {
  readonly #objects: TaskObjects;
  readonly #holders = new Map<bigint, TaskObject[]>();
  readonly #holds = new Map<bigint, TaskHold[]>();
  /** Future of concurrent.futures → the thread that works on it. */
  readonly #workers: ReadonlyMap<bigint, number>;

  constructor(objects: TaskObjects, threads: readonly PythonThread[]) {
    this.#objects = objects;
    this.#workers = new Map(
      threads.flatMap(({ lwp, runs = [] }) =>
        lwp === undefined ? [] : runs.map(({ address }) => [address, lwp] as const),
      ),
    );
  }

  /** @param held objects whose `async with` block the task is in */
  learn(task: TaskObject, held: EnteredManagers): void {
    for (const [object, entered] of held)
      for (const { address, path } of this.#takenBy(object)) {
        this.#holders.set(address, [...(this.#holders.get(address) ?? []), task]);
        const hold = { address, at: entered.at, evidence: [...entered.evidence, ...path] };
        this.#holds.set(task.address, [...(this.#holds.get(task.address) ?? []), hold]);
      }
  }

  /** Lib/asyncio/locks.py: entering a Condition takes its lock. */
  #takenBy(object: bigint): readonly { readonly address: bigint; readonly path: readonly Evidence[] }[] {
    const { heap } = this.#objects;
    const lock =
      heap.typeNameOf(object) === 'Condition' ? attempt(() => heap.attributeSlot(object, '_lock')) : undefined;
    const own = { address: object, path: [] };
    if (lock === undefined) return [own];
    const text = `the condition ${formatAddress(object)} has the lock ${formatAddress(lock.value)}`;
    return [own, { address: lock.value, path: [{ text, address: lock.slot, value: lock.value, bytes: 8 }] }];
  }

  /** Of what a task holds, that which is wanted. */
  holdsOf(task: bigint, wanted: ReadonlySet<bigint>): readonly TaskHold[] {
    return this.#holds.get(task)?.filter(({ address }) => wanted.has(address)) ?? [];
  }

  holdersOf(lock: bigint): readonly TaskObject[] {
    return this.#holders.get(lock) ?? [];
  }

  /**
   * What a future stands for that is no task: that of an executor's thread, or of a task that is shielded. The function
   * that was the first to be told of its end has it (Lib/asyncio/futures.py, `_chain_future`; Lib/asyncio/tasks.py,
   * `shield`).
   * @param task that waits for it
   */
  behind(future: bigint, task: bigint): Others | undefined {
    const { heap } = this.#objects;
    for (const object of this.#closureOf(future)) {
      const worker = this.#workers.get(object);
      if (worker !== undefined) return { ...executorWork(`run by thread ${worker}`), worker };
      if (object !== task && isTask(this.#objects, object)) {
        const { name } = readTask(this.#objects, object);
        const alone = name === undefined ? 'a task, shielded' : `task "${name}", shielded`;
        return { kind: 'task', text: `: ${alone}`, alone, tasks: [object] };
      }
      const state = attempt(() => heap.text(heap.attribute(object, '_state') ?? 0n, 16));
      const isQueued = state === 'PENDING' && attempt(() => heap.attribute(object, '_condition')) !== undefined;
      if (isQueued) return executorWork('for which it has no thread yet');
    }
    return undefined;
  }

  /** What the cells of the first callback's closure hold. */
  #closureOf(future: bigint): readonly bigint[] {
    const { heap, layout } = this.#objects;
    const callback = attempt(() => heap.pointer(future + BigInt(layout.future.callback))) ?? 0n;
    if (heap.typeNameOf(callback) !== 'function') return [];
    const cells = attempt(() => heap.tuple(heap.pointer(callback + BigInt(layout.closure)))) ?? [];
    return cells.slice(0, cellLimit).flatMap(cell => {
      const held = attempt(() => heap.pointer(cell + BigInt(heap.layout.values.cell))) ?? 0n;
      return held === 0n ? [] : [held];
    });
  }
}

function executorWork(standing: string): Others {
  return {
    kind: 'worker',
    text: `: work of an executor, ${standing}`,
    alone: `work of an executor, ${standing}`,
    tasks: [],
  };
}
