import type { TaskLoop } from './task-graph.ts';
import type { JudgedThread } from './thread.ts';

/** Whether a thread that runs an event loop, or a hub, looks for what to do next: what is suspended there waits for nothing else. */
export function isLoopFree({ waits }: JudgedThread, loop: TaskLoop | undefined): boolean {
  if (loop === undefined || loop.running !== undefined) return false;
  // On its way from one look to the next.
  return waits === undefined || watching.has(waits.syscall ?? '');
}

/** How loops wait: selectors, libuv, libev. */
const watching: ReadonlySet<string> = new Set([
  'epoll_wait',
  'epoll_pwait',
  'epoll_pwait2',
  'poll',
  'ppoll',
  'select',
  'pselect6',
]);
