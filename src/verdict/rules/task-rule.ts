import { type Evidence, formatAddress } from '../evidence.ts';
import type { Root } from '../finding.ts';
import { originOf, standingPlace } from '../origin.ts';
import { evidenceOfTask, labelOf } from '../task-evidence.ts';
import type { PythonTask, TaskEdge } from '../task-graph.ts';
import { titleOf } from '../task-names.ts';
import type { JudgedThread } from '../thread.ts';
import type { WaitGraph } from '../wait-graph.ts';
import { enumerate, isPassing } from './rule.ts';

/** A task whose loop a thread of the process runs: only such a one can be a root. */
export type RunTask = PythonTask & { readonly lwp: number };

export function isRun(task: PythonTask): task is RunTask {
  return task.lwp !== undefined;
}

/** The thread that runs a task's loop. */
export function threadOf({ threads }: WaitGraph, { lwp }: PythonTask): JudgedThread | undefined {
  return lwp === undefined ? undefined : threads.get(lwp);
}

/** Where a task stands: its innermost frame of the service's own code, on the thread that runs its loop. */
export function taskRootOf(task: RunTask): Root {
  const { address, lwp, kind, name, stack } = task;
  const stands = standingPlace(stack.map(each => ({ ...each, origin: originOf(each.file) })));
  const { function: called = '(unknown)', file = '(unknown)', line = 0 } = stands ?? {};
  const own = { kind, address, ...(name !== undefined && { name }) };
  return { lwp, function: called, file, line, task: own };
}

/** The suspended task, or greenlet, that holds the lock which a thread waits for. */
export function holderOf({ tasks }: WaitGraph, { waits }: JudgedThread): PythonTask | undefined {
  return waits?.ownerTask === undefined ? undefined : tasks?.tasks.get(waits.ownerTask);
}

/** Threads that wait for a lock which one of some suspended tasks holds, while the thread that runs it is free. */
export function threadsBehind({ threads }: WaitGraph, tasks: readonly PythonTask[]): readonly JudgedThread[] {
  const holders = new Set(tasks.map(({ address }) => address));
  return [...threads.values()].filter(
    thread =>
      thread.waits?.ownerTask !== undefined &&
      thread.waits.owner === undefined &&
      holders.has(thread.waits.ownerTask) &&
      !isPassing(thread),
  );
}

/** What to do instead of keeping a thread's lock while others have their turn. */
export function adviceForHolder({ kind }: PythonTask): string {
  return kind === 'greenlet'
    ? 'do not hold a lock of threads while other greenlets have their turn: release it before, or take one that gevent has patched'
    : 'do not hold a threading lock across an await: release it before, or use asyncio.Lock';
}

/** `task "a"`, `a greenlet` */
export function nameOf(task: PythonTask): string {
  return `${task.name === undefined ? 'a ' : ''}${titleOf(task)}`;
}

/** More are counted; the evidence names each. */
const namedTasks = 3;

/** `task "a" of thread 7`, `greenlets "a" and "b" of thread 7`, `14 tasks of thread 7` */
export function namedOf(tasks: readonly RunTask[]): string {
  const names = tasks.flatMap(({ name }) => (name === undefined ? [] : [`"${name}"`]));
  const isNamed = names.length === tasks.length && tasks.length <= namedTasks && new Set(names).size === names.length;
  const of = ` of ${threadsText(tasks)}`;
  if (isNamed) return `${nounOf(tasks)}${tasks.length === 1 ? '' : 's'} ${enumerate(names)}${of}`;
  return `${counted(tasks)}${of}`;
}

function threadsText(tasks: readonly RunTask[]): string {
  const lwps = [...new Set(tasks.map(({ lwp }) => lwp))];
  return `thread${lwps.length === 1 ? '' : 's'} ${enumerate(lwps)}`;
}

/** `1 task`, `14 greenlets` */
export function counted(tasks: readonly PythonTask[]): string {
  return `${tasks.length} ${nounOf(tasks)}${tasks.length === 1 ? '' : 's'}`;
}

export function nounOf(tasks: readonly PythonTask[]): string {
  return tasks.every(({ kind }) => kind === 'greenlet') ? 'greenlet' : 'task';
}

/** `; 3 tasks wait for it`, or nothing. */
export function stopsTasks(waiting: readonly PythonTask[], rootCount: number): string {
  if (waiting.length === 0) return '';
  return `; ${counted(waiting)} ${waiting.length === 1 ? 'waits' : 'wait'} for ${rootCount === 1 ? 'it' : 'them'}`;
}

/** What shows that `from` waits, and that `to` has what it waits for. */
export function edgeEvidence({ from, to }: TaskEdge): readonly Evidence[] {
  const { waits } = from;
  if (waits === undefined) return [];
  const held = to.holds?.filter(({ address }) => address === waits.address) ?? [];
  const at = held[0]?.at;
  const what = waits.address === undefined ? 'the end' : `${waits.kind} ${formatAddress(waits.address)}`;
  const by =
    waits.kind === 'task'
      ? ` of ${labelOf(to)}`
      : `, held by ${labelOf(to)}${at ? `, taken at ${at.file}:${at.line}` : ''}`;
  return [
    { text: `${labelOf(from)} waits for ${waits.kind === 'task' ? 'the end' : what}${by}` },
    ...evidenceOfTask(from, waits.evidence),
    ...evidenceOfTask(
      to,
      held.flatMap(({ evidence }) => evidence),
    ),
  ];
}

/** Whether a task answers a web request; a web socket is open for as long as its client likes. */
export function isRequest({ request }: PythonTask): boolean {
  return request !== undefined && request.method !== 'WEBSOCKET';
}
