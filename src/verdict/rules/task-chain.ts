import { weakest } from '../confidence.ts';
import { formatAddress } from '../evidence.ts';
import type { Finding, FindingClass } from '../finding.ts';
import { isLoopFree } from '../free-loops.ts';
import { evidenceOfTask } from '../task-evidence.ts';
import {
  limitsOf,
  type PythonTask,
  type TaskEdge,
  type TaskGraph,
  type TaskWait,
  type TaskWaitKind,
  waitersOf,
} from '../task-graph.ts';
import type { Confidence, JudgedThread } from '../thread.ts';
import { victimsOf, type WaitGraph } from '../wait-graph.ts';
import {
  alike,
  enumerate,
  enumerateFirst,
  finding,
  patienceSeconds,
  places,
  type Rule,
  sampledEvidence,
  toldThreads,
  waitEvidence,
} from './rule.ts';
import {
  adviceForHolder,
  counted,
  edgeEvidence,
  holderOf,
  isRequest,
  isRun,
  namedOf,
  nameOf,
  nounOf,
  type RunTask,
  stopsTasks,
  taskRootOf,
  threadOf,
  threadsBehind,
} from './task-rule.ts';

/**
 * Tasks, or greenlets, at the end of a chain: others that have something to do wait for them, and they wait for somebody
 * outside, sleep, or want a lock of which nobody knows who has it. A task that waits for work waits likewise: one is a
 * cause only where a web request waits for it, or a lock that it has is wanted by other code than its own.
 */
export const taskChain: Rule = graph => {
  const { tasks } = graph;
  if (tasks === undefined) return [];
  const limitOf = limitsOf(tasks);
  const ends = [...tasks.tasks.values()].filter(isRun).flatMap(task => endOf(graph, tasks, task, limitOf(task)));
  return alike(ends, kindOfEnd).flatMap(group => fromEnds(graph, tasks, group));
};

/** A task that waits for no other one. */
interface ChainEnd {
  readonly task: RunTask;
  readonly waits: TaskWait;
  /** When it gives up; Infinity: never. */
  readonly limitSeconds: number;
}

function endOf(graph: WaitGraph, tasks: TaskGraph, task: RunTask, limitSeconds: number): readonly ChainEnd[] {
  const { waits, state, address } = task;
  if (waits === undefined || state !== 'waiting' || tasks.edges.has(address) || !endKinds.has(waits.kind)) return [];
  // Most tasks of a server wait for work, and nobody waits for them.
  if (!tasks.edgesInto.has(address) && !needsNobody.has(waits.kind) && threadsBehind(graph, [task]).length === 0)
    return [];
  const isLong = waits.kind === 'sleep' ? limitSeconds >= awaitedSeconds : limitSeconds >= patienceSeconds;
  return isLong && isFree(graph, tasks, task) ? [{ task, waits, limitSeconds }] : [];
}

/** Who holds what others want should not sleep for so long. */
const awaitedSeconds = 5;

const endKinds: ReadonlySet<TaskWaitKind> = new Set([
  'io',
  'sleep',
  'lock',
  'semaphore',
  'condition',
  'event',
  'queue',
  'future',
]);

/** Waits that may be a cause although no task waits for the one that is in them. */
const needsNobody: ReadonlySet<TaskWaitKind> = new Set(['io', 'lock', 'semaphore']);

/** Whether nothing but the wait itself keeps a task: a loop that is blocked is a cause of its own. */
function isFree(graph: WaitGraph, { loops }: TaskGraph, task: RunTask): boolean {
  const thread = threadOf(graph, task);
  return thread !== undefined && isLoopFree(thread, loops.get(task.lwp));
}

/** Those that stand in one function for one peer, or for one lock, are one cause. */
function kindOfEnd({ task, waits }: ChainEnd): string {
  if (waits.kind === 'lock' || waits.kind === 'semaphore') return `${waits.kind} ${waits.address} ${task.lwp}`;
  const { function: name, file } = taskRootOf(task);
  return [waits.kind, task.lwp, name, file, waits.peer].join(' ');
}

function fromEnds(graph: WaitGraph, tasks: TaskGraph, group: readonly ChainEnd[]): readonly Finding[] {
  const waiting = waitersOf(tasks, members(group));
  const behind = threadsBehind(graph, [...members(group), ...waiting]);
  const need = behind.length > 0 ? needOfThreads(group, behind) : needOf(tasks, group, waiting);
  const confidence = need && sureness(graph, group, { waiting, behind }, need);
  return confidence === undefined ? [] : [toldOf(graph, tasks, group, { waiting, behind, confidence })];
}

function members(group: readonly ChainEnd[]): readonly RunTask[] {
  return group.map(({ task }) => task);
}

