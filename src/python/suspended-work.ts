import { type GreenletQuestion, greenletModules, readGreenlets } from './greenlets/greenlets.ts';
import { loadedModules } from './loaded-modules.ts';
import { attempt } from './objects/heap.ts';
import type { PythonProcess, PythonTask } from './process.ts';
import { readTasks, type TaskQuestion, taskModules } from './tasks/tasks.ts';

export type SuspendedQuestion = Omit<TaskQuestion, 'interpreter' | 'modules'> &
  Pick<GreenletQuestion, 'target' | 'structure'> &
  Pick<PythonProcess, 'interpreters'>;

export interface SuspendedWork {
  /** Running ones first, then those that wait, then those that are ready; by name. */
  readonly tasks: readonly PythonTask[];
  readonly gaps: PythonProcess['gaps'];
}

/** What an interpreter has begun and set aside: asyncio tasks and greenlets. */
export function readSuspendedWork(question: SuspendedQuestion): SuspendedWork {
  const { heap, interpreters } = question;
  const walked = new Set<bigint>();
  const unread: PythonProcess['gaps'][number][] = [];
  const answers = interpreters.flatMap(interpreter => {
    const modules = attempt(
      () => loadedModules(heap, interpreter, [...taskModules, ...greenletModules]),
      ({ message: why, fix }) => unread.push({ what: `loaded modules of interpreter ${interpreter.id}`, why, fix }),
    );
    if (modules === undefined) return [];
    const asked = { ...question, interpreter, modules };
    return [readTasks(asked), readGreenlets({ ...asked, walked })];
  });
  return {
    tasks: sorted(withCycles(answers.flatMap(({ tasks }) => tasks))),
    gaps: [...unread, ...answers.flatMap(({ gaps }) => gaps)],
  };
}

/** Marks those that wait for each other: who waits for nobody, and for whom nobody waits, is taken away until none is left. */
function withCycles(tasks: readonly PythonTask[]): readonly PythonTask[] {
  let left = new Map(
    tasks
      .filter(({ waitsFor = [], anyWillDo = false }) => waitsFor.length > 0 && !(anyWillDo && waitsFor.length > 1))
      .map(({ address, waitsFor = [] }) => [address, waitsFor] as const),
  );
  for (;;) {
    const awaited = new Set([...left.values()].flat());
    const kept = [...left].filter(([address, others]) => awaited.has(address) && others.some(other => left.has(other)));
    if (kept.length === left.size) break;
    left = new Map(kept);
  }
  return left.size === 0 ? tasks : tasks.map(task => (left.has(task.address) ? { ...task, inCycle: true } : task));
}

const order = { running: 0, waiting: 1, ready: 2 } as const;

function sorted(tasks: readonly PythonTask[]): readonly PythonTask[] {
  if (tasks.length < 2) return tasks;
  // One for all: `localeCompare` makes its own each time, and the first takes milliseconds.
  const names = new Intl.Collator('en', { numeric: true });
  return tasks.toSorted(
    (left, right) =>
      order[left.state] - order[right.state] ||
      names.compare(left.name ?? '', right.name ?? '') ||
      (left.address < right.address ? -1 : 1),
  );
}
