import { HangarError, messageOf } from '../../errors.ts';
import type { FrameReader } from '../frames/frames.ts';
import type { LocalsReader } from '../frames/locals.ts';
import { localOf } from '../frames/slots.ts';
import { gapOf } from '../gap.ts';
import { buildOf } from '../layout.ts';
import { membersOf } from '../loaded-modules.ts';
import { type EnteredManagers, enteredManagers, wantedOf } from '../locks/entered-managers.ts';
import { qualifiedName } from '../objects/classes.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { PythonFrame, PythonInterpreter, PythonProcess, PythonTask, PythonThread, TaskFrame } from '../process.ts';
import { readRequest } from '../requests/request.ts';
import { type CoroutineChain, type CoroutineFrame, coroutineLimit, followCoroutine } from './coroutines.ts';
import { describeAwait } from './task-await.ts';
import { taskLayouts } from './task-layouts.ts';
import { listTasks, taskLimit } from './task-list.ts';
import { isDone, readTask, type TaskObject, type TaskObjects } from './task-object.ts';
import { TaskSurroundings } from './task-surroundings.ts';

export interface TaskQuestion {
  readonly heap: Heap;
  readonly frames: FrameReader;
  /** Absent where variables were not asked for. */
  readonly locals?: LocalsReader;
  readonly interpreter: PythonInterpreter;
  /** Of all interpreters. */
  readonly threads: readonly PythonThread[];
  /** Of those named in `taskModules`, the ones that the interpreter has loaded. */
  readonly modules: ReadonlyMap<string, bigint>;
}

export interface TaskAnswer {
  readonly tasks: readonly PythonTask[];
  readonly gaps: PythonProcess['gaps'];
}

/** Modules that lead to tasks and to the types that they are made of. */
export const taskModules = ['asyncio.tasks', '_asyncio', 'builtins', 'types'] as const;

const what = 'asyncio tasks';

