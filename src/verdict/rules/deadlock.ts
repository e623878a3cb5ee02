import { weakest } from '../confidence.ts';
import { formatAddress } from '../evidence.ts';
import type { Finding, Root } from '../finding.ts';
import type { PythonTask } from '../task-graph.ts';
import { cyclesOf, victimsOf, type WaitEdge, type WaitGraph } from '../wait-graph.ts';
import { isHeld } from '../wait-kinds.ts';
import { enumerate, evidenceOf, finding, place, type Rule, rootOf, stops } from './rule.ts';
import { adviceForHolder, holderOf, nameOf } from './task-rule.ts';

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
  const victims = victimsOf(graph, roots);
  const holders = holdersOf(graph, cycle);
  return finding('deadlock', {
    confidence: weakest(cycle.map(({ confidence }) => confidence)),
    summary: `${summaryOf(cycle, roots, holders)}${stops(victims, roots)}`,
    roots,
    victims,
    evidence: cycle.flatMap(edge => edgeEvidence(graph, edge)),
    next: nextFor(cycle, roots, holders),
  });
}

/** Suspended tasks that hold what a member of the circle waits for. */
function holdersOf(graph: WaitGraph, cycle: readonly WaitEdge[]): readonly PythonTask[] {
  return cycle.flatMap(({ from }) => {
    const waiter = graph.threads.get(from);
    return (waiter && holderOf(graph, waiter)) ?? [];
  });
}

function summaryOf(cycle: readonly WaitEdge[], roots: readonly Root[], holders: readonly PythonTask[]): string {
  const [first] = roots;
  const [holder] = holders;
  if (roots.length === 1 && first !== undefined && holder !== undefined)
    return `thread ${first.lwp} waits in ${place(first)} for a lock that ${nameOf(holder)} holds, which ${holder.lwp === first.lwp ? 'only this thread can run' : 'waits for the work of this very thread'}`;
  const members = circleOf(cycle, roots);
  return holders.length === 0
    ? members
    : `${members}; ${enumerate(holders.map(nameOf))} ${holders.length === 1 ? 'holds one' : 'hold some'} of these`;
}

function circleOf(cycle: readonly WaitEdge[], roots: readonly Root[]): string {
  const [first] = roots;
  if (roots.length === 1 && first !== undefined)
    return `thread ${first.lwp} waits in ${place(first)} for ${isOfLocks(cycle) ? `a ${thingsOf(cycle, 'lock', 'permit')} that it holds itself` : 'work that it has to do itself'}`;
  const threads = `threads ${enumerate(roots.map(({ lwp }) => lwp))} wait for each other`;
  if (isOfLocks(cycle)) return `${threads}'s ${thingsOf(cycle, 'locks', 'permits')}: ${enumerate(roots.map(place))}`;
  const each = roots.map((root, index) => `${root.lwp} in ${place(root)} for ${purpose(cycle[index])}`);
  return `${threads}: ${enumerate(each)}`;
}

function nextFor(cycle: readonly WaitEdge[], roots: readonly Root[], [holder]: readonly PythonTask[]): string {
  if (holder !== undefined) return adviceForHolder(holder);
  // The function that waits for another thread without a lock.
  const open = roots[cycle.findIndex(({ kind }) => !isHeld(kind))];
  if (open !== undefined && roots.length === 1)
    return `do not wait in ${open.function} for what it has to bring itself`;
  if (open !== undefined)
    return `do not wait in ${open.function} for a thread that needs what is held there, or let the wait have a time limit`;
  const isOfPermits = cycle.every(({ kind }) => kind === 'semaphore');
  if (roots.length === 1)
    return isOfPermits
      ? 'do not take another permit of a semaphore inside its own with block'
      : 'release the lock before taking it again, or make it reentrant (threading.RLock)';
  return isOfPermits && new Set(cycle.map(({ address }) => address)).size === 1
    ? 'take all permits that a thread needs before its work, in one place, or take the second with a timeout'
    : 'take these locks in the same order everywhere, or take the second with a timeout';
}

/** Whether all of a circle wait for something that its next member holds and could give back. */
function isOfLocks(cycle: readonly WaitEdge[]): boolean {
  return cycle.every(({ kind }) => isHeld(kind));
}

/** What they hold: locks, permits of semaphores, or both. */
function thingsOf(cycle: readonly WaitEdge[], lock: string, permit: string): string {
  const permits = cycle.filter(({ kind }) => kind === 'semaphore').length;
  return permits === 0 ? lock : permits === cycle.length ? permit : `${lock} and ${permit}`;
}

/** What one thread wants of the next. */
function purpose(edge: WaitEdge | undefined): string {
  if (edge === undefined) return '';
  if (edge.kind === 'join') return `the end of thread ${edge.to}`;
  if (edge.kind === 'semaphore') return `the permit of thread ${edge.to}`;
  return `the ${isHeld(edge.kind) ? edge.kind : 'work'} of thread ${edge.to}`;
}

/** What shows that `from` waits, and that `to` holds what it waits for. */
function edgeEvidence(graph: WaitGraph, { from, to, kind, address }: WaitEdge): Finding['evidence'] {
  const waiter = graph.threads.get(from);
  const owner = graph.threads.get(to);
  if (waiter === undefined || owner === undefined) return [];
  const holder = holderOf(graph, waiter);
  const held = owner.holds.filter(hold => hold.address === address);
  const at = held[0]?.at;
  const what = address === undefined ? kind : `${kind} ${formatAddress(address)}`;
  const by = isHeld(kind)
    ? `, held by thread ${to}${at ? `, taken at ${at.file}:${at.line}` : ''}`
    : `, which ${kind === 'join' ? 'is the end' : 'is up to the work'} of thread ${to}`;
  return [
    // A wait for what a suspended task holds tells of that itself.
    { text: `thread ${from} waits for ${what}${holder === undefined ? by : ''}` },
    ...evidenceOf(waiter, waiter.waits?.evidence ?? []),
    ...evidenceOf(
      owner,
      // A wait for a semaphore tells of all who hold its permits.
      kind === 'semaphore' ? [] : held.flatMap(({ evidence }) => evidence),
    ),
  ];
}
