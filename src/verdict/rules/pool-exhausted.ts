import { awaited } from '../awaited.ts';
import { weakest } from '../confidence.ts';
import type { Evidence } from '../evidence.ts';
import type { Finding, Root } from '../finding.ts';
import type { Confidence, JudgedThread } from '../thread.ts';
import { type Pool, victimsOf, type WaitGraph } from '../wait-graph.ts';
import {
  alike,
  enumerate,
  enumerateFirst,
  evidenceOf,
  finding,
  place,
  type Rule,
  rootOf,
  sampledEvidence,
  toldThreads,
  waitEvidence,
} from './rule.ts';
import { type StandingPool, standingPools } from './standing-pools.ts';

/**
 * Every worker that a pool may have is stuck, so that no further work is begun. What they are stuck in is a finding of
 * its own; this one says what follows from it: that the pool stands, and what waits for it. Only where they wait for work
 * of their own pool it is the cause itself.
 */
export const poolExhausted: Rule = graph => standingPools(graph).map(standing => fromPool(graph, standing));

/** Whether a thread waits for the result of work that a pool will not begin, as such a finding says with more than suspicion. */
export function waitsBehindPool(graph: WaitGraph): (thread: JudgedThread) => boolean {
  const queues = new Set(
    standingPools(graph).flatMap(standing =>
      confidenceOf(graph, standing) === 'suspected' ? [] : (standing.pool.queue ?? []),
    ),
  );
  return ({ waits }) => waits?.queuedIn !== undefined && queues.has(waits.queuedIn.queue);
}

function fromPool(graph: WaitGraph, standing: StandingPool): Finding {
  const { pool, workers } = standing;
  const roots = rootsOf(standing);
  return finding('pool-exhausted', {
    confidence: confidenceOf(graph, standing),
    summary: `${workersOf(standing)} ${stateOf(standing)}${queued(pool)}`,
    roots,
    victims: victimsBehind(graph, pool, roots),
    evidence: [...pool.evidence, ...workers.slice(0, toldThreads).flatMap(worker => workerEvidence(standing, worker))],
    next: nextFor(standing, roots),
  });
}

/** The thread that all wait for, else all of them. */
function rootsOf({ workers, shared }: StandingPool): readonly Root[] {
  return shared === undefined ? workers.map(rootOf) : [rootOf(shared)];
}

function workersOf({ pool, workers }: StandingPool): string {
  const count = workers.length === 2 ? 'both' : `all ${workers.length}`;
  const who = workers.length === 1 ? 'the only worker' : `${count} workers`;
  return `${who} of the thread pool (${names[pool.kind]})`;
}

const names = {
  executor: 'concurrent.futures',
  'thread-pool': 'multiprocessing.pool',
  mod_wsgi: 'mod_wsgi',
  uwsgi: 'uWSGI',
} as const satisfies Record<Pool['kind'], string>;

function stateOf({ workers, shared, starvesItself }: StandingPool): string {
  const places = placesOf(workers).flatMap(([root, ...others]) =>
    root === undefined ? [] : [`${workers.length === 1 ? '' : `${others.length + 1} `}in ${place(root)}`],
  );
  if (starvesItself)
    return `${workers.length === 1 ? 'waits' : 'wait'} for work that is still in the pool's own queue: ${enumerate(places)}`;
  if (shared === undefined)
    return `are stuck, waiting for ${enumerateFirst(purposesOf(workers), shownPurposes)}: ${enumerate(places)}`;
  const { waits } = shared;
  const why = waits === undefined ? 'which uses the CPU all the time' : `which waits for ${awaited(waits)}`;
  const whom = workers.includes(shared) ? `one of them, thread ${shared.lwp}` : `thread ${shared.lwp}`;
  return `are stuck behind ${whom}, in ${place(rootOf(shared))}, ${why}`;
}

/** Where the workers stand, those of one place together. */
function placesOf(workers: readonly JudgedThread[]): readonly (readonly Root[])[] {
  return alike(workers.map(rootOf), place);
}

function purposesOf(workers: readonly JudgedThread[]): readonly string[] {
  return [...new Set(workers.flatMap(({ waits }) => (waits === undefined ? [] : [awaited(waits)])))];
}

const shownPurposes = 2;

function queued({ waiting }: Pool): string {
  if (waiting === undefined || waiting === 0) return '';
  return `; ${waiting} ${waiting === 1 ? 'item' : 'items'} of work ${waiting === 1 ? 'waits' : 'wait'} for a worker`;
}

/** Whoever waits for a root, or for work that the pool does not begin. */
function victimsBehind(graph: WaitGraph, { queue }: Pool, roots: readonly Root[]): readonly number[] {
  const standing = new Set(roots.map(({ lwp }) => lwp));
  const behind = [...graph.threads.values()].filter(
    ({ lwp, waits }) => !standing.has(lwp) && queue !== undefined && waits?.queuedIn?.queue === queue,
  );
  const waiting = victimsOf(graph, [...roots, ...behind]);
  return [...behind.map(({ lwp }) => lwp), ...waiting].toSorted((a, b) => a - b);
}

function confidenceOf(graph: WaitGraph, standing: StandingPool): Confidence {
  return standing.starvesItself ? ofSelfStarved(graph, standing) : ofStuck(graph, standing);
}

/** Proven: memory alone shows that nobody is left who could take that work, and that nobody stops to wait for it. */
function ofSelfStarved({ edges }: WaitGraph, { pool: { size }, workers }: StandingPool): Confidence {
  const confidences = workers.flatMap(({ lwp, waits }): readonly Confidence[] => [
    waits?.confidence ?? 'suspected',
    edges.get(lwp)?.confidence ?? waits?.queuedIn?.confidence ?? 'suspected',
    waits?.limited === true ? 'likely' : 'proven',
  ]);
  return weakest([size === undefined ? 'likely' : 'proven', ...confidences]);
}

/**
 * Proven: the pool's size was read, each worker stood still while it was watched, and work waits that none of them takes,
 * or each of them serves a request. Elsewhere a program may have given each worker a task for life.
 */
function ofStuck({ edges }: WaitGraph, { pool: { size, waiting = 0 }, workers }: StandingPool): Confidence {
  // Without samples only a wait for a thread that memory names speaks against a moment's chance.
  if (workers.some(({ lwp, moved }) => moved === undefined && !edges.has(lwp))) return 'suspected';
  const stood = workers.every(({ lwp, moved }) => moved === false || edges.get(lwp)?.kind === 'gil');
  const isWanted = waiting > 0 || workers.every(({ request }) => request !== undefined);
  return size !== undefined && isWanted && stood ? 'proven' : 'likely';
}

function workerEvidence({ starvesItself }: StandingPool, thread: JudgedThread): readonly Evidence[] {
  const { waits } = thread;
  const how = waits === undefined ? 'computes' : `waits (${waits.kind})`;
  return [
    ...evidenceOf(thread, [{ text: `a worker of the pool, ${how} in ${place(rootOf(thread))}` }]),
    ...(starvesItself ? waitEvidence(thread) : sampledEvidence(thread)),
  ];
}

function nextFor({ starvesItself }: StandingPool, roots: readonly Root[]): string {
  const functions = enumerate([...new Set(roots.map(({ function: name }) => name))]);
  return starvesItself
    ? `do not wait in ${functions} for work of the pool that runs it: do that work in place, or give it to a pool of its own; more workers only make it rarer`
    : `free its workers: see what ${functions} waits for, and give that wait a limit; more workers would only be stuck a little later`;
}
