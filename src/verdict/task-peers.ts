import type { Descriptor } from '../host/evidence.ts';
import type { PythonTask } from '../python/process.ts';

/** Tasks whose waits name a descriptor, with what is at its other end, where the evidence says so. */
export function withPeers(tasks: readonly PythonTask[], descriptors: readonly Descriptor[]): readonly PythonTask[] {
  if (descriptors.length === 0) return tasks;
  const others = new Map(
    descriptors.map(({ fd, socket, partner }) => [
      fd,
      socket?.state === 'LISTEN' ? undefined : (socket?.peer ?? partner),
    ]),
  );
  return tasks.map(task => {
    const { awaits } = task;
    const [whole, fd] = /\(descriptor (\d+)\)/.exec(awaits ?? '') ?? [];
    const other = fd === undefined ? undefined : others.get(Number(fd));
    // A transport of asyncio says it itself.
    if (awaits === undefined || whole === undefined || other === undefined || awaits.includes(other)) return task;
    return { ...task, awaits: awaits.replace(whole, `(descriptor ${fd}, peer ${other})`) };
  });
}
