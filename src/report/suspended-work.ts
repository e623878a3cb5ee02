import type { Block } from './outline.ts';
import type { Report, ReportTask } from './schema.ts';

/** Whole stacks that are shown of one event loop, each of a group of tasks that stand alike. */
const stackLimit = 50;
/** Lines of one event loop's list. */
const lineLimit = 200;
/** Tasks of a group that are named. */
const namedLimit = 3;

/** The tasks of each event loop; those that stand alike are one line. Running ones first, then the largest groups. */
export function suspendedWork({ tasks = [] }: Report): readonly Block[] {
  if (tasks.length === 0) return [];
  const loops = [...grouped(tasks, ({ loop = '', lwp = 0 }) => `${loop} ${lwp}`)];
  return [{ kind: 'section', title: 'Suspended work', blocks: loops.flatMap(loopBlocks) }];
}

function loopBlocks(tasks: readonly ReportTask[]): readonly Block[] {
  const groups = [...grouped(tasks, task => JSON.stringify([task.state, task.awaits, task.stack]))].toSorted(
    (left, right) => rank(left) - rank(right) || right.length - left.length,
  );
  const items = groups.slice(0, lineLimit).map(groupLine);
  const rest = groups.length - items.length;
  return [
    { kind: 'paragraph', text: `${loopName(tasks)}: ${tasks.length} ${tasks.length === 1 ? 'task' : 'tasks'}` },
    { kind: 'list', items: rest === 0 ? items : [...items, `and ${rest} more that stand elsewhere`] },
    ...groups.slice(0, stackLimit).map(groupStack),
  ];
}

function loopName([task]: readonly ReportTask[]): string {
  if (task?.lwp !== undefined) return `event loop of thread ${task.lwp}`;
  return task?.loop === undefined ? 'without an event loop' : `event loop ${task.loop}, whose thread is not known`;
}

function groupLine(tasks: readonly ReportTask[]): string {
  const [task] = tasks;
  if (task === undefined) return '';
  return `${labelOf(tasks)}: ${placeOf(task)}${standing(task)}`;
}

function groupStack(tasks: readonly ReportTask[]): Block {
  const stack = tasks[0]?.stack ?? [];
  return {
    kind: 'folded',
    title: `Task ${labelOf(tasks)}`,
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
  return `${tasks.length} tasks (${[...new Set(names)].join(', ')}${tasks.length > namedLimit ? ', …' : ''})`;
}

/** The innermost frame that is not the standard library's, else the innermost. */
function placeOf({ stack }: ReportTask): string {
  const frame =
    stack.find(({ file }) => !/\/lib(?:64)?\/python\d\.\d+\/(?!(?:site|dist)-packages)/.test(file)) ?? stack[0];
  if (frame === undefined) return 'where it stands could not be read';
  return `${frame.function} (${frame.file.slice(frame.file.lastIndexOf('/') + 1)}:${frame.line})`;
}

function standing({ state, awaits, lwp }: ReportTask): string {
  if (awaits !== undefined) return ` awaits ${awaits}`;
  if (state === 'running') return lwp === undefined ? ' runs' : ` runs on thread ${lwp}`;
  return state === 'ready' ? ' is ready to run' : ' waits';
}

function rank([task]: readonly ReportTask[]): number {
  return task?.state === 'running' ? 0 : task?.state === 'ready' ? 2 : 1;
}

function grouped(tasks: readonly ReportTask[], key: (task: ReportTask) => string): Iterable<readonly ReportTask[]> {
  const groups = new Map<string, ReportTask[]>();
  for (const task of tasks) {
    const name = key(task);
    const group = groups.get(name);
    if (group) group.push(task);
    else groups.set(name, [task]);
  }
  return groups.values();
}
