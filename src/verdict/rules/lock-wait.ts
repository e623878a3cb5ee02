import { weakest } from '../confidence.ts';
import { formatAddress } from '../evidence.ts';
import type { Finding } from '../finding.ts';
import { limitsOf, type PythonTask } from '../task-graph.ts';
import type { Confidence, JudgedThread, WaitKind } from '../thread.ts';
import { hurriedVictimsOf, victimsOf, type WaitGraph } from '../wait-graph.ts';
import { isLock } from '../wait-kinds.ts';
import {
  alike,
  evidenceOf,
  finding,
  isPassing,
  named,
  patienceSeconds,
  place,
  places,
  type Rule,
  rootOf,
  stops,
  toldThreads,
  waitEvidence,
} from './rule.ts';
import { taskChain } from './task-chain.ts';
import { adviceForHolder, holderOf, nameOf } from './task-rule.ts';
import { isUninterruptible } from './uninterruptible.ts';

/** Threads stuck behind a lock whose owner memory does not name, or whose owner waits for something that may never come. */
export const lockWait: Rule = graph => [...behindWaitingOwner(graph), ...behindUnknownOwner(graph)];

/** Waits that have no rule of their own while the thread holds a lock. */
const openEnds: ReadonlySet<WaitKind> = new Set<WaitKind>(['child', 'unknown']);

/** Whether others that have work to do want a lock, or the GIL, of a thread. */
export function holdsWantedLock(graph: WaitGraph, lwp: number): boolean {
  const into = graph.edgesInto.get(lwp) ?? [];
  return into.some(({ kind }) => isLock(kind) || kind === 'gil') && hurriedVictimsOf(graph, [{ lwp }]).length > 0;
}

function behindWaitingOwner(graph: WaitGraph): readonly Finding[] {
  return [...graph.edgesInto.keys()].flatMap(lwp => {
    const owner = graph.threads.get(lwp);
    if (owner?.waits === undefined || graph.edges.has(lwp) || !openEnds.has(owner.waits.kind)) return [];
    if (isPassing(owner) || isUninterruptible(owner) || !holdsWantedLock(graph, lwp)) return [];
    return [fromOwner(graph, owner, owner.waits.kind)];
  });
}

function fromOwner(graph: WaitGraph, owner: JudgedThread, kind: WaitKind): Finding {
  const root = rootOf(owner);
  const victims = victimsOf(graph, [owner]);
  const into = graph.edgesInto.get(owner.lwp) ?? [];
  const lock = into.some(edge => isLock(edge.kind)) ? 'a lock' : 'the GIL';
  return finding('lock-wait', {
    confidence: weakest(['likely', ...into.map(({ confidence }) => confidence)]),
    summary: `thread ${owner.lwp} waits in ${place(root)} (${kind}) while it holds ${lock}${stops(victims, [root])}`,
    roots: [root],
    victims,
    evidence: [
      ...into.slice(0, toldThreads).flatMap(({ from }) => waitEvidence(graph.threads.get(from))),
      ...evidenceOf(
        owner,
        owner.holds.flatMap(({ evidence }) => evidence),
      ),
      ...waitEvidence(owner),
    ],
    next: `do not wait in ${root.function} while others need ${lock === 'a lock' ? 'the lock that it holds' : 'the GIL, which its call of C keeps'}`,
  });
}

interface Waiter {
  readonly thread: JudgedThread;
  readonly kind: WaitKind;
  readonly address: string;
  readonly isElsewhere: boolean;
  readonly confidence: Confidence;
  /** The suspended task that has the lock, whose thread is free. */
  readonly holder?: PythonTask;
}

function behindUnknownOwner(graph: WaitGraph): readonly Finding[] {
  const told = toldByTasks(graph);
  const waiters = [...graph.threads.values()].flatMap(thread => (told.has(thread.lwp) ? [] : ownerless(graph, thread)));
  return alike(waiters, ({ address }) => address).map(group => fromWaiters(graph, group));
}

/** Threads that are behind a task whose own wait is the cause. */
function toldByTasks(graph: WaitGraph): ReadonlySet<number> {
  const isHeldByTask = [...graph.threads.values()].some(({ waits }) => waits?.ownerTask !== undefined);
  return new Set(isHeldByTask ? taskChain(graph).flatMap(({ victims }) => victims) : []);
}

