import { HangarError, messageOf } from '../errors.ts';
import { type CoroutineChain, coroutineLimit, followCoroutine } from './coroutines.ts';
import type { FrameReader } from './frames.ts';
import { attempt, type Heap } from './heap.ts';
import type { PythonInterpreter, PythonProcess, PythonTask, PythonThread, TaskFrame } from './process.ts';
import { describeAwait } from './task-await.ts';
import { taskLayouts } from './task-layouts.ts';
import { listTasks, taskLimit } from './task-list.ts';
import { readTask, type TaskObjects } from './task-object.ts';

export interface TaskQuestion {
  readonly heap: Heap;
  readonly frames: FrameReader;
  readonly interpreters: readonly PythonInterpreter[];
  readonly threads: readonly PythonThread[];
}

export interface TaskAnswer {
  /** Running ones first, then those that wait, then those that are ready; by name. */
  readonly tasks: readonly PythonTask[];
  readonly gaps: PythonProcess['gaps'];
}

/** Every pending asyncio task of every interpreter, with the coroutines that it stands in. None where asyncio was not loaded. */
export function readTasks(question: TaskQuestion): TaskAnswer {
  const answers = question.interpreters.map(interpreter => tasksOf(question, interpreter));
  return {
    tasks: sorted(answers.flatMap(({ tasks }) => tasks)),
    gaps: answers.flatMap(({ gaps }) => gaps),
  };
}

const what = 'asyncio tasks';

function tasksOf(question: TaskQuestion, interpreter: PythonInterpreter): TaskAnswer {
  const { heap } = question;
  const modules = attempt(() => loadedModules(heap, interpreter));
  if (modules === undefined) return { tasks: [], gaps: [] };
  const unread = greenletGap(modules);
  const module = modules.get('asyncio.tasks');
  if (module === undefined) return { tasks: [], gaps: unread };
  const layout = taskLayouts.find(({ minor }) => minor === heap.layout.minor);
  if (layout === undefined)
    return {
      tasks: [],
      gaps: [...unread, { what, why: `there is no layout of the tasks of Python ${heap.layout.minor}` }],
    };
  const { nativeTask, none } = learnTypes(heap, modules);
  const objects: TaskObjects = { heap, layout, nativeTask, none };
  const threads = question.threads.filter(thread => thread.interpreter === interpreter.id);
  const list = listTasks(heap, layout, {
    module,
    interpreter: interpreter.address,
    threads: threads.map(({ address }) => address),
    none: objects.none,
  });
  const reader = new TaskReader(question.frames, objects, { interpreter: interpreter.id, threads });
  const tasks = list.tasks.flatMap(address => reader.read(address));
  const gaps = [
    ...unread,
    ...list.stopped.map(stopped => gapOf(stopped.what, stopped.why)),
    ...(list.more ? [{ what, why: `there are more than ${taskLimit}: the others were left out` }] : []),
    ...reader.gaps(list.tasks.length),
  ];
  return { tasks, gaps };
}

function loadedModules(heap: Heap, { address }: PythonInterpreter): ReadonlyMap<string, bigint> {
  const sysDict = heap.pointer(address + BigInt(heap.layout.interpreter.sysDict));
  const modules = heap.item(sysDict, 'modules');
  return modules === undefined ? new Map() : itemsOf(heap, modules, [...neededModules, ...greenletHubs]);
}

const neededModules = ['asyncio.tasks', '_asyncio', 'builtins', 'types'] as const;
const greenletHubs = ['gevent.hub', 'eventlet.hubs.hub'] as const;

/** Nothing in memory lists greenlets: each is known to what will wake it, often a timer or watcher of a C library. */
function greenletGap(modules: ReadonlyMap<string, bigint>): PythonProcess['gaps'] {
  const hub = greenletHubs.find(name => modules.has(name));
  if (hub === undefined) return [];
  return [
    {
      what: 'greenlets',
      why: `${hub.split('.')[0]} is loaded, and suspended greenlets are not read: no list has them`,
    },
  ];
}

/** Names types whose own names are read-only data, which is had with the modules' files only. */
function learnTypes(heap: Heap, modules: ReadonlyMap<string, bigint>): Pick<TaskObjects, 'nativeTask' | 'none'> {
  const learn = (module: string, names: Readonly<Record<string, string>>) => {
    const members = attempt(() => membersOf(heap, modules.get(module) ?? 0n, Object.keys(names)));
    for (const [member, type] of members ?? []) {
      const name = names[member];
      if (name !== undefined && name !== '') heap.nameType(type, name);
    }
    return members;
  };
  learn('types', { CoroutineType: 'coroutine', GeneratorType: 'generator', AsyncGeneratorType: 'async_generator' });
  return {
    none: learn('builtins', { None: '', set: 'set', float: 'float' })?.get('None'),
    nativeTask: learn('_asyncio', { Task: '_asyncio.Task', Future: '_asyncio.Future' })?.get('Task'),
  };
}

/** Members of a module, in one pass over its dict. */
function membersOf(heap: Heap, module: bigint, names: readonly string[]): ReadonlyMap<string, bigint> {
  const { dictOffset } = heap.typeOf(module);
  return itemsOf(heap, heap.pointer(module + BigInt(dictOffset)), names);
}

