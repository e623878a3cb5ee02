import { weakest } from '../confidence.ts';
import { formatAddress } from '../evidence.ts';
import type { Finding } from '../finding.ts';
import type { JudgedThread, Orphan, Wait } from '../thread.ts';
import { victimsOf, type WaitGraph } from '../wait-graph.ts';
import { alike, evidenceOf, finding, isPassing, named, place, places, type Rule, rootOf, stops } from './rule.ts';

/** Threads that wait for a lock whose owner does not exist: one finding per lock, those that wait are the roots. */
export const orphanedLock: Rule = graph => {
  const waiting = [...graph.threads.values()].flatMap(orphaned);
  return alike(waiting, ({ waits: { address = 0n } }) => formatAddress(address)).map(group => fromLock(graph, group));
};

interface Orphaned {
  readonly thread: JudgedThread;
  readonly waits: Wait;
  readonly orphan: Orphan;
}

function orphaned(thread: JudgedThread): readonly Orphaned[] {
  const { waits } = thread;
  return waits?.orphan === undefined || isPassing(thread) ? [] : [{ thread, waits, orphan: waits.orphan }];
}

function fromLock(graph: WaitGraph, group: readonly Orphaned[]): Finding {
  const waiting = group.map(({ thread }) => thread);
  const roots = waiting.map(rootOf);
  const victims = victimsOf(graph, roots);
  const [first] = group;
  if (first === undefined) throw new RangeError('a group has at least one thread');
  const { waits, orphan } = first;
  const lock = `${waits.kind} ${formatAddress(waits.address ?? 0n)}`;
  return finding('orphaned-lock', {
    confidence: weakest(group.flatMap(each => [each.waits.confidence, each.orphan.confidence])),
    summary: `${named(waiting)} ${group.length === 1 ? 'waits' : 'wait'} in ${places(roots)} for ${lock}, which nobody can release: ${fate(orphan)}${stops(victims, roots)}`,
    roots,
    victims,
    evidence: [...group.flatMap(({ thread, waits: { evidence } }) => evidenceOf(thread, evidence)), ...orphan.evidence],
    next: advice(orphan),
  });
}

function fate({ by, at }: Orphan): string {
  const taken = at === undefined ? '' : ` in ${place(at)}`;
  switch (by) {
    case 'forked':
      return `the thread that took it${taken} stayed behind when this process was forked`;
    case 'ended':
      return `the thread that took it${taken} has ended`;
    case 'gone':
      return `the thread that took it${taken} does not exist, as after a fork`;
    default:
      return by satisfies never;
  }
}

function advice({ by }: Orphan): string {
  return by === 'ended'
    ? 'release the lock before its thread ends: with `with lock:`, or in a finally'
    : 'fork before threads are started, or make the lock anew in the child: os.register_at_fork(after_in_child=…)';
}
