import type { JudgedThread } from '../thread.ts';
import type { Pool, WaitGraph } from '../wait-graph.ts';
import { busyThreads } from './busy.ts';
import { endsSoon, isPassing } from './rule.ts';

/** A pool of which every worker that it may have is stuck, so that no further work is begun. */
export interface StandingPool {
  readonly pool: Pool;
  /** By LWP, at least one. */
  readonly workers: readonly JudgedThread[];
  /** The one thread that all workers wait for in the end, be it a worker itself; absent: there are several, or a circle. */
  readonly shared?: JudgedThread;
  /** Whether all of them wait, in the end, for work that lies in their own queue. */
  readonly starvesItself: boolean;
}

/** The pools that stand. One of a single worker is told only where that waits for itself: else its worker says it all. */
export function standingPools(graph: WaitGraph): readonly StandingPool[] {
  let full = (graph.process?.pools ?? []).flatMap(pool => fullPool(graph, pool) ?? []);
  // Work that lies in a queue is stuck as long as that queue's pool is: take away who gets on until nothing changes.
  for (let before = -1; before !== full.length; ) {
    before = full.length;
    const queues = new Set(full.flatMap(({ pool }) => pool.queue ?? []));
    full = full.filter(each => each.workers.every(worker => stands(graph, each, worker, queues)));
  }
  return full.filter(({ workers, starvesItself }) => workers.length > 1 || starvesItself);
}

/** A pool all of whose workers are at work, and that starts no more. */
function fullPool(graph: WaitGraph, pool: Pool): StandingPool | undefined {
  const { size } = pool;
  const workers = pool.workers.flatMap(({ lwp }) => graph.threads.get(lwp) ?? []).toSorted((a, b) => a.lwp - b.lwp);
  // With room for more the next item of work starts another one.
  if (workers.length === 0 || (size !== undefined && workers.length < size)) return undefined;
  if (!pool.workers.every(({ busy }) => busy)) return undefined;
  const shared = sharedRoot(graph, workers);
  const starvesItself = isSelfStarved(graph, pool, workers);
  return { pool, workers, ...(shared !== undefined && !starvesItself && { shared }), starvesItself };
}

function sharedRoot(graph: WaitGraph, workers: readonly JudgedThread[]): JudgedThread | undefined {
  const ends = new Set(workers.map(({ lwp }) => endOf(graph, lwp)));
  const [end] = ends;
  return ends.size === 1 && end !== undefined ? graph.threads.get(end) : undefined;
}

function isSelfStarved(graph: WaitGraph, { queue, workers }: Pool, judged: readonly JudgedThread[]): boolean {
  const own = new Set(workers.map(({ lwp }) => lwp));
  return (
    queue !== undefined &&
    judged.every(({ lwp }) => {
      const end = endOf(graph, lwp);
      return end !== undefined && own.has(end) && graph.threads.get(end)?.waits?.queuedIn?.queue === queue;
    })
  );
}

/** Where a chain of waits ends; undefined for one that leads into a circle. */
function endOf({ edges }: WaitGraph, lwp: number): number | undefined {
  const seen = new Set<number>();
  let at = lwp;
  for (let edge = edges.get(at); edge !== undefined; edge = edges.get(at)) {
    if (seen.has(at)) return undefined;
    seen.add(at);
    at = edge.to;
  }
  return at;
}

/** Whether a worker cannot go on, while the pools of some queues stand. */
function stands(
  graph: WaitGraph,
  { shared }: StandingPool,
  worker: JudgedThread,
  queues: ReadonlySet<bigint>,
): boolean {
  if (worker === shared) return isStuck(worker, queues) || isBusy(graph, worker);
  if (!isStuck(worker, queues) && !isStarved(graph, worker)) return false;
  const lwp = endOf(graph, worker.lwp);
  const end = lwp === undefined ? undefined : graph.threads.get(lwp);
  return lwp === undefined || (end !== undefined && (isStuck(end, queues) || isBusy(graph, end)));
}

/** It waits, was not seen to go on, and nothing says that it will soon. */
function isStuck(thread: JudgedThread, queues: ReadonlySet<bigint>): boolean {
  const { waits } = thread;
  if (waits === undefined) return false;
  if (waits.queuedIn === undefined) return !isPassing(thread);
  // Memory shows that nobody will begin that work: whether it got there only now does not matter.
  return queues.has(waits.queuedIn.queue) && !endsSoon(thread);
}

/** It asks for the GIL again and again, and never gets it: workers that take turns use the CPU. */
function isStarved({ edges }: WaitGraph, { lwp, cpuPercent = 100 }: JudgedThread): boolean {
  return edges.get(lwp)?.kind === 'gil' && cpuPercent < starvedPercent;
}

const starvedPercent = 5;

function isBusy(graph: WaitGraph, wanted: JudgedThread): boolean {
  return busyThreads(graph).some(({ thread, confidence }) => thread === wanted && confidence !== 'suspected');
}