/** Values under those of the keys that are there; each key is read once. */
function itemsOf(heap: Heap, dict: bigint, names: readonly string[]): ReadonlyMap<string, bigint> {
  const wanted = new Set(names);
  const found = new Map<string, bigint>();
  for (const [name, value] of heap.namedItems(dict)) {
    if (wanted.delete(name)) found.set(name, value);
    if (wanted.size === 0) break;
  }
  return found;
}

interface Surroundings {
  /** `PythonInterpreter.id` */
  readonly interpreter: number;
  /** Of that interpreter. */
  readonly threads: readonly PythonThread[];
}

/** Reads one task after the other, and remembers what could not be read. */
class TaskReader {
  readonly #frames: FrameReader;
  readonly #objects: TaskObjects;
  readonly #interpreter: number;
  readonly #threads: readonly PythonThread[];
  readonly #loops = new Map<bigint, number | undefined>();
  #refused = 0;
  #broken = 0;
  #cut = 0;
  #reason: unknown;

  constructor(frames: FrameReader, objects: TaskObjects, { interpreter, threads }: Surroundings) {
    this.#frames = frames;
    this.#objects = objects;
    this.#interpreter = interpreter;
    this.#threads = threads;
  }

  /** None for a task that is done, or that cannot be read. */
  read(address: bigint): readonly PythonTask[] {
    try {
      const task = readTask(this.#objects, address);
      if (task.done) return [];
      const chain = this.#follow(task.coroutine);
      if (chain.cut) this.#cut++;
      const runner = chain.executing === undefined ? undefined : this.#runnerOf(chain.executing);
      const lwp = runner?.lwp ?? this.#threadOf(task.loop);
      const awaits = runner ? undefined : describeAwait(this.#objects, chain.frames, task.waiter);
      return [
        {
          address,
          interpreter: this.#interpreter,
          ...(task.name !== undefined && { name: task.name }),
          ...(task.loop !== 0n && { loop: task.loop }),
          ...(lwp !== undefined && { lwp }),
          state: chain.executing === undefined ? (task.waiter === 0n ? 'ready' : 'waiting') : 'running',
          stack: runner?.stack ?? chain.frames.map(placeOf).toReversed(),
          ...(awaits !== undefined && { awaits }),
        },
      ];
    } catch (error) {
      this.#note(error);
      this.#refused++;
      return [];
    }
  }

  gaps(count: number): PythonProcess['gaps'] {
    const { fix } = this.#reason instanceof HangarError ? this.#reason : {};
    const why = messageOf(this.#reason);
    const gap = (text: string) => ({ what, why: text, ...(fix !== undefined && { fix }) });
    return [
      ...(this.#refused > 0 ? [gap(`${this.#refused} of ${count} could not be read: ${why}`)] : []),
      ...(this.#broken > 0 ? [gap(`the coroutines of ${this.#broken} of ${count} could not be read: ${why}`)] : []),
      ...(this.#cut > 0
        ? [{ what, why: `${this.#cut} of ${count} are more than ${coroutineLimit} coroutines deep: cut there` }]
        : []),
    ];
  }

  /** A task is named even where its coroutines are damaged. */
  #follow(coroutine: bigint): CoroutineChain {
    const { heap, layout } = this.#objects;
    try {
      return followCoroutine({ heap, layout, frames: this.#frames }, coroutine);
    } catch (error) {
      this.#note(error);
      this.#broken++;
      return { frames: [], cut: false };
    }
  }

  #note(error: unknown): void {
    if (!(error instanceof HangarError)) throw error;
    this.#reason ??= error;
  }

  /** The thread that has the frame, with its frames from the innermost to that one. */
  #runnerOf(frame: bigint): { lwp?: number; stack: readonly TaskFrame[] } | undefined {
    for (const { lwp, frames } of this.#threads) {
      const index = frames.findIndex(({ address }) => address === frame);
      if (index < 0) continue;
      const stack = frames
        .slice(0, index + 1)
        .slice(0, coroutineLimit)
        .map(placeOf);
      return { stack, ...(lwp !== undefined && { lwp }) };
    }
    return undefined;
  }

  /** LWP of the thread that runs a loop (Lib/asyncio/base_events.py, `_thread_id`); undefined: not said. */
  #threadOf(loop: bigint): number | undefined {
    if (loop === 0n || this.#loops.has(loop)) return this.#loops.get(loop);
    const { heap } = this.#objects;
    const id = attempt(() => {
      const value = heap.attribute(loop, '_thread_id');
      return value === undefined ? undefined : heap.integer(value);
    });
    const lwp = id === undefined ? undefined : this.#threads.find(({ threadId }) => threadId === id)?.lwp;
    this.#loops.set(loop, lwp);
    return lwp;
  }
}

function placeOf({ function: name, file, line }: TaskFrame): TaskFrame {
  return { function: name, file, line };
}

function gapOf(label: string, error: unknown): PythonProcess['gaps'][number] {
  if (!(error instanceof HangarError)) throw error;
  return { what: label, why: messageOf(error), fix: error.fix };
}

const order = { running: 0, waiting: 1, ready: 2 } as const;

function sorted(tasks: readonly PythonTask[]): readonly PythonTask[] {
  // One for all: `localeCompare` makes its own each time.
  const names = new Intl.Collator('en', { numeric: true });
  return tasks.toSorted(
    (left, right) =>
      order[left.state] - order[right.state] ||
      names.compare(left.name ?? '', right.name ?? '') ||
      (left.address < right.address ? -1 : 1),
  );
}