/** Every pending asyncio task of an interpreter, with the coroutines that it stands in. None where asyncio was not loaded. */
export function readTasks(question: TaskQuestion): TaskAnswer {
  const { heap, interpreter, modules } = question;
  const module = modules.get('asyncio.tasks');
  if (module === undefined) return { tasks: [], gaps: [] };
  const build = buildOf(heap.layout);
  const layout = taskLayouts.find(({ minor }) => minor === build);
  if (layout === undefined)
    return { tasks: [], gaps: [{ what, why: `there is no layout of the tasks of Python ${build}` }] };
  const { nativeTask, none } = learnTypes(heap, modules);
  const objects: TaskObjects = { heap, layout, nativeTask, none };
  const threads = question.threads.filter(thread => thread.interpreter === interpreter.id);
  const list = listTasks(heap, layout, {
    module,
    extension: modules.get('_asyncio'),
    interpreter: interpreter.address,
    threads: threads.map(({ address }) => address),
    none: objects.none,
  });
  const reader = new TaskReader(question, objects, { interpreter: interpreter.id, threads });
  const tasks = reader.read(list.tasks);
  const gaps = [
    ...list.stopped.map(stopped => gapOf(stopped.what, stopped.why)),
    ...(list.more ? [{ what, why: `there are more than ${taskLimit}: the others were left out` }] : []),
    ...reader.gaps(list.tasks.length),
  ];
  return { tasks, gaps };
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

interface Surroundings {
  /** `PythonInterpreter.id` */
  readonly interpreter: number;
  /** Of that interpreter. */
  readonly threads: readonly PythonThread[];
}

/** Reads one task after the other, and remembers what could not be read. */
class TaskReader {
  readonly #frames: FrameReader;
  readonly #locals: LocalsReader | undefined;
  readonly #objects: TaskObjects;
  readonly #interpreter: number;
  readonly #threads: readonly PythonThread[];
  readonly #loops = new Map<bigint, number | undefined>();
  readonly #classes = new Map<bigint, string | undefined>();
  #refused = 0;
  #broken = 0;
  #cut = 0;
  #reason: unknown;

  constructor({ frames, locals }: TaskQuestion, objects: TaskObjects, { interpreter, threads }: Surroundings) {
    this.#frames = frames;
    this.#locals = locals;
    this.#objects = objects;
    this.#interpreter = interpreter;
    this.#threads = threads;
  }

  /** None of those that are done, or that cannot be read. */
  read(addresses: readonly bigint[]): readonly PythonTask[] {
    const pending = addresses.flatMap(address => this.#pending(address));
    const surroundings = new TaskSurroundings(this.#objects, this.#threads);
    for (const { task, held } of pending) surroundings.learn(task, held);
    const told = pending.map(each => this.#told(each, surroundings));
    const wanted = wantedOf(told, this.#threads);
    return told.map(task => {
      const holds = surroundings.holdsOf(task.address, wanted);
      return holds.length === 0 ? task : { ...task, holds };
    });
  }

  #pending(address: bigint): readonly PendingTask[] {
    try {
      const task = readTask(this.#objects, address);
      if (task.done) return [];
      const chain = this.#follow(task.coroutine);
      if (chain.cut) this.#cut++;
      const runner = chain.executing === undefined ? undefined : this.#runnerOf(chain.executing);
      return [{ task, chain, ...(runner && { runner }), held: runner?.held ?? this.#heldBy(chain) }];
    } catch (error) {
      this.#note(error);
      this.#refused++;
      return [];
    }
  }

  #told({ task, chain, runner, held }: PendingTask, surroundings: TaskSurroundings): PythonTask {
    const lwp = runner?.lwp ?? this.#threadOf(task.loop);
    const request = readRequest(this.#objects.heap, chain.frames.toReversed()) ?? runner?.request;
    const isWaiting = task.waiter !== 0n && !isDone(this.#objects, task.waiter);
    const awaited =
      runner === undefined && isWaiting
        ? describeAwait(this.#objects, { task, frames: chain.frames, held }, surroundings)
        : undefined;
    const loopClass = task.loop === 0n ? undefined : this.#classOf(task.loop);
    return {
      kind: 'asyncio',
      address: task.address,
      interpreter: this.#interpreter,
      ...(task.name !== undefined && { name: task.name }),
      ...(task.loop !== 0n && { loop: task.loop }),
      ...(loopClass !== undefined && { loopClass }),
      ...(lwp !== undefined && { lwp }),
      state: chain.executing === undefined ? (isWaiting ? 'waiting' : 'ready') : 'running',
      stack: runner?.stack ?? chain.frames.map(frame => this.#standing(frame)).toReversed(),
      ...(awaited !== undefined && { awaits: awaited.text }),
      ...(awaited !== undefined && awaited.waitsFor.length > 0 && { waitsFor: awaited.waitsFor }),
      ...(awaited?.any === true && { anyWillDo: true }),
      ...(awaited && { waits: awaited.waits }),
      ...(request && { request }),
    };
  }

  #heldBy({ frames }: CoroutineChain): EnteredManagers {
    const { heap, layout } = this.#objects;
    const inner = frames.toReversed().map(({ address, function: name, file, ...slots }) => ({
      ...slots,
      frame: { address, function: name, file },
    }));
    return enteredManagers(heap, inner, layout.enterAsync);
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

  #standing(frame: CoroutineFrame): TaskFrame {
    const { function: name, file, line } = frame;
    return { function: name, file, line, ...(this.#locals && { locals: this.#locals.read(frame) }) };
  }

  /** The thread that has the frame, with its frames from the innermost to that one. */
  #runnerOf(frame: bigint): TaskRunner | undefined {
    for (const { lwp, frames, request } of this.#threads) {
      const index = frames.findIndex(({ address }) => address === frame);
      if (index < 0) continue;
      const stack = frames
        .slice(0, index + 1)
        .slice(0, coroutineLimit)
        .map(({ function: name, file, line, locals }) => ({ function: name, file, line, ...(locals && { locals }) }));
      const live = this.#frames.walkFrom(frames[0]?.address ?? 0n, this.#objects.heap, index + 1).frames;
      const held = enteredManagers(this.#objects.heap, live, this.#objects.layout.enterAsync);
      return { stack, held, ...(lwp !== undefined && { lwp }), ...(request && { request }) };
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
    const thread =
      id === undefined
        ? this.#threads.find(({ frames }) => this.#runsLoop(frames, loop))
        : this.#threads.find(({ threadId }) => threadId === id);
    this.#loops.set(loop, thread?.lwp);
    return thread?.lwp;
  }

  /** A loop that is compiled (uvloop) keeps that to itself: Lib/asyncio/runners.py has it in a local, or in its `Runner`. */
  #runsLoop(frames: readonly PythonFrame[], loop: bigint): boolean {
    const { heap } = this.#objects;
    const { frame: layout } = heap.layout;
    return frames.slice(-runnerDepth).some(({ address, code, function: name }) => {
      if (!/(?:^|\.)run(?:_\w+)?$/.test(name)) return false;
      const slots = { code: this.#frames.code(code), locals: address + BigInt(layout.locals) };
      return ['loop', 'self'].some(variable => {
        const value = attempt(() => localOf(heap, slots, variable)) ?? 0n;
        return value === loop || (value !== 0n && attempt(() => heap.attribute(value, '_loop')) === loop);
      });
    });
  }

  #classOf(loop: bigint): string | undefined {
    if (!this.#classes.has(loop))
      this.#classes.set(
        loop,
        attempt(() => {
          const { heap } = this.#objects;
          return qualifiedName(heap, heap.typeAddress(loop));
        }),
      );
    return this.#classes.get(loop);
  }
}

/** Outermost frames in which the function that runs a loop is looked for. */
const runnerDepth = 64;

type TaskRunner = Pick<PythonThread, 'lwp' | 'request'> & {
  readonly stack: readonly TaskFrame[];
  readonly held: EnteredManagers;
};

interface PendingTask {
  readonly task: TaskObject;
  readonly chain: CoroutineChain;
  /** Of one that is being run. */
  readonly runner?: TaskRunner;
  /** Objects whose `with` or `async with` block it is in. */
  readonly held: EnteredManagers;
}
