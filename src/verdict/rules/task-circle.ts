import { weakest } from '../confidence.ts';
import type { Finding } from '../finding.ts';
import { type TaskEdge, type TaskGraph, taskCirclesOf, waitersOf } from '../task-graph.ts';
import { finding, places, type Rule, toldThreads } from './rule.ts';
import { edgeEvidence, isRun, namedOf, stopsTasks, taskRootOf } from './task-rule.ts';

/**
 * Tasks, or greenlets, that wait for each other in a circle, none of which gives up: one finding per circle, its members
 * are the roots. The threads that run them are free, and nobody will ever wake them.
 */
export const taskCircle: Rule = ({ tasks }) =>
  tasks === undefined ? [] : taskCirclesOf(tasks).flatMap(circle => fromCircle(tasks, circle));

function fromCircle(graph: TaskGraph, circle: readonly TaskEdge[]): readonly Finding[] {
  const members = circle.map(({ from }) => from);
  if (!members.every(isRun)) return [];
  const roots = members.map(taskRootOf);
  const waiting = waitersOf(graph, members);
  const isOfLocks = circle.every(({ isLock }) => isLock);
  const whom = roots.length === 1 ? (isOfLocks ? 'a lock that it holds itself' : 'itself') : whatOf(circle);
  return [
    finding('deadlock', {
      confidence: weakest(circle.map(({ confidence }) => confidence)),
      summary:
        roots.length === 1
          ? `${namedOf(members)} waits in ${places(roots)} for ${whom}${stopsTasks(waiting, 1)}`
          : `${namedOf(members)} wait for ${whom}: ${places(roots)}${stopsTasks(waiting, roots.length)}`,
      roots,
      victims: [],
      ...(waiting.length > 0 && { tasks: waiting.map(({ address }) => address) }),
      evidence: circle.slice(0, toldThreads).flatMap(edgeEvidence),
      next: nextFor(circle),
    }),
  ];
}

function whatOf(circle: readonly TaskEdge[]): string {
  if (circle.every(({ isLock }) => isLock)) return "each other's locks";
  return circle.some(({ isLock }) => isLock) ? "each other's locks and ends" : "each other's end";
}

function nextFor(circle: readonly TaskEdge[]): string {
  if (!circle.every(({ isLock }) => isLock))
    return 'do not await a task that needs what is held meanwhile, or that awaits this one';
  if (circle.length === 1) return 'release the lock before taking it again: locks of asyncio are not reentrant';
  const [first] = circle;
  const limit = first?.from.kind === 'greenlet' ? 'with a timeout' : 'within asyncio.wait_for';
  return `take these locks in the same order everywhere, or take the second ${limit}`;
}
