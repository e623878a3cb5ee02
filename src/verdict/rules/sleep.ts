import { strongest, weakest } from '../confidence.ts';
import type { Finding } from '../finding.ts';
import { blocksLoop } from '../task-graph.ts';
import type { Confidence, JudgedThread, Wait } from '../thread.ts';
import { hurriedVictimsOf, victimsOf, type WaitGraph } from '../wait-graph.ts';
import {
  alikeThreads,
  finding,
  named,
  patienceSeconds,
  places,
  type Rule,
  rootOf,
  stops,
  type WaitingThread,
  waitEvidence,
} from './rule.ts';

/** Threads of the service that sleep long; sooner where somebody waits for them. Those of one function are one finding. */
export const sleep: Rule = graph =>
  alikeThreads([...graph.threads.values()].flatMap(thread => sleeping(graph, thread))).map(group =>
    fromGroup(graph, group),
  );

function sleeping(graph: WaitGraph, thread: JudgedThread): readonly WaitingThread[] {
  const { waits, role } = thread;
  if (waits?.kind !== 'sleep') return [];
  const need = needOf(graph, thread);
  if ((role !== 'application' && need === undefined) || !isLong(thread, waits, need !== undefined)) return [];
  // Nobody waits for it, as far as is known: it may well sleep on purpose.
  const wanted = need ?? 'suspected';
  return [{ thread, waits, confidence: waits.timeoutSeconds === undefined ? weakest(['likely', wanted]) : wanted }];
}

/** How sure it is that somebody with work to do waits for a thread; undefined: nobody does. */
function needOf(graph: WaitGraph, { lwp, request }: JudgedThread): Confidence | undefined {
  if (request !== undefined) return 'proven';
  const hurried = new Set(hurriedVictimsOf(graph, [{ lwp }]));
  // A coroutine that sleeps by itself, and does not await it, keeps all others from their turn.
  if (hurried.size === 0) return blocksLoop(graph.tasks, lwp) ? 'likely' : undefined;
  const into = graph.edgesInto.get(lwp) ?? [];
  return strongest(into.filter(({ from }) => hurried.has(from)).map(({ confidence }) => confidence));
}

function fromGroup(graph: WaitGraph, group: readonly WaitingThread[]): Finding {
  const members = group.map(({ thread }) => thread);
  const roots = members.map(rootOf);
  const victims = victimsOf(graph, roots);
  return finding('sleep', {
    confidence: weakest(group.map(({ confidence }) => confidence)),
    summary: `${named(members)} ${group.length === 1 ? 'sleeps' : 'sleep'}${lengthOf(group)} in ${places(roots)}${stops(victims, roots)}`,
    roots,
    victims,
    evidence: members.flatMap(waitEvidence),
    next: `do not sleep in ${roots[0]?.function}${victims.length === 0 ? '' : ` while others wait for ${members.some(({ gil }) => gil === 'holds') ? 'the GIL, which its call of C keeps' : 'what it holds'}`}`,
  });
}

function lengthOf(group: readonly WaitingThread[]): string {
  const lengths = group.flatMap(({ waits: { timeoutSeconds } }) =>
    timeoutSeconds === undefined ? [] : [timeoutSeconds],
  );
  if (lengths.length === 0) return '';
  const longest = Number(Math.max(...lengths).toPrecision(4));
  return ` for ${new Set(lengths).size === 1 && lengths.length === group.length ? '' : 'up to '}${longest} s`;
}

const awaitedSeconds = 5;

function isLong({ moved }: JudgedThread, { timeoutSeconds }: Wait, isAwaited: boolean): boolean {
  if (timeoutSeconds !== undefined) return timeoutSeconds >= (isAwaited ? awaitedSeconds : patienceSeconds);
  return isAwaited && moved === false;
}
