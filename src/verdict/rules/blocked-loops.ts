import type { Finding, FindingClass } from '../finding.ts';
import { type PythonTask, type TaskGraph, waitersOf } from '../task-graph.ts';
import type { WaitGraph } from '../wait-graph.ts';
import { counted, nounOf } from './task-rule.ts';

/**
 * The finding, which also says what it means for tasks and greenlets: whether one of its threads should run their loop,
 * and which wait for work that was given to such a thread.
 */
export function withBlockedLoops({ tasks, threads }: WaitGraph, finding: Finding): Finding {
  if (tasks === undefined || wholeProcess.has(finding.class) || finding.roots.some(({ task }) => task !== undefined))
    return finding;
  const lwps = finding.roots.map(({ lwp }) => lwp);
  const rooted = standing(tasks, lwps);
  // Who gets the GIL now and then goes on with its tasks.
  const behind = standing(
    tasks,
    finding.victims.filter(lwp => threads.get(lwp)?.moved !== true),
  );
  const workedFor = waitingForWork(tasks, [...lwps, ...finding.victims]);
  const stopped = [...new Set([...rooted, ...behind, ...workedFor])];
  if (stopped.length === 0) return finding;
  const isOne = finding.roots.length === 1;
  const blocks = finding.confidence === 'suspected' ? 'may block' : isOne ? 'blocks' : 'block';
  return {
    ...finding,
    summary: [
      finding.summary,
      ...(rooted.length === 0 ? [] : [`${isOne ? 'it' : 'they'} ${blocks} the ${loopOf(rooted)}`]),
      ...(behind.length === 0 ? [] : [`that stops the ${loopOf(behind)}`]),
      ...(workedFor.length === 0
        ? []
        : [`${counted(workedFor)} ${workedFor.length === 1 ? 'waits' : 'wait'} for that work`]),
    ].join('; '),
    tasks: stopped.map(({ address }) => address),
    next: rooted.length === 0 ? finding.next : `${finding.next}; ${adviceFor(rooted)}`,
  };
}

/** What these say of a thread is true of all, or of none. */
const wholeProcess: ReadonlySet<FindingClass> = new Set<FindingClass>(['stopped', 'unreadable']);

/** Tasks that have no turn while some threads do something else. */
function standing({ loops }: TaskGraph, lwps: readonly number[]): readonly PythonTask[] {
  return lwps.flatMap(lwp => loops.get(lwp)?.others ?? []);
}

function waitingForWork(graph: TaskGraph, lwps: readonly number[]): readonly PythonTask[] {
  const direct = [...graph.tasks.values()].filter(
    ({ waits }) => waits?.worker !== undefined && lwps.includes(waits.worker),
  );
  return [...direct, ...waitersOf(graph, direct)];
}

function loopOf(tasks: readonly PythonTask[]): string {
  return `${nounOf(tasks) === 'greenlet' ? 'hub' : 'event loop'} of ${counted(tasks)}`;
}

function adviceFor(tasks: readonly PythonTask[]): string {
  return nounOf(tasks) === 'greenlet'
    ? 'a greenlet must not block its thread: call what gevent has patched, or hand it to gevent.get_hub().threadpool'
    : 'a coroutine must not block its thread: await what does not, or hand it to loop.run_in_executor';
}
