import { nounOfKind } from '../verdict/task-names.ts';
import type { Block } from './outline.ts';
import { isStandardLibrary, shortPlace } from './place.ts';
import type { Report, ReportFinding, ReportTask } from './schema.ts';

/** Whole stacks that are shown of one event loop, each of a group of tasks that stand alike. */
const stackLimit = 50;
/** Lines of one event loop's list. */
const lineLimit = 200;
/** Tasks of a group that are named. */
const namedLimit = 3;

/** The tasks and greenlets of each event loop; those that stand alike are one line. Running ones first, then the largest groups. */
export function suspendedWork({ tasks = [] }: Report): readonly Block[] {
  if (tasks.length === 0) return [];
  const loops = [...Map.groupBy(tasks, ({ kind, loop = '', lwp = 0 }) => `${kind} ${loop} ${lwp}`).values()];
  const circle = waitForEachOther(tasks);
  const note: readonly Block[] = circle === undefined ? [] : [{ kind: 'paragraph', text: `${circle}.` }];
  return [{ kind: 'section', title: 'Suspended work', blocks: [...note, ...loops.flatMap(loopBlocks)] }];
}

/** Tasks that a finding stops, in one line: how many, their names, their requests. */
export function stoppedTasks({ tasks = [] }: Report, { tasks: stopped = [] }: ReportFinding): readonly Block[] {
  const addresses = new Set(stopped);
  const waiting = tasks.filter(({ address = '' }) => addresses.has(address));
  if (waiting.length === 0) return [];
  return [{ kind: 'paragraph', text: `suspended behind it: ${labelOf(waiting)}${serving(waiting)}` }];
}

/** Those that wait for each other, none of which can go on by itself; undefined: there are none. */
export function waitForEachOther(tasks: readonly ReportTask[]): string | undefined {
  const circle = tasks.filter(({ inCycle = false }) => inCycle);
  const [first] = circle;
  if (first === undefined) return undefined;
  const known = new Set(circle.map(({ address }) => address));
  const waiting = tasks.filter(
    ({ inCycle = false, waitsFor = [] }) => !inCycle && waitsFor.some(other => known.has(other)),
  ).length;
  const named = circle.slice(0, namedLimit).map(task => `"${task.name ?? 'without a name'}" at ${placeOf(task)}`);
  const rest = circle.length > namedLimit ? ` and ${circle.length - namedLimit} more` : '';
  return [
    circle.length === 1
      ? `a ${nounOfKind(first.kind)} waits for itself: `
      : `${circle.length} ${nounOfKind(first.kind)}s wait for each other: `,
    named.join(', '),
    rest,
    waiting === 0 ? '' : `; ${waiting} more ${waiting === 1 ? 'waits' : 'wait'} for them`,
  ].join('');
}

function loopBlocks(tasks: readonly ReportTask[]): readonly Block[] {
  const groups = [...Map.groupBy(tasks, alike).values()].toSorted(
    (left, right) => rank(left) - rank(right) || right.length - left.length,
  );
  const items = groups.slice(0, lineLimit).map(groupLine);
  const rest = groups.length - items.length;
  const noun = tasks[0] === undefined ? 'task' : nounOfKind(tasks[0].kind);
  return [
    { kind: 'paragraph', text: `${loopName(tasks)}: ${tasks.length} ${tasks.length === 1 ? noun : `${noun}s`}` },
    { kind: 'list', items: rest === 0 ? items : [...items, `and ${rest} more that stand elsewhere`] },
    ...groups.slice(0, stackLimit).map(groupStack),
  ];
}

/** Where a task stands and what for; not with which values. */
function alike({ state, awaits, stack }: ReportTask): string {
  return JSON.stringify([state, awaits, stack.map(({ function: name, file, line }) => [name, file, line])]);
}

function loopName([task]: readonly ReportTask[]): string {
  const where = task?.kind === 'greenlet' ? 'greenlets' : 'event loop';
  const made = task?.loopClass === undefined || task.loopClass.startsWith('asyncio.') ? '' : ` (${task.loopClass})`;
  if (task?.lwp !== undefined) return `${where} of thread ${task.lwp}${made}`;
  if (task?.kind === 'greenlet') return 'greenlets of a thread that is not known';
  return task?.loop === undefined ? 'without an event loop' : `event loop ${task.loop}, whose thread is not known`;
}

function groupLine(tasks: readonly ReportTask[]): string {
  const [task] = tasks;
  if (task === undefined) return '';
  return `${labelOf(tasks)}: ${placeOf(task)}${standing(task)}${serving(tasks)}`;
}

function groupStack(tasks: readonly ReportTask[]): Block {
  const stack = tasks[0]?.stack ?? [];
  return {
    kind: 'folded',
    title: `${tasks[0]?.kind === 'greenlet' ? 'Greenlet' : 'Task'} ${labelOf(tasks)}`,
    blocks: [
      {
        kind: 'code',
        lines: stack.map(({ function: name, file, line }) => ({ text: `py  ${name}  ${file}:${line}` })),
      },
    ],
  };
}

function labelOf(tasks: readonly ReportTask[]): string {
  const names = tasks.slice(0, namedLimit).map(({ name = 'without a name' }) => name);
  if (tasks.length === 1) return names.join('');
  const noun = tasks[0] === undefined ? 'task' : nounOfKind(tasks[0].kind);
  return `${tasks.length} ${noun}s (${[...new Set(names)].join(', ')}${tasks.length > namedLimit ? ', …' : ''})`;
}

/** Of the standard library, or of gevent, which switches greenlets. */
function isLibrary(file: string): boolean {
  return isStandardLibrary(file) || /\/(?:site|dist)-packages\/gevent\//.test(file);
}

/** The innermost frame that is not a library's, else the innermost. */
function placeOf({ kind, state, stack }: ReportTask): string {
  const frame = stack.find(({ file }) => !isLibrary(file)) ?? stack[0];
  if (frame === undefined)
    return kind === 'greenlet' && state === 'ready' ? 'not started' : 'where it stands could not be read';
  return shortPlace(frame);
}

function standing({ state, awaits, lwp }: ReportTask): string {
  if (awaits !== undefined) return ` awaits ${awaits}`;
  if (state === 'running') return lwp === undefined ? ' runs' : ` runs on thread ${lwp}`;
  return state === 'ready' ? ' is ready to run' : ' waits';
}

function serving(tasks: readonly ReportTask[]): string {
  const requests = tasks.flatMap(({ request }) => (request === undefined ? [] : [`${request.method} ${request.path}`]));
  if (requests.length === 0) return '';
  const named = [...new Set(requests)];
  return `, serving ${named.slice(0, namedLimit).join(', ')}${named.length > namedLimit ? ', …' : ''}`;
}

function rank([task]: readonly ReportTask[]): number {
  return task?.state === 'running' ? 0 : task?.state === 'ready' ? 2 : 1;
}
