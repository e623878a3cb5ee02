import { type Evidence, formatAddress } from './evidence.ts';
import type { PythonTask } from './task-graph.ts';
import { titleOf } from './task-names.ts';

/** Name and address of one task. */
export function labelOf(task: PythonTask): string {
  return `${titleOf(task)} ${formatAddress(task.address)}`;
}

/** The entries, each with the task it was read of. */
export function evidenceOfTask(task: PythonTask, entries: readonly Evidence[] = []): readonly Evidence[] {
  return entries.map(entry => ({ ...entry, text: `${labelOf(task)}: ${entry.text}` }));
}