/** Threads want a lock: no thread waits for one because it has nothing to do. */
function needOfThreads(group: readonly ChainEnd[], behind: readonly JudgedThread[]): Confidence {
  const sure = behind.flatMap(({ waits }) => (waits ? [waits.confidence, waits.ownerConfidence ?? 'proven'] : []));
  return weakest([...sure, ...(group.every(({ waits }) => waits.kind === 'sleep') ? [] : (['likely'] as const))]);
}

/** How sure it is that somebody with work to do waits for the end of a chain; undefined: it may well wait for work. */
function needOf(tasks: TaskGraph, group: readonly ChainEnd[], waiting: readonly PythonTask[]): Confidence | undefined {
  const [first] = group;
  if (first === undefined) return undefined;
  const { kind } = first.waits;
  const into = members(group).flatMap(({ address }) => tasks.edgesInto.get(address) ?? []);
  const locks = into.filter(({ isLock }) => isLock);
  const isRequested = waiting.some(isRequest);
  switch (kind) {
    case 'io':
      if (isRequested || group.some(isAsking)) return requestedSureness(group, waiting);
      if (locks.some(isOfOthers)) return 'likely';
      // They stand in one function: handlers that share a connection, or workers that take turns to wait for work.
      return locks.length > 0 && group.some(({ waits }) => waits.peer !== undefined && waits.isClient !== true)
        ? 'suspected'
        : undefined;
    case 'lock':
      // Nobody waits for a lock because he has nothing to do.
      return group.length > 1 || isRequested || members(group).some(isRequest) ? 'likely' : undefined;
    case 'semaphore':
      return members(group).filter(isRequest).length > 1 ? 'suspected' : undefined;
    case 'sleep':
      return locks.length > 0 && (isRequested || locks.some(isOfOthers)) ? surenessOf(locks) : undefined;
    default:
      return locks.some(({ from }) => isRequest(from) || waitersOf(tasks, [from]).some(isRequest))
        ? weakest(['likely', surenessOf(locks)])
        : undefined;
  }
}

/** Whether a request waits for somebody else than its own client. */
function isAsking({ task, waits }: ChainEnd): boolean {
  return isRequest(task) && waits.isClient !== true;
}

/** A request may pass on, for hours, what another service has to say; several of them, or one behind another, do not. */
function requestedSureness(group: readonly ChainEnd[], waiting: readonly PythonTask[]): Confidence {
  return group.length + waiting.length > 1 ? 'likely' : 'suspected';
}

/** Whether a lock is wanted by other code than that which has it: workers that take turns stand in one function. */
function isOfOthers({ from, to }: TaskEdge): boolean {
  if (!isRun(from) || !isRun(to)) return false;
  const [waiter, holder] = [taskRootOf(from), taskRootOf(to)];
  return waiter.function !== holder.function || waiter.file !== holder.file;
}

function surenessOf(edges: readonly TaskEdge[]): Confidence {
  return weakest(edges.map(({ confidence }) => confidence));
}

/** Tasks that stand together in a loop that goes on with others, before this is more than a moment's queue. */
const crowd = 5;
/** A loop that uses more of a core than this is at work. */
const workingPercent = 20;

/**
 * A loop whose thread was not woken has served nobody meanwhile. Of one that goes on with others, or that was not
 * watched, a core shows a moment: a sleep's length is read all the same.
 */
function sureness(
  graph: WaitGraph,
  group: readonly ChainEnd[],
  { waiting, behind }: Behind,
  need: Confidence,
): Confidence | undefined {
  if (group.every(({ waits }) => waits.kind === 'sleep')) return need;
  const threads = group.flatMap(({ task }) => threadOf(graph, task) ?? []);
  if (threads.every(({ moved }) => moved === false)) return need;
  // A loop may go on with others; who stood still all the time did not get the lock from it.
  if (behind.length > 0 && behind.every(({ moved }) => moved === false)) return need;
  const count = group.length + waiting.length + behind.length;
  if (threads.every(({ moved }) => moved !== true)) return count > 1 ? 'suspected' : undefined;
  const isWorking = threads.some(({ cpuPercent = 0 }) => cpuPercent >= workingPercent);
  return count >= crowd && !isWorking ? 'suspected' : undefined;
}

/** Who waits for the end of a chain. */
interface Behind {
  readonly waiting: readonly PythonTask[];
  /** For a lock that a task of the chain holds. */
  readonly behind: readonly JudgedThread[];
}

interface Told extends Behind {
  readonly confidence: Confidence;
}

