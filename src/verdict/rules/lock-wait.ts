import { formatAddress } from '../evidence.ts';
import type { Finding } from '../finding.ts';
import type { JudgedThread, WaitKind } from '../thread.ts';
import { victimsOf, type WaitGraph, weakest } from '../wait-graph.ts';
import {
  enumerate,
  evidenceOf,
  finding,
  patienceSeconds,
  place,
  type Rule,
  rootOf,
  sampledEvidence,
  stops,
  threads,
} from './rule.ts';
import { isUninterruptible } from './uninterruptible.ts';

/** Threads stuck behind a lock whose owner memory does not name, or whose owner waits for something that may never come. */
export const lockWait: Rule = graph => [...behindIdleOwner(graph), ...behindUnknownOwner(graph)];

const locks: ReadonlySet<WaitKind> = new Set<WaitKind>([
  'python-lock',
  'python-rlock',
  'import-lock',
  'mp-lock',
  'pthread-mutex',
]);

/** Waits that have no rule of their own. */
const openEnds: ReadonlySet<WaitKind> = new Set<WaitKind>(['child', 'unknown']);

function behindIdleOwner(graph: WaitGraph): readonly Finding[] {
  const owners = new Set([...graph.edges.values()].filter(({ kind }) => locks.has(kind)).map(({ to }) => to));
  return [...owners].flatMap(lwp => {
    const owner = graph.threads.get(lwp);
    if (owner?.waits === undefined || graph.edges.has(lwp) || !openEnds.has(owner.waits.kind) || isPassing(owner))
      return [];
    if (isUninterruptible(owner)) return [];
    const root = rootOf(owner);
    const victims = victimsOf(graph, [lwp]);
    // Workers of a server take turns to accept.
    if (victims.every(each => graph.threads.get(each)?.role === 'idle')) return [];
    const into = [...graph.edges.values()].filter(({ to }) => to === lwp);
    return [
      finding('lock-wait', {
        confidence: weakest(['likely', ...into.map(({ confidence }) => confidence)]),
        summary: `thread ${lwp} waits in ${place(root)} (${owner.waits.kind}) while it holds a lock${stops(victims)}`,
        roots: [root],
        victims,
        evidence: [
          ...into.flatMap(({ from }) => waitEvidence(graph.threads.get(from))),
          ...evidenceOf(
            owner,
            owner.holds.flatMap(({ evidence }) => evidence),
          ),
          ...waitEvidence(owner),
        ],
        next: `do not wait in ${root.function} while others need the lock that it holds`,
      }),
    ];
  });
}

function behindUnknownOwner(graph: WaitGraph): readonly Finding[] {
  const byLock = new Map<string, JudgedThread[]>();
  for (const thread of graph.threads.values()) {
    const { waits, lwp } = thread;
    if (waits?.address === undefined || !locks.has(waits.kind) || graph.edges.has(lwp) || isPassing(thread)) continue;
    if (waits.orphan !== undefined || thread.role === 'idle') continue;
    const key = formatAddress(waits.address);
    byLock.set(key, [...(byLock.get(key) ?? []), thread]);
  }
  return [...byLock].map(([address, waiters]) => {
    const roots = waiters.map(rootOf);
    const victims = victimsOf(
      graph,
      waiters.map(({ lwp }) => lwp),
    );
    const kind = waiters[0]?.waits?.kind ?? 'unknown';
    const isElsewhere = waiters[0]?.waits?.heldElsewhere === true;
    return finding('lock-wait', {
      confidence: waiters.every(({ moved }) => moved === false) ? 'likely' : 'suspected',
      summary: `${threads(waiters.length)} ${waiters.length === 1 ? 'waits' : 'wait'} for ${kind} ${address} in ${enumerate([...new Set(roots.map(place))])}; ${isElsewhere ? 'another process holds it' : 'memory does not say who holds it'}${stops(victims, 'them')}`,
      roots,
      victims,
      evidence: waiters.flatMap(waitEvidence),
      next: isElsewhere
        ? 'look at the processes that share this lock, also for one that ended while it held it'
        : 'look for who takes this lock with a bare acquire(); `with lock:` would name the holder',
    });
  });
}

/** It moves on by itself, or did so while it was watched. */
export function isPassing({ waits, moved }: JudgedThread): boolean {
  return moved === true || (waits?.limited === true && (waits.timeoutSeconds ?? 0) < patienceSeconds);
}

function waitEvidence(thread: JudgedThread | undefined): Finding['evidence'] {
  return thread?.waits === undefined ? [] : [...evidenceOf(thread, thread.waits.evidence), ...sampledEvidence(thread)];
}
