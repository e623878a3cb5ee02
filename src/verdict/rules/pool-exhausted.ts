import type { Evidence } from '../evidence.ts';
import type { Finding } from '../finding.ts';
import type { Confidence, JudgedThread } from '../thread.ts';
import { type Pool, victimsOf, type WaitGraph } from '../wait-graph.ts';
import { busyThreads } from './busy.ts';
import {
  alike,
  enumerate,
  evidenceOf,
  finding,
  isPassing,
  place,
  type Rule,
  rootOf,
  sampledEvidence,
  toldThreads,
} from './rule.ts';

/**
 * Every worker that a pool may have is stuck, so that no further work is begun. What they are stuck in is a finding of
 * its own; this one says what follows from it: that the pool stands, and what waits for it.
 */
export const poolExhausted: Rule = graph => (graph.process?.pools ?? []).flatMap(pool => exhausted(graph, pool));

function exhausted(graph: WaitGraph, pool: Pool): readonly Finding[] {
  const { size } = pool;
  const workers = pool.workers.flatMap(({ lwp }) => graph.threads.get(lwp) ?? []).toSorted((a, b) => a.lwp - b.lwp);
  // One worker is no pool; with room for more the next item of work starts another one.
  if (workers.length < 2 || (size !== undefined && workers.length < size)) return [];
  if (!pool.workers.every(({ busy }) => busy)) return [];
  const shared = sharedRoot(graph, workers);
  const stands = workers.every(thread => thread === shared || isStuck(thread) || isStarved(graph, thread));
  return stands && (shared === undefined || isStuck(shared) || isBusy(graph, shared))
    ? [fromPool(graph, pool, workers, shared)]
    : [];
}

/** The one thread that all workers wait for in the end, be it a worker itself; undefined: there are several, or a circle. */
function sharedRoot(graph: WaitGraph, workers: readonly JudgedThread[]): JudgedThread | undefined {
  const ends = new Set(workers.map(({ lwp }) => endOf(graph, lwp)));
  const [end] = ends;
  return ends.size === 1 && end !== undefined ? graph.threads.get(end) : undefined;
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

/** It waits, was not seen to go on, and nothing says that it will soon. */
function isStuck(thread: JudgedThread): boolean {
  return thread.waits !== undefined && !isPassing(thread);
}

/** It asks for the GIL again and again, and never gets it: workers that take turns use the CPU. */
function isStarved({ edges }: WaitGraph, { lwp, cpuPercent = 100 }: JudgedThread): boolean {
  return edges.get(lwp)?.kind === 'gil' && cpuPercent < starvedPercent;
}

const starvedPercent = 5;

function isBusy(graph: WaitGraph, wanted: JudgedThread): boolean {
  return busyThreads(graph).some(({ thread, confidence }) => thread === wanted && confidence !== 'suspected');
}

function fromPool(
  graph: WaitGraph,
  pool: Pool,
  workers: readonly JudgedThread[],
  shared: JudgedThread | undefined,
): Finding {
  const standing = alike(workers.map(rootOf), place).flatMap(([root, ...others]) =>
    root === undefined ? [] : [{ root, text: `${others.length + 1} in ${place(root)}` }],
  );
  const roots = shared === undefined ? standing.map(({ root }) => root) : [rootOf(shared)];
  const behind =
    shared === undefined
      ? `are stuck: ${enumerate(standing.map(({ text }) => text))}`
      : `are stuck behind thread ${shared.lwp}, in ${roots.map(place).join('')}`;
  return finding('pool-exhausted', {
    confidence: confidenceOf(graph, pool, workers),
    summary: `all ${workers.length} workers of the thread pool (${names[pool.kind]}) ${behind}${queued(pool)}`,
    roots,
    victims: victimsOf(graph, roots),
    evidence: [...pool.evidence, ...workers.slice(0, toldThreads).flatMap(workerEvidence)],
    next: `free its workers: see what ${enumerate([...new Set(roots.map(({ function: name }) => name))])} waits for, and give that wait a limit; more workers would only be stuck a little later`,
  });
}

const names = {
  executor: 'concurrent.futures',
  'thread-pool': 'multiprocessing.pool',
  mod_wsgi: 'mod_wsgi',
  uwsgi: 'uWSGI',
} as const satisfies Record<Pool['kind'], string>;

function queued({ waiting }: Pool): string {
  if (waiting === undefined || waiting === 0) return '';
  return `; ${waiting} ${waiting === 1 ? 'item' : 'items'} of work ${waiting === 1 ? 'waits' : 'wait'} for a worker`;
}

/**
 * Proven: the pool's size was read, each worker stood still while it was watched, and work waits that none of them takes,
 * or each of them serves a request. Elsewhere a program may have given each worker a task for life.
 */
function confidenceOf({ edges }: WaitGraph, { size, waiting = 0 }: Pool, workers: readonly JudgedThread[]): Confidence {
  // Without samples only a wait for a thread that memory names speaks against a moment's chance.
  if (workers.some(({ lwp, moved }) => moved === undefined && !edges.has(lwp))) return 'suspected';
  const stood = workers.every(({ lwp, moved }) => moved === false || edges.get(lwp)?.kind === 'gil');
  const isWanted = waiting > 0 || workers.every(({ request }) => request !== undefined);
  return size !== undefined && isWanted && stood ? 'proven' : 'likely';
}

function workerEvidence(thread: JudgedThread): readonly Evidence[] {
  const { waits } = thread;
  const how = waits === undefined ? 'computes' : `waits (${waits.kind})`;
  return [
    ...evidenceOf(thread, [{ text: `a worker of the pool, ${how} in ${place(rootOf(thread))}` }]),
    ...sampledEvidence(thread),
  ];
}
