export type { PythonTask, TaskWait, TaskWaitKind } from '../python/process.ts';

import type { PythonTask } from '../python/process.ts';
import { weakest } from './confidence.ts';
import type { Confidence } from './thread.ts';

/** Which tasks and greenlets wait for which, and which thread runs them. */
export interface TaskGraph {
  readonly tasks: ReadonlyMap<bigint, PythonTask>;
  /** By the task that waits. */
  readonly edges: ReadonlyMap<bigint, readonly TaskEdge[]>;
  /** The same edges by the task that must act. */
  readonly edgesInto: ReadonlyMap<bigint, readonly TaskEdge[]>;
  /** By the LWP of the thread that runs them. */
  readonly loops: ReadonlyMap<number, TaskLoop>;
}

export interface TaskEdge {
  readonly from: PythonTask;
  readonly to: PythonTask;
  /** Whether `to` has to give something back, and not to end. */
  readonly isLock: boolean;
  /** Whether another task would do as well. */
  readonly isOneOfSeveral: boolean;
  readonly confidence: Confidence;
}

/** What one thread switches between: tasks of an event loop, or greenlets of a hub. */
export interface TaskLoop {
  readonly kind: PythonTask['kind'];
  /** The task that the thread executes; absent while it looks for what to do next. */
  readonly running?: PythonTask;
  /** The others, without the hub. */
  readonly others: readonly PythonTask[];
}

export function taskGraph(tasks: readonly PythonTask[]): TaskGraph {
  const byAddress = new Map(tasks.map(task => [task.address, task]));
  const edges = tasks.flatMap(task => edgesOf(task, byAddress));
  return {
    tasks: byAddress,
    edges: Map.groupBy(edges, ({ from }) => from.address),
    edgesInto: Map.groupBy(edges, ({ to }) => to.address),
    loops: loopsOf(tasks),
  };
}

function edgesOf(from: PythonTask, byAddress: ReadonlyMap<bigint, PythonTask>): readonly TaskEdge[] {
  const { waitsFor = [], waits, anyWillDo = false } = from;
  if (waits === undefined) return [];
  const isLock = waits.kind !== 'task';
  return waitsFor.flatMap(address => {
    const to = byAddress.get(address);
    if (to === undefined) return [];
    const isOneOfSeveral = anyWillDo && waitsFor.length > 1;
    // Who else has a semaphore, and took it without a block, nobody knows.
    const known = waits.kind === 'semaphore' || isOneOfSeveral ? 'likely' : waits.confidence;
    return [{ from, to, isLock, isOneOfSeveral, confidence: weakest([waits.confidence, known]) }];
  });
}

function loopsOf(tasks: readonly PythonTask[]): ReadonlyMap<number, TaskLoop> {
  const found = new Map<number, TaskLoop>();
  for (const [lwp, all] of Map.groupBy(tasks, task => task.lwp)) {
    const isHubbed = all.some(({ isHub = false }) => isHub);
    // Greenlets that no hub switches hand each other the thread themselves.
    const own = all.filter(({ kind, isHub = false }) => !isHub && (kind === 'asyncio' || isHubbed));
    const [first] = own;
    if (lwp === undefined || first === undefined) continue;
    const running = own.find(({ state }) => state === 'running');
    found.set(lwp, {
      kind: first.kind,
      ...(running && { running }),
      others: own.filter(task => task !== running),
    });
  }
  return found;
}

/** Whether a thread executes a task, while others of the same loop have to wait for their turn. */
export function blocksLoop(graph: TaskGraph | undefined, lwp: number): boolean {
  const loop = graph?.loops.get(lwp);
  return loop?.running !== undefined && loop.others.length > 0;
}

