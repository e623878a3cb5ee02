import { type Evidence, formatAddress } from './evidence.ts';
import type { PythonTask } from './task-graph.ts';

/** Name and address of one task. */
export function labelOf({ kind, name, address }: PythonTask): string {
  return `${kind === 'greenlet' ? 'greenlet' : 'task'}${name === undefined ? '' : ` "${name}"`} ${formatAddress(address)}`;
}

/** The entries, each with the task it was read of. */
export function evidenceOfTask(task: PythonTask, entries: readonly Evidence[] = []): readonly Evidence[] {
  return entries.map(entry => ({ ...entry, text: `${labelOf(task)}: ${entry.text}` }));
}
