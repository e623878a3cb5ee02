import { weakest } from '../confidence.ts';
import type { Finding } from '../finding.ts';
import { blocksLoop } from '../task-graph.ts';
import type { Confidence, JudgedThread } from '../thread.ts';
import { cyclesOf, victimsOf, type WaitGraph } from '../wait-graph.ts';
import { isLock, isNotification } from '../wait-kinds.ts';
import { waitsBehindPool } from './pool-exhausted.ts';
import {
  alike,
  enumerate,
  evidenceOf,
  finding,
  isPassing,
  named,
  places,
  type Rule,
  rootOf,
  stops,
  toldThreads,
  waitEvidence,
} from './rule.ts';

/**
 * Threads that wait for a notification that does not come: a condition, an event, a semaphore, a queue, the end of a
 * thread. Proven where nobody in the process is left who could act; likely where somebody needs the thread that waits.
 * A worker without work waits likewise, and is no finding; what waits for a pool that stands is told with that pool.
 */
export const waitNotify: Rule = graph => {
  const left = nobodyLeft(graph);
  return left === undefined ? needed(graph) : [fromNobody(graph, left)];
};

/**
 * The ends of all chains of waits, where every thread of the process sleeps without a limit until another thread of the
 * process acts. Undefined where one can go on, where something outside can wake one, and where a lock is the cause.
 */
function nobodyLeft(graph: WaitGraph): readonly JudgedThread[] | undefined {
  const all = [...graph.threads.values()];
  if (!all.every(isAsleep) || cyclesOf(graph).length > 0) return undefined;
  // A service that sleeps until a signal comes does so as well.
  if ((handledSignals(graph) ?? []).length > 0) return undefined;
  const ends = all.filter(({ lwp, python }) => python.length > 0 && !graph.edges.has(lwp));
  const isOpen = ends.length > 0 && ends.every(({ waits }) => waits !== undefined && isNotification(waits.kind));
  return isOpen && !ends.every(waitsBehindPool(graph)) ? ends : undefined;
}

/** Signals that only the program itself can have a handler for; undefined where /proc was not asked. */
function handledSignals({ process }: WaitGraph): readonly number[] | undefined {
  return process?.caughtSignals?.filter(signal => !othersSignals.has(signal));
}

/** SIGINT is caught by every Python, faults by faulthandler, 32 and 33 by glibc (nptl, SIGCANCEL and SIGSETXID). */
const othersSignals: ReadonlySet<number> = new Set([2, 4, 6, 7, 8, 11, 32, 33]);

function othersText({ threads }: WaitGraph): string {
  return `each of the ${threads.size} threads of the process waits until another one acts`;
}

function handlerText(graph: WaitGraph): string {
  return handledSignals(graph) === undefined
    ? 'only a signal handler could act, and a core alone does not say whether there is one'
    : 'only a signal handler could act, and there is none (SigCgt)';
}

function isAsleep({ waits, python, role }: JudgedThread): boolean {
  if (waits === undefined || waits.limited === true || waits.shared === true) return false;
  // A thread of C code, such as a worker of a numeric library: only another thread wakes it.
  if (python.length === 0) return role === 'runtime' && waits.syscall === 'futex';
  return waits.confidence === 'proven' && (isNotification(waits.kind) || isLock(waits.kind));
}

function fromNobody(graph: WaitGraph, ends: readonly JudgedThread[]): Finding {
  const roots = ends.map(rootOf);
  const victims = victimsOf(graph, roots);
  const isAlone = graph.threads.size === 1;
  const others = victims.flatMap(lwp => graph.threads.get(lwp) ?? []);
  return finding('wait-notify', {
    confidence: handledSignals(graph) === undefined ? 'suspected' : 'proven',
    summary: `${waitText(ends)}, and ${isAlone ? 'it is the only thread of the process' : 'no thread of the process is left that could act: each of them waits for another one without a limit'}${stops(victims, roots)}`,
    roots,
    victims,
    evidence: [
      ...[...ends, ...others].slice(0, toldThreads).flatMap(waitEvidence),
      { text: `${isAlone ? 'the process has no other thread' : othersText(graph)}: ${handlerText(graph)}` },
    ],
    next: nextFor(ends),
  });
}

/** Threads that stand in a wait while others need them; those that wait for one object are one finding. */
function needed(graph: WaitGraph): readonly Finding[] {
  const isBehindPool = waitsBehindPool(graph);
  const stuck = [...graph.threads.values()].flatMap(thread => {
    const need = isStuck(graph, thread) && !isBehindPool(thread) ? needOf(graph, thread) : undefined;
    return need === undefined ? [] : [{ thread, ...need }];
  });
  const groups = alike(stuck, ({ thread, confidence, isLocked }) => {
    const { waits } = thread;
    return [waits?.kind, waits?.address ?? rootOf(thread).function, confidence, isLocked].join(' ');
  });
  return groups.map(group => fromNeeded(graph, group));
}