function toldOf(
  graph: WaitGraph,
  tasks: TaskGraph,
  group: readonly ChainEnd[],
  { waiting, behind, confidence }: Told,
): Finding {
  const ends = members(group);
  const roots = ends.slice(0, toldThreads).map(taskRootOf);
  const others = [...ends.slice(toldThreads), ...waiting];
  const edges = ends.flatMap(({ address }) => tasks.edgesInto.get(address) ?? []);
  const victims = [...new Set([...behind.map(({ lwp }) => lwp), ...victimsOf(graph, behind)])].sort((a, b) => a - b);
  const holders = [...new Set(behind.flatMap(thread => holderOf(graph, thread) ?? []))];
  const threads = new Set(ends.flatMap(task => threadOf(graph, task) ?? []));
  return finding(classOf(group), {
    confidence,
    summary: `${namedOf(ends)} ${sentenceOf(group, places(roots))}${stopsTasks(waiting, ends.length)}${stopsThreads(victims, ends, holders)}`,
    roots,
    victims,
    ...(others.length > 0 && { tasks: others.map(({ address }) => address) }),
    evidence: [
      ...behind.slice(0, toldThreads).flatMap(waitEvidence),
      ...edges.slice(0, toldThreads).flatMap(edgeEvidence),
      ...group.slice(0, toldThreads).flatMap(({ task, waits }) => evidenceOfTask(task, waits.evidence)),
      ...[...threads].flatMap(sampledEvidence),
    ],
    next: [nextFor(group, roots[0]?.function ?? 'it'), ...holders.slice(0, 1).map(adviceForHolder)].join('; '),
  });
}

/** `; 3 threads wait for a lock that it holds`, or nothing. */
function stopsThreads(
  { length }: readonly number[],
  ends: readonly PythonTask[],
  [holder, ...others]: readonly PythonTask[],
): string {
  if (holder === undefined) return '';
  const waiting = `; ${length} ${length === 1 ? 'thread waits' : 'threads wait'} for`;
  if (others.length > 0) return `${waiting} locks that ${counted([holder, ...others])} hold`;
  return `${waiting} a lock that ${ends.length === 1 && ends[0] === holder ? 'it' : nameOf(holder)} holds`;
}

function classOf([first]: readonly ChainEnd[]): FindingClass {
  switch (first?.waits.kind) {
    case 'io':
      return 'blocking-io';
    case 'sleep':
      return 'sleep';
    case 'condition':
    case 'event':
    case 'queue':
      return 'wait-notify';
    default:
      return 'lock-wait';
  }
}

function sentenceOf(group: readonly ChainEnd[], where: string): string {
  const [first] = group;
  const isOne = group.length === 1;
  const waits = isOne ? 'waits' : 'wait';
  switch (first?.waits.kind) {
    case 'io':
      return `${waits} in ${where} for ${partnerOf(group)}${limitText(group)}`;
    case 'sleep':
      return `${isOne ? 'sleeps' : 'sleep'} for ${isOne ? '' : 'up to '}${longest(group)} s in ${where} while ${isOne ? 'it holds' : 'they hold'} a lock`;
    case 'lock':
    case 'semaphore':
      return `${waits} for ${first.waits.kind} ${formatAddress(first.waits.address ?? 0n)} in ${where}; memory does not say who holds it`;
    default:
      return `${waits} in ${where} (${first?.waits.kind}) while ${isOne ? 'it holds' : 'they hold'} a lock`;
  }
}

function partnerOf(group: readonly ChainEnd[]): string {
  const peers = [...new Set(group.flatMap(({ waits }) => waits.peer ?? []))];
  const fds = [...new Set(group.flatMap(({ waits }) => waits.fd ?? []))];
  const through = fds.length === 0 ? '' : ` on descriptor${fds.length === 1 ? '' : 's'} ${enumerateFirst(fds)}`;
  return `input or output${through}${peers.length === 0 ? '' : `, peer ${enumerate(peers)}`}`;
}

function limitText(group: readonly ChainEnd[]): string {
  return longest(group) === Infinity ? ', without a limit' : `, for up to ${longest(group)} s`;
}

function longest(group: readonly ChainEnd[]): number {
  return Math.max(...group.map(({ limitSeconds }) => limitSeconds));
}

function nextFor(group: readonly ChainEnd[], name: string): string {
  const [first] = group;
  const isAsyncio = nounOf(members(group)) === 'task';
  const limit = isAsyncio ? 'a limit (asyncio.wait_for)' : 'a limit (gevent.Timeout, or the time-out of its socket)';
  switch (first?.waits.kind) {
    case 'io':
      return `ask why ${first.waits.peer ?? 'the other end'} does not answer; ${longest(group) === Infinity ? `give the call in ${name} ${limit}` : `the call in ${name} gives up by itself after that`}`;
    case 'sleep':
      return `do not sleep in ${name} while others wait for the lock that it holds`;
    case 'lock':
    case 'semaphore':
      return `look for who takes this ${first.waits.kind} by a bare acquire(), and whether it failed before it released it; \`${isAsyncio ? 'async ' : ''}with\` would have`;
    default:
      return `do not wait in ${name} while others need the lock that it holds, or give that wait ${limit}`;
  }
}
