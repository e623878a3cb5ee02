import type { Finding } from '../finding.ts';
import type { Confidence, JudgedThread, Wait } from '../thread.ts';
import { victimsOf, type WaitGraph, weakest } from '../wait-graph.ts';
import {
  alikeThreads,
  enumerate,
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
import { isUninterruptible } from './uninterruptible.ts';

/**
 * Threads of the service that wait, without a limit, for somebody outside; those that wait in one function are one
 * finding. A thread that moved between samples is served.
 */
export const blockingIo: Rule = graph =>
  alikeThreads([...graph.threads.values()].flatMap(thread => blocked(graph, thread))).map(group =>
    fromGroup(graph, group),
  );

interface Blocked {
  readonly thread: JudgedThread;
  readonly waits: Wait;
  readonly confidence: Confidence;
}

function blocked(graph: WaitGraph, thread: JudgedThread): readonly Blocked[] {
  const { waits } = thread;
  if (waits === undefined || !isOutside(graph, thread, waits) || !isStuck(thread, waits)) return [];
  return [{ thread, waits, confidence: thread.moved === false ? 'likely' : 'suspected' }];
}

function fromGroup(graph: WaitGraph, group: readonly Blocked[]): Finding {
  const roots = group.map(({ thread }) => rootOf(thread));
  const waits = group.map(each => each.waits);
  const lwps = group.map(({ thread }) => thread.lwp);
  const victims = victimsOf(graph, lwps);
  const peers = distinct(waits.map(({ peer }) => peer));
  return finding('blocking-io', {
    confidence: weakest(group.map(({ confidence }) => confidence)),
    summary: `${named(group.map(({ thread }) => thread))} ${group.length === 1 ? 'waits' : 'wait'} in ${places(roots)} for ${partner(waits)}${limit(waits)}${stops(victims, group.length === 1 ? 'it' : 'them')}`,
    roots,
    victims,
    evidence: group.flatMap(({ thread, waits: { evidence } }) => [
      ...evidenceOf(thread, evidence),
      ...heldGilEvidence(thread),
      ...sampledEvidence(thread),
    ]),
    next: `ask why ${peers.length === 0 ? 'the other end' : short(peers)} ${peers.length > 1 ? 'do' : 'does'} not answer; give the call in ${roots[0]?.function} a timeout`,
  });
}

/** A supervisor waits for child processes all its life; a request that does so hangs. With a lock it is a lock-wait. */
function isOutside(graph: WaitGraph, { lwp, request }: JudgedThread, { kind }: Wait): boolean {
  if (kind === 'io') return true;
  return kind === 'child' && request !== undefined && victimsOf(graph, [lwp]).length === 0;
}

function isStuck(thread: JudgedThread, { timeoutSeconds, limited }: Wait): boolean {
  const { role, moved, python } = thread;
  if (role !== 'application' || python.length === 0 || moved === true || isUninterruptible(thread)) return false;
  return limited !== true || (timeoutSeconds ?? 0) >= patienceSeconds;
}

function partner(waits: readonly Wait[]): string {
  const calls = distinct(waits.map(({ syscall }) => syscall));
  const fds = distinct(waits.map(({ fd }) => fd));
  const peers = distinct(waits.map(({ peer }) => peer));
  const pids = distinct(waits.map(({ pid }) => pid));
  const children = pids.length === 0 ? '' : ` of child process ${short(pids)}`;
  const through = fds.length === 0 ? '' : ` on ${fds.length === 1 ? 'descriptor' : 'descriptors'} ${short(fds)}`;
  const to = peers.length === 0 ? '' : `, ${peers.length === 1 ? 'peer' : 'peers'} ${short(peers)}`;
  return `${calls.length === 0 ? 'input or output' : enumerate(calls)}${children}${through}${to}`;
}

function limit(waits: readonly Wait[]): string {
  if (waits.some(({ timeoutSeconds }) => timeoutSeconds === undefined)) return ', without a limit';
  return `, for up to ${Math.max(...waits.map(({ timeoutSeconds = 0 }) => timeoutSeconds))} s`;
}

function distinct<T>(values: readonly (T | undefined)[]): readonly T[] {
  return [...new Set(values)].filter(value => value !== undefined);
}

const shown = 3;

/** `a, b, c and 5 more` */
function short(items: readonly (string | number)[]): string {
  return items.length <= shown
    ? enumerate(items)
    : enumerate([...items.slice(0, shown), `${items.length - shown} more`]);
}
