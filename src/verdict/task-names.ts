import type { PythonTask } from './task-graph.ts';

/** What a task of that kind is called. */
export function nounOfKind(kind: PythonTask['kind']): string {
  return kind === 'greenlet' ? 'greenlet' : 'task';
}

/** `task "a"`; `greenlet` where it has no name */
export function titleOf({
  kind,
  name,
}: {
  readonly kind: PythonTask['kind'];
  readonly name?: string | undefined;
}): string {
  return `${nounOfKind(kind)}${name === undefined ? '' : ` "${name}"`}`;
}