function isStuck({ edges }: WaitGraph, thread: JudgedThread): boolean {
  const { lwp, waits } = thread;
  if (waits === undefined || !isNotification(waits.kind) || edges.has(lwp) || isPassing(thread)) return false;
  // A limit that was waited out, and a notification on its way, end it.
  return waits.confidence !== 'suspected';
}

interface Need {
  readonly confidence: Confidence;
  /** It holds a lock that others want. */
  readonly isLocked: boolean;
}

/** Who needs a thread that waits: those that want a lock of it, a request, nobody. A thread that is only joined may idle. */
function needOf(graph: WaitGraph, { lwp, waits, moved, request }: JudgedThread): Need | undefined {
  const into = (graph.edgesInto.get(lwp) ?? []).filter(({ kind }) => isLock(kind));
  if (into.length > 0)
    return { confidence: weakest(['likely', ...into.map(({ confidence }) => confidence)]), isLocked: true };
  // The thread that had to end is not there: the wait proves itself.
  if (waits?.ownerAbsent === true) return { confidence: waits.confidence, isLocked: false };
  const serves =
    request !== undefined ||
    blocksLoop(graph.tasks, lwp) ||
    victimsOf(graph, [{ lwp }]).some(victim => {
      const waiter = graph.threads.get(victim);
      return waiter?.request !== undefined || isWanted(graph, victim);
    });
  return serves ? { confidence: moved === false ? 'likely' : 'suspected', isLocked: false } : undefined;
}

/** Whether others want a lock that it holds. */
function isWanted({ edgesInto }: WaitGraph, lwp: number): boolean {
  return edgesInto.get(lwp)?.some(({ kind }) => isLock(kind)) === true;
}

function fromNeeded(graph: WaitGraph, group: readonly ({ readonly thread: JudgedThread } & Need)[]): Finding {
  const members = group.map(({ thread }) => thread);
  const roots = members.map(rootOf);
  const victims = victimsOf(graph, roots);
  const isLocked = group.some(need => need.isLocked);
  const into = members.flatMap(({ lwp }) => graph.edgesInto.get(lwp) ?? []);
  return finding('wait-notify', {
    confidence: weakest(group.map(({ confidence }) => confidence)),
    summary: `${waitText(members)}${isLocked ? ` while ${members.length === 1 ? 'it holds a lock' : 'they hold locks'}` : ''}${insideText(members)}${stops(victims, roots)}`,
    roots,
    victims,
    evidence: [
      ...into.slice(0, toldThreads).flatMap(({ from }) => waitEvidence(graph.threads.get(from))),
      ...members
        .slice(0, toldThreads)
        .flatMap(member => [
          ...evidenceOf(member, isLocked ? member.holds.flatMap(({ evidence }) => evidence) : []),
          ...waitEvidence(member),
        ]),
    ],
    next: isLocked ? `do not wait in ${roots[0]?.function} while others need the lock that it holds` : nextFor(members),
  });
}

/** `thread 7 waits in work (shop.py:9) (queue)` */
function waitText(members: readonly JudgedThread[]): string {
  const kinds = [...new Set(members.map(({ waits }) => waits?.kind ?? 'unknown'))];
  const isAbsent = members.some(({ waits }) => waits?.ownerAbsent === true);
  const what = isAbsent ? ' for the end of a thread that does not exist' : '';
  return `${named(members)} ${members.length === 1 ? 'waits' : 'wait'} in ${places(members.map(rootOf))} (${kinds.join(', ')})${what}`;
}

/** Who has permits of a semaphore of which others went another way: they may be the ones who keep it. */
function insideText(members: readonly JudgedThread[]): string {
  const holders = [...new Set(members.flatMap(({ waits }) => waits?.holders ?? []))].toSorted((a, b) => a - b);
  if (holders.length === 0) return '';
  const who =
    holders.length > shownHolders
      ? `${holders.length} threads`
      : `${holders.length === 1 ? 'thread' : 'threads'} ${enumerate(holders)}`;
  return `; ${who} ${holders.length === 1 ? 'is' : 'are'} inside a with block of that semaphore`;
}

const shownHolders = 3;

/** By what the first of them waits for. */
function nextFor([first]: readonly JudgedThread[]): string {
  switch (first?.waits?.kind) {
    case 'event':
      return 'look for who should set this event, and whether it failed before; let the wait have a time limit';
    case 'semaphore':
      return 'look for who has its permits: threads at work, as another finding may tell, or who did not release it after an exception; `with` does, and is told by name';
    case 'queue':
      return 'look for who should put into or take from this queue, and whether it ended; let the call have a time limit';
    case 'join':
      return first.waits.ownerAbsent === true
        ? 'do not join a thread that another process had: start threads after the fork'
        : 'look for why the thread that is joined does not end; let the join have a time limit';
    default:
      return 'look for who should notify this condition, and whether it ended; let the wait have a time limit';
  }
}
