import { weakest } from '../confidence.ts';
import type { Finding } from '../finding.ts';
import type { JudgedThread, Wait } from '../thread.ts';
import { hurriedVictimsOf, victimsOf, type WaitGraph } from '../wait-graph.ts';
import { holdsWantedLock } from './lock-wait.ts';
import {
  alikeThreads,
  enumerate,
  enumerateFirst,
  finding,
  isPassing,
  named,
  places,
  type Rule,
  rootOf,
  stops,
  type WaitingThread,
  waitEvidence,
  wantedEvidence,
} from './rule.ts';
import { isUninterruptible } from './uninterruptible.ts';

/**
 * Threads of the service, or such as it waits for, that wait without a limit for somebody outside; those that wait in one
 * function are one finding. A thread that moved between samples is served.
 */
export const blockingIo: Rule = graph =>
  alikeThreads([...graph.threads.values()].flatMap(thread => blocked(graph, thread))).map(group =>
    fromGroup(graph, group),
  );

function blocked(graph: WaitGraph, thread: JudgedThread): readonly WaitingThread[] {
  const { waits, moved } = thread;
  if (waits === undefined || isPassing(thread) || isUninterruptible(thread)) return [];
  if (!isOutside(graph, thread, waits)) return [];
  return [{ thread, waits, confidence: moved === false ? 'likely' : 'suspected' }];
}

/** A supervisor waits for child processes all its life, a request or who others need does not; with a lock it is a lock-wait. */
function isOutside(graph: WaitGraph, thread: JudgedThread, { kind, syscall }: Wait): boolean {
  const { lwp, role, python, request, moved } = thread;
  const isNeeded = () => hurriedVictimsOf(graph, [{ lwp }]).length > 0;
  switch (kind) {
    case 'io':
      return (role === 'application' && python.length > 0) || isNeeded();
    case 'child':
      return (request !== undefined || isNeeded()) && !holdsWantedLock(graph, lwp);
    case 'unknown':
      // A call that is not known to wait was perhaps only met; a futex is the business of threads.
      if (moved !== false || syscall === 'futex') return false;
      // What the kernel goes on with by this call has a limit (restart_syscall(2)).
      if (syscall === 'restart_syscall') return false;
      return (request !== undefined || isNeeded()) && !holdsWantedLock(graph, lwp);
    default:
      return false;
  }
}

function fromGroup(graph: WaitGraph, group: readonly WaitingThread[]): Finding {
  const members = group.map(({ thread }) => thread);
  const roots = members.map(rootOf);
  const waits = group.map(each => each.waits);
  const victims = victimsOf(graph, roots);
  return finding('blocking-io', {
    confidence: weakest(group.map(({ confidence }) => confidence)),
    summary: `${named(members)} ${group.length === 1 ? 'waits' : 'wait'} in ${places(roots)} for ${partner(waits)}${limit(waits)}${stops(victims, roots)}`,
    roots,
    victims,
    evidence: [...members.flatMap(waitEvidence), ...wantedEvidence(graph, members)],
    next: `${question(waits)}; ${isLimited(waits) ? `the call in ${roots[0]?.function} gives up by itself after that` : `give the call in ${roots[0]?.function} a timeout`}`,
  });
}

function question(waits: readonly Wait[]): string {
  if (waits.every(({ kind }) => kind === 'child')) {
    const pids = distinct(waits.map(({ pid }) => pid));
    return `look at what ${pids.length === 0 ? 'the child process' : `child process ${enumerateFirst(pids)}`} does`;
  }
  const calls = distinct(waits.map(({ syscall }) => syscall));
  if (calls.length > 0 && calls.every(call => locksFiles.has(call)))
    return 'see who holds the lock of that file (lslocks)';
  const peers = distinct(waits.map(({ peer }) => peer));
  const others = `${peers.length === 0 ? 'the other end' : enumerateFirst(peers)} ${peers.length > 1 ? 'do' : 'does'} not`;
  const isWriting = calls.length > 0 && calls.every(call => writes.has(call));
  return isWriting ? `see why ${others} read what is written` : `ask why ${others} answer`;
}

const locksFiles: ReadonlySet<string> = new Set(['flock', 'fcntl']);
const writes: ReadonlySet<string> = new Set(['write', 'writev', 'pwrite64', 'sendto', 'sendmsg', 'sendfile']);

function partner(waits: readonly Wait[]): string {
  const calls = distinct(waits.map(({ syscall }) => syscall));
  const fds = distinct(waits.map(({ fd }) => fd));
  const peers = distinct(waits.map(({ peer }) => peer));
  const pids = distinct(waits.map(({ pid }) => pid));
  const children =
    pids.length === 0 ? '' : ` of child ${pids.length === 1 ? 'process' : 'processes'} ${enumerateFirst(pids)}`;
  const through =
    fds.length === 0 ? '' : ` on ${fds.length === 1 ? 'descriptor' : 'descriptors'} ${enumerateFirst(fds)}`;
  const to = peers.length === 0 ? '' : `, ${peers.length === 1 ? 'peer' : 'peers'} ${enumerateFirst(peers)}`;
  return `${calls.length === 0 ? 'input or output' : enumerate(calls)}${children}${through}${to}`;
}

function isLimited(waits: readonly Wait[]): boolean {
  return waits.every(({ timeoutSeconds }) => timeoutSeconds !== undefined);
}

function limit(waits: readonly Wait[]): string {
  if (!isLimited(waits)) return ', without a limit';
  return `, for up to ${Math.max(...waits.map(({ timeoutSeconds = 0 }) => timeoutSeconds))} s`;
}

function distinct<T>(values: readonly (T | undefined)[]): readonly T[] {
  return [...new Set(values)].filter(value => value !== undefined);
}
