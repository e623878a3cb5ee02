import type { Finding } from '../finding.ts';
import type { Confidence, JudgedThread, Wait } from '../thread.ts';
import { hurriedVictimsOf, victimsOf, type WaitGraph, weakest } from '../wait-graph.ts';
import {
  alikeThreads,
  evidenceOf,
  finding,
  heldGilEvidence,
  named,
  patienceSeconds,
  places,
  type Rule,
  rootOf,
  sampledEvidence,
  stops,
} from './rule.ts';

/** Threads of the service that sleep long; sooner where somebody waits for them. Those of one function are one finding. */
export const sleep: Rule = graph =>
  alikeThreads([...graph.threads.values()].flatMap(thread => sleeping(graph, thread))).map(group =>
    fromGroup(graph, group),
  );

interface Sleeping {
  readonly thread: JudgedThread;
  readonly waits: Wait;
  readonly confidence: Confidence;
}

function sleeping(graph: WaitGraph, thread: JudgedThread): readonly Sleeping[] {
  const { waits, role } = thread;
  if (waits?.kind !== 'sleep' || role !== 'application') return [];
  const isAwaited = hurriedVictimsOf(graph, [thread.lwp]).length > 0 || thread.request !== undefined;
  if (!isLong(thread, waits, isAwaited)) return [];
  // Nobody waits for it, as far as is known: it may well sleep on purpose.
  const confidence = !isAwaited ? 'suspected' : waits.timeoutSeconds === undefined ? 'likely' : 'proven';
  return [{ thread, waits, confidence }];
}

function fromGroup(graph: WaitGraph, group: readonly Sleeping[]): Finding {
  const roots = group.map(({ thread }) => rootOf(thread));
  const victims = victimsOf(
    graph,
    roots.map(({ lwp }) => lwp),
  );
  const one = group.length === 1;
  return finding('sleep', {
    confidence: weakest(group.map(({ confidence }) => confidence)),
    summary: `${named(group.map(({ thread }) => thread))} ${one ? 'sleeps' : 'sleep'}${lengthOf(group)} in ${places(roots)}${stops(victims, one ? 'it' : 'them')}`,
    roots,
    victims,
    evidence: group.flatMap(({ thread, waits: { evidence } }) => [
      ...evidenceOf(thread, evidence),
      ...heldGilEvidence(thread),
      ...sampledEvidence(thread),
    ]),
    next: `do not sleep in ${roots[0]?.function}${victims.length === 0 ? '' : ` while others wait for ${group.some(({ thread }) => thread.gil === 'holds') ? 'the GIL, which its call of C keeps' : 'what it holds'}`}`,
  });
}

function lengthOf(group: readonly Sleeping[]): string {
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
