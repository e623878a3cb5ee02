import { formatAddress } from '../evidence.ts';
import type { Finding } from '../finding.ts';
import { cyclesOf, victimsOf, type WaitEdge, type WaitGraph, weakest } from '../wait-graph.ts';
import { enumerate, evidenceOf, finding, place, type Rule, rootOf, stops } from './rule.ts';

/** Threads that wait for each other in a circle: one finding per circle, its members are the roots. */
export const deadlock: Rule = graph =>
  cyclesOf(graph)
    .filter(cycle => cycle.every(edge => isEndless(graph, edge)))
    .map(cycle => fromCycle(graph, cycle));

/** A wait with a limit breaks the circle by itself; that for the GIL is asked again after each limit. */
function isEndless({ threads }: WaitGraph, { from, kind }: WaitEdge): boolean {
  return kind === 'gil' || threads.get(from)?.waits?.limited !== true;
}

function fromCycle(graph: WaitGraph, cycle: readonly WaitEdge[]): Finding {
  const members = cycle.flatMap(({ from }) => graph.threads.get(from) ?? []);
  const roots = members.map(rootOf);
  const victims = victimsOf(
    graph,
    cycle.map(({ from }) => from),
  );
  const [only] = roots;
  const summary =
    roots.length === 1 && only !== undefined
      ? `thread ${only.lwp} waits in ${place(only)} for a lock that it holds itself`
      : `threads ${enumerate(members.map(({ lwp }) => lwp))} wait for each other's locks: ${enumerate(roots.map(place))}`;
  return finding('deadlock', {
    confidence: weakest(cycle.map(({ confidence }) => confidence)),
    summary: `${summary}${stops(victims, 'them')}`,
    roots,
    victims,
    evidence: cycle.flatMap(edge => edgeEvidence(graph, edge)),
    next:
      roots.length === 1
        ? 'release the lock before taking it again, or make it reentrant (threading.RLock)'
        : 'take these locks in the same order everywhere, or take the second with a timeout',
  });
}

/** What shows that `from` waits, and that `to` holds what it waits for. */
function edgeEvidence({ threads }: WaitGraph, { from, to, kind, address }: WaitEdge): Finding['evidence'] {
  const waiter = threads.get(from);
  const owner = threads.get(to);
  if (waiter === undefined || owner === undefined) return [];
  const held = owner.holds.filter(hold => hold.address === address);
  const at = held[0]?.at;
  const what = address === undefined ? kind : `${kind} ${formatAddress(address)}`;
  return [
    { text: `thread ${from} waits for ${what}, held by thread ${to}${at ? `, taken at ${at.file}:${at.line}` : ''}` },
    ...evidenceOf(waiter, waiter.waits?.evidence ?? []),
    ...evidenceOf(
      owner,
      held.flatMap(({ evidence }) => evidence),
    ),
  ];
}
