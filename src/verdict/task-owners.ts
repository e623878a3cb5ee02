import { formatAddress } from '../corefile/memory.ts';
import type { PythonTask } from '../python/process.ts';
import { weakest } from './confidence.ts';
import type { Owner } from './describe-wait.ts';
import type { Evidence } from './evidence.ts';
import { isLoopFree } from './free-loops.ts';
import { evidenceOfTask, labelOf } from './task-evidence.ts';
import { limitsOf, type TaskGraph } from './task-graph.ts';
import type { JudgedThread, Wait } from './thread.ts';
import { isLock } from './wait-kinds.ts';

/**
 * The threads, each wait for a lock with the suspended task, or greenlet, that is inside the lock's `with` block. The owner,
 * who has to act, is then the thread that runs the task, where that does something else; where that is free, the thread
 * that does the work which the task waits for, if there is one.
 */
export function withTaskOwners(
  threads: readonly JudgedThread[],
  graph: TaskGraph | undefined,
): readonly JudgedThread[] {
  const holders = graph && suspendedHolders(graph);
  if (graph === undefined || holders === undefined || holders.size === 0) return threads;
  const byLwp = new Map(threads.map(thread => [thread.lwp, thread]));
  const actorOf = actors(graph, byLwp);
  return threads.map(thread => {
    const { waits } = thread;
    const held = waits && isLock(waits.kind) ? (holders.get(waits.address ?? 0n) ?? []) : [];
    if (waits === undefined || held.length === 0 || waits.orphan !== undefined) return thread;
    const found = holderFor(waits, held, byLwp);
    return found === undefined ? thread : { ...thread, waits: ownedWait(waits, found, actorOf(found.task)) };
  });
}

type Hold = NonNullable<PythonTask['holds']>[number];

interface Holder {
  readonly task: PythonTask;
  readonly hold: Hold;
}

type FoundHolder = Holder & Pick<Owner, 'confidence'>;

/** By address of what they hold. What a running one holds is its thread's. */
function suspendedHolders({ tasks }: TaskGraph): ReadonlyMap<bigint, readonly Holder[]> {
  const suspended = [...tasks.values()].filter(({ state }) => state !== 'running');
  return Map.groupBy(
    suspended.flatMap(task => (task.holds ?? []).map(hold => ({ task, hold }))),
    ({ hold }) => hold.address,
  );
}

/** Which of those that are inside a lock's block has it; undefined: a thread does. */
function holderFor(
  { owner, address }: Wait,
  held: readonly Holder[],
  threads: ReadonlyMap<number, JudgedThread>,
): FoundHolder | undefined {
  const [first] = held;
  if (first === undefined) return undefined;
  // A lock may be released by who did not take it: where two seem to have it, one does not.
  if (owner === undefined) return { ...first, confidence: held.length > 1 ? 'suspected' : 'proven' };
  // A lock that names its owner names the thread that runs the task; that may have taken it outside of the task.
  const isThreads = threads.get(owner)?.holds.some(hold => hold.address === address && hold.at !== undefined) ?? false;
  const own = held.find(({ task }) => task.lwp === owner);
  return own === undefined || isThreads ? undefined : { ...own, confidence: 'proven' };
}

function ownedWait(waits: Wait, holder: FoundHolder, actor: Owner | undefined): Wait {
  const { owner: _, heldElsewhere: __, ...rest } = waits;
  return {
    ...rest,
    ownerTask: holder.task.address,
    ...(actor && { owner: actor.lwp }),
    ownerConfidence: weakest([holder.confidence, actor?.confidence ?? holder.confidence]),
    evidence: [...holderEvidence(holder, actor), ...waits.evidence],
  };
}

/** The thread without which a suspended task does not go on; undefined: it waits for none. */
function actors(graph: TaskGraph, threads: ReadonlyMap<number, JudgedThread>) {
  const limitOf = limitsOf(graph);
  return (task: PythonTask): Owner | undefined => {
    const runner = task.lwp === undefined ? undefined : threads.get(task.lwp);
    if (runner !== undefined && !isLoopFree(runner, graph.loops.get(runner.lwp)))
      return { lwp: runner.lwp, confidence: 'proven' };
    const { end, confidence } = endOf(graph, task);
    // One that gives up by itself does so whatever the thread does.
    if (end.waits?.worker === undefined || limitOf(end) !== Number.POSITIVE_INFINITY) return undefined;
    return { lwp: end.waits.worker, confidence: weakest([confidence, end.waits.confidence]) };
  };
}

/** The last of the tasks that wait for each other, from one on, as far as each waits for one. */
function endOf({ edges }: TaskGraph, task: PythonTask): { readonly end: PythonTask } & Pick<Owner, 'confidence'> {
  const seen = new Set([task]);
  let confidence: Owner['confidence'] = 'proven';
  let end = task;
  for (;;) {
    const [edge, ...others] = edges.get(end.address) ?? [];
    if (edge === undefined || others.length > 0 || seen.has(edge.to)) return { end, confidence };
    confidence = weakest([confidence, edge.confidence]);
    end = edge.to;
    seen.add(end);
  }
}

function holderEvidence(
  { task, hold: { address, at, evidence } }: Holder,
  actor: Owner | undefined,
): readonly Evidence[] {
  const run = task.lwp === undefined ? '' : `, which thread ${task.lwp} runs`;
  const work =
    actor === undefined || actor.lwp === task.lwp ? '' : ` and which waits for the work of thread ${actor.lwp}`;
  const text = `${formatAddress(address)} is held, since ${at.file}:${at.line}, by ${labelOf(task)}${run}${work}`;
  return [{ text }, ...evidenceOfTask(task, evidence)];
}
