import type { Descriptor } from '../host/evidence.ts';
import type { PythonTask } from '../python/process.ts';

/** Tasks whose waits name a descriptor, with what is at its other end, where the evidence says so. */
export function withPeers(tasks: readonly PythonTask[], descriptors: readonly Descriptor[]): readonly PythonTask[] {
  if (descriptors.length === 0) return tasks;
  const ends = endsOf(descriptors);
  return tasks.map(task => withPeer(task, fd => ends.get(fd)));
}

interface End {
  /** Whoever is at the other end. */
  readonly other: string | undefined;
  /** Whether that one has connected to this process. */
  readonly isClient: boolean;
}

function endsOf(descriptors: readonly Descriptor[]): ReadonlyMap<number, End> {
  const doors = new Set(descriptors.filter(isListening).map(doorOf));
  return new Map(
    descriptors.map(descriptor => {
      const { fd, socket, partner } = descriptor;
      const door = doorOf(descriptor);
      return [
        fd,
        {
          other: isListening(descriptor) ? undefined : (socket?.peer ?? partner),
          isClient: door !== undefined && !isListening(descriptor) && doors.has(door),
        },
      ];
    }),
  );
}

function isListening({ socket }: Descriptor): boolean {
  return socket?.state === 'LISTEN';
}

/** What others connect to: the port, whatever the address that it is bound to, or the path. */
function doorOf({ socket }: Descriptor): string | undefined {
  if (socket?.local === undefined || socket.protocol === 'unix') return socket?.local;
  return /:\d+$/.exec(socket.local)?.[0];
}

function withPeer(task: PythonTask, endOf: (fd: number) => End | undefined): PythonTask {
  const { awaits, waits } = task;
  const { other, isClient = false } = (waits?.fd === undefined ? undefined : endOf(waits.fd)) ?? {};
  if (awaits === undefined || waits === undefined || other === undefined) return task;
  // A transport of asyncio says it itself.
  const text = awaits.includes(other)
    ? awaits
    : awaits.replace(`(descriptor ${waits.fd})`, `(descriptor ${waits.fd}, peer ${other})`);
  return { ...task, awaits: text, waits: { ...waits, peer: waits.peer ?? other, ...(isClient && { isClient }) } };
}
