import { formatAddress } from './evidence.ts';
import type { Wait } from './thread.ts';

/** What a thread waits for, within a sentence that begins `waits for`: `recvfrom from 10.0.0.9:5432`. */
export function awaited(waits: Wait): string {
  const { kind, address, pid, module, queuedIn } = waits;
  const at = address === undefined ? '' : ` ${formatAddress(address)}`;
  switch (kind) {
    case 'io':
      return awaitedCall(waits);
    case 'sleep':
      return `the end of a sleep${lengthOf(waits)}`;
    case 'child':
      return pid === undefined ? 'a child process' : `child process ${pid}`;
    case 'gil':
      return 'the GIL';
    case 'import-lock':
      return `the import ${module === undefined ? `lock${at}` : `of "${module}"`}`;
    case 'condition':
    case 'event':
      return queuedIn === undefined ? `the ${kind}${at}` : 'work that is still in the queue of its pool';
    case 'join':
      return 'the end of a thread';
    case 'semaphore':
    case 'queue':
    case 'python-lock':
    case 'python-rlock':
    case 'mp-lock':
    case 'pthread-mutex':
      return `the ${kind}${at}`;
    case 'unknown':
      return waits.syscall ?? 'something unknown';
    default:
      return kind satisfies never;
  }
}

function lengthOf({ timeoutSeconds }: Wait): string {
  return timeoutSeconds === undefined ? '' : ` of ${Number(timeoutSeconds.toPrecision(4))} s`;
}

/** The system call, and whom it is about. */
function awaitedCall({ syscall = 'input or output', peer, fd }: Wait): string {
  if (peer !== undefined) return `${syscall} ${direction(syscall)} ${peer}`;
  return fd === undefined ? syscall : `${syscall} on descriptor ${fd}`;
}

function direction(syscall: string): string {
  if (/^(?:connect|p?write|send)/.test(syscall)) return 'to';
  return /^(?:p?read|recv)/.test(syscall) ? 'from' : 'on';
}