/** Tasks that wait, directly or not, for some, without these. Who has the choice of several waits for all of them. */
export function waitersOf({ edges, edgesInto }: TaskGraph, some: readonly PythonTask[]): readonly PythonTask[] {
  const ends = new Set(some);
  const reached = new Set(some);
  for (const task of reached)
    for (const { from, isOneOfSeveral } of edgesInto.get(task.address) ?? []) {
      const others = isOneOfSeveral ? (edges.get(from.address) ?? []) : [];
      if (others.every(({ to }) => reached.has(to))) reached.add(from);
    }
  return [...reached].filter(task => !ends.has(task));
}

/**
 * After how many seconds each task gives up at the latest, because of itself or of a task that waits for its end and
 * cancels it then: Infinity without a limit, 0 where one could not be read.
 */
export function limitsOf({ tasks, edges }: TaskGraph): (task: PythonTask) => number {
  const limits = new Map([...tasks.values()].map(task => [task.address, ownLimit(task)]));
  const limitOf = ({ address }: PythonTask): number => limits.get(address) ?? Number.POSITIVE_INFINITY;
  // Each limit goes down the chain as far as none is less; a circle gives no more than its members do.
  const passing = new Set([...tasks.values()].filter(task => limitOf(task) < Number.POSITIVE_INFINITY));
  for (const from of passing) {
    passing.delete(from);
    for (const edge of edges.get(from.address)?.filter(cancels) ?? []) {
      if (limitOf(from) >= limitOf(edge.to)) continue;
      limits.set(edge.to.address, limitOf(from));
      passing.add(edge.to);
    }
  }
  return limitOf;
}

/** Whether who waits for a task's end takes it along when he gives up: `asyncio.wait` does not, nor does gevent. */
function cancels({ from, isLock }: TaskEdge): boolean {
  return !isLock && from.kind === 'asyncio' && from.anyWillDo !== true;
}

function ownLimit({ waits }: PythonTask): number {
  return waits?.limited === true ? (waits.timeoutSeconds ?? 0) : Number.POSITIVE_INFINITY;
}

/** Circles of tasks none of which can go on by itself: one of each set that wait for each other, in waiting order. */
export function taskCirclesOf(graph: TaskGraph): readonly (readonly TaskEdge[])[] {
  const limitOf = limitsOf(graph);
  const isEndless = (edge: TaskEdge) => !edge.isOneOfSeveral && limitOf(edge.from) === Number.POSITIVE_INFINITY;
  const from = ({ address }: PythonTask) => graph.edges.get(address)?.filter(isEndless) ?? [];
  const into = ({ address }: PythonTask) => graph.edgesInto.get(address)?.filter(isEndless) ?? [];
  const seen = new Set<PythonTask>();
  return [...graph.tasks.values()].flatMap(task => {
    if (task.inCycle !== true || seen.has(task)) return [];
    const circle = circleFrom(task, from);
    if (circle === undefined) return [];
    // What a member waits for, and what waits for it, is a part of the same knot.
    const behind = reachedFrom(task, each => into(each).map(edge => edge.from));
    for (const other of reachedFrom(task, each => from(each).map(({ to }) => to)))
      if (behind.has(other)) seen.add(other);
    return [circle];
  });
}

/** The shortest way from a task back to itself. */
function circleFrom(
  start: PythonTask,
  edgesFrom: (task: PythonTask) => readonly TaskEdge[],
): readonly TaskEdge[] | undefined {
  const arrivals = new Map<PythonTask, TaskEdge>();
  const queue = new Set([start]);
  for (const task of queue)
    for (const edge of edgesFrom(task)) {
      if (!arrivals.has(edge.to)) arrivals.set(edge.to, edge);
      queue.add(edge.to);
    }
  const way: TaskEdge[] = [];
  for (let edge = arrivals.get(start); edge !== undefined; edge = arrivals.get(edge.from)) {
    way.unshift(edge);
    if (edge.from === start) return way;
  }
  return undefined;
}

function reachedFrom(start: PythonTask, next: (task: PythonTask) => readonly PythonTask[]): ReadonlySet<PythonTask> {
  const reached = new Set([start]);
  for (const task of reached) for (const other of next(task)) reached.add(other);
  return reached;
}