function ownerless(graph: WaitGraph, thread: JudgedThread): readonly Waiter[] {
  const { lwp, waits, role, moved } = thread;
  if (waits?.address === undefined || graph.edges.has(lwp) || isPassing(thread)) return [];
  if (waits.orphan !== undefined || role === 'idle') return [];
  if (!isLock(waits.kind) && !isNeededInC(graph, thread)) return [];
  const holder = holderOf(graph, thread);
  const isKnown = isLock(waits.kind) && moved === false && !(holder && goesOnSoon(graph, holder));
  return [
    {
      thread,
      kind: waits.kind,
      address: formatAddress(waits.address),
      isElsewhere: waits.heldElsewhere === true,
      confidence: isKnown ? weakest(['likely', waits.confidence, waits.ownerConfidence ?? 'likely']) : 'suspected',
      ...(holder && { holder }),
    },
  ];
}

/** Whether a task has its turn before long, as far as its own wait says. */
function goesOnSoon({ tasks }: WaitGraph, task: PythonTask): boolean {
  return task.state === 'ready' || (tasks !== undefined && limitsOf(tasks)(task) < patienceSeconds);
}

/** A request, or whom others need, stood still on a futex of which nothing is known but that C code waits there. */
function isNeededInC(graph: WaitGraph, { lwp, waits, moved, request }: JudgedThread): boolean {
  if (waits?.kind !== 'unknown' || waits.syscall !== 'futex' || moved !== false) return false;
  if (holdsWantedLock(graph, lwp)) return false;
  return request !== undefined || hurriedVictimsOf(graph, [{ lwp }]).length > 0;
}

function fromWaiters(graph: WaitGraph, group: readonly Waiter[]): Finding {
  const waiters = group.map(({ thread }) => thread);
  const roots = waiters.map(rootOf);
  const victims = victimsOf(graph, roots);
  const [first] = group;
  if (first === undefined) throw new RangeError('a group has at least one thread');
  const { kind, address, isElsewhere, holder } = first;
  const what = kind === 'unknown' ? 'a futex of C code,' : kind;
  return finding('lock-wait', {
    confidence: weakest(group.map(({ confidence }) => confidence)),
    summary: `${named(waiters)} ${group.length === 1 ? 'waits' : 'wait'} for ${what} ${address} in ${places(roots)}; ${ownerOf(first)}${stops(victims, roots)}`,
    roots,
    victims,
    evidence: waiters.slice(0, toldThreads).flatMap(waitEvidence),
    next: isElsewhere
      ? 'look at the processes that share this lock, also for one that ended while it held it'
      : holder
        ? adviceForHolder(holder)
        : advice(kind),
  });
}

function ownerOf({ thread, kind, isElsewhere, holder }: Waiter): string {
  if (holder !== undefined)
    return `${nameOf(holder)}${runBy(holder)} holds it${takenAt(thread, holder)}${doing(holder)}`;
  if (isElsewhere) return 'another process holds it';
  return `memory does not say who ${kind === 'unknown' ? 'has to wake it' : 'holds it'}`;
}

function runBy({ lwp }: PythonTask): string {
  return lwp === undefined ? '' : ` of thread ${lwp}`;
}

function takenAt({ waits }: JudgedThread, { holds = [] }: PythonTask): string {
  const at = holds.find(({ address }) => address === waits?.address)?.at;
  return at === undefined ? '' : `, taken at ${at.file}:${at.line}`;
}

function doing({ state, awaits }: PythonTask): string {
  if (state === 'ready') return ', and is ready to run';
  return awaits === undefined ? ', and is suspended' : `, and awaits ${awaits}`;
}

function advice(kind: WaitKind): string {
  switch (kind) {
    case 'unknown':
    case 'pthread-mutex':
      return 'look at the C code that waits: runbook analyze with the debug files of its modules (--modules DIR)';
    case 'mp-lock':
      return 'look for the process that took this lock, also for one that ended while it held it';
    default:
      return 'look for who takes this lock with a bare acquire(); `with lock:` would name the holder';
  }
}
