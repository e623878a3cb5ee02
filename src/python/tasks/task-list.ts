import { formatAddress } from '../../corefile/memory.ts';
import { attempt, type Heap, MalformedPythonError } from '../objects/heap.ts';
import type { TaskLayout } from './task-layout.ts';

/** Most tasks of one interpreter that are read. */
export const taskLimit = 1000;
/** Most slots of one set that are looked at: a set of 1,000 tasks has 4,096 at most, unless many more have ended. */
const slotLimit = 1 << 14;

/** Where an interpreter's tasks are to be looked for. */
export interface TaskPlaces {
  /** `asyncio.tasks` */
  readonly module: bigint;
  /** `_asyncio`; undefined where asyncio runs without it. */
  readonly extension: bigint | undefined;
  readonly interpreter: bigint;
  readonly threads: readonly bigint[];
  readonly none: bigint | undefined;
}

export interface TaskList {
  readonly tasks: readonly bigint[];
  /** Whether there were more than are read. */
  readonly more: boolean;
  /** Why a list ended early, and which. */
  readonly stopped: readonly { readonly what: string; readonly why: unknown }[];
}

/** Addresses of an interpreter's tasks, each once: of the sets that `asyncio.tasks` keeps, and of lists in thread states. */
export function listTasks(heap: Heap, layout: TaskLayout, places: TaskPlaces): TaskList {
  const found = new Set<bigint>();
  const stopped: { what: string; why: unknown }[] = [];
  let more = false;
  for (const { what, tasks } of sources(heap, layout, places))
    try {
      for (const task of tasks) {
        if (task === places.none || found.has(task)) continue;
        if (found.size >= taskLimit) {
          more = true;
          break;
        }
        found.add(task);
      }
    } catch (why) {
      stopped.push({ what, why });
    }
  return { tasks: [...found], more, stopped };
}

interface TaskSource {
  readonly what: string;
  readonly tasks: Iterable<bigint>;
}

function* sources(heap: Heap, layout: TaskLayout, places: TaskPlaces): Generator<TaskSource> {
  const { module, extension, interpreter, threads } = places;
  if (layout.lists) {
    const lists = describedLists(heap, layout.lists, extension);
    for (const thread of threads)
      yield {
        what: `task list of the thread state ${formatAddress(thread)}`,
        tasks: linked(heap, lists, thread + BigInt(lists.thread)),
      };
    yield { what: 'task list of the interpreter', tasks: linked(heap, lists, interpreter + BigInt(lists.interpreter)) };
  }
  // Lib/asyncio/tasks.py: `_all_tasks` up to 3.11, then the other two.
  for (const name of ['_all_tasks', '_scheduled_tasks'])
    yield {
      what: `asyncio.tasks.${name}`,
      tasks: weakSet(
        heap,
        layout,
        attempt(() => heap.attribute(module, name)),
      ),
    };
  yield {
    what: 'asyncio.tasks._eager_tasks',
    tasks: plainSet(
      heap,
      layout,
      attempt(() => heap.attribute(module, '_eager_tasks')),
    ),
  };
}

type TaskLists = NonNullable<TaskLayout['lists']>;

/** Bytes of the structures that hold lists: a description that leads further is damage. */
const structureLimit = 1 << 24;

/** The table of the lists, with the numbers that the module itself gives where it can be asked. */
function describedLists(heap: Heap, lists: TaskLists, extension: bigint | undefined): TaskLists {
  const { state, pointer, size, thread, interpreter, node } = lists.described;
  const own = attempt(() => {
    const description = heap.pointer(heap.pointer((extension ?? 0n) + BigInt(state)) + BigInt(pointer));
    const bytes = heap.read(description, size);
    const offset = (at: number) => Number(bytes.readBigUInt64LE(at));
    return { thread: offset(thread), interpreter: offset(interpreter), node: offset(node) };
  });
  return own !== undefined && Object.values(own).every(each => each < structureLimit) ? { ...lists, ...own } : lists;
}

/** Tasks of a circular list: each node must lead back to the one before it. */
function* linked(heap: Heap, { node, previous }: TaskLists, head: bigint): Generator<bigint> {
  for (let before = head, count = 0; count <= taskLimit; count++) {
    const at = heap.pointer(before);
    const back = heap.pointer(at + BigInt(previous));
    if (back !== before)
      throw new MalformedPythonError(
        `the task node ${formatAddress(at)} leads back to ${formatAddress(back)}, expected ${formatAddress(before)}`,
      );
    if (at === head) return;
    yield at - BigInt(node);
    before = at;
  }
}

/** Lib/_weakrefset.py: references in a set of its own; those to what is gone lead to None. */
function* weakSet(heap: Heap, layout: TaskLayout, object: bigint | undefined): Generator<bigint> {
  if (object === undefined) return;
  const data = heap.attribute(object, 'data');
  if (data === undefined) throw new MalformedPythonError(`${formatAddress(object)} has no data, expected a WeakSet`);
  for (const reference of plainSet(heap, layout, data)) yield heap.pointer(reference + BigInt(layout.referent));
}

/** Members of a set; none where there is no set. */
export function* plainSet(heap: Heap, { set }: TaskLayout, object: bigint | undefined): Generator<bigint> {
  if (object === undefined) return;
  const { name } = heap.typeOf(object);
  if (name !== 'set') throw new MalformedPythonError(`${formatAddress(object)} is a "${name}", expected a set`);
  const slots = heap.count(object + BigInt(set.mask), 1 << 28) + 1;
  const table = heap.pointer(object + BigInt(set.table));
  const step = 512;
  for (let start = 0; start < Math.min(slots, slotLimit); start += step) {
    const bytes = heap.read(table + BigInt(start * set.entry), Math.min(step, slots - start) * set.entry);
    for (let at = 0; at < bytes.length; at += set.entry) {
      const key = bytes.readBigUInt64LE(at + set.key);
      // A slot whose member was removed has a key too, and -1 as its hash (Objects/setobject.c, `dummy`).
      const removed = bytes.readBigInt64LE(at + set.key + 8) === -1n;
      if (key !== 0n && !removed) yield key;
    }
  }
}
