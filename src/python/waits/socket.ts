import type { CoreThread } from '../../corefile/core.ts';
import { formatAddress } from '../../corefile/memory.ts';
import type { LiveFrame } from '../frames/frames.ts';
import { slotsOf } from '../frames/slots.ts';
import { loadedModules } from '../loaded-modules.ts';
import { isInstance, wordsOf } from '../objects/classes.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { Evidence, PythonSocket } from '../process.ts';

/** Frames from the innermost on in which the socket is looked for: ssl and http.client stand between it and the program. */
const frameLimit = 6;
/** Slots of one frame that are looked at, of its stack and of its variables. */
const slotLimit = 128;

/**
 * The socket object whose system call a thread is blocked in: one that its innermost frames work with and that has the
 * descriptor of the call. Undefined for other calls, and where C code uses the descriptor by itself.
 */
export function awaitedSocket(
  heap: Heap,
  thread: CoreThread | undefined,
  frames: readonly LiveFrame[],
  interpreter: bigint,
): PythonSocket | undefined {
  const fd = thread === undefined ? undefined : awaitedDescriptor(heap, thread);
  const type = fd === undefined || frames.length === 0 ? undefined : socketType(heap, interpreter);
  if (fd === undefined || type === undefined) return undefined;
  const seen = new Set<bigint>();
  for (const frame of frames.slice(0, frameLimit))
    for (const { object: value } of slotsOf(heap, frame, slotLimit)) {
      if (seen.has(value)) continue;
      seen.add(value);
      for (const object of socketsBehind(heap, value, type)) {
        const socket = attempt(() => readSocket(heap, object, fd));
        if (socket !== undefined) return socket;
      }
    }
  return undefined;
}

/** Calls whose first argument is the descriptor (man 2 of each), as Modules/socketmodule.c makes them. */
const descriptorCalls: ReadonlySet<string> = new Set([
  'accept',
  'accept4',
  'connect',
  'read',
  'recvfrom',
  'recvmsg',
  'sendmsg',
  'sendto',
  'write',
]);

/** A socket with a time-out polls its descriptor first, and that alone (`internal_select`, 2.7 to 3.14). */
function awaitedDescriptor(heap: Heap, { syscall }: CoreThread): number | undefined {
  const { name = '', args = [] } = syscall ?? {};
  const [first = 0n, second = 0n] = args;
  if (descriptorCalls.has(name)) return Number(BigInt.asIntN(32, first));
  const isPoll = (name === 'poll' || name === 'ppoll') && BigInt.asUintN(32, second) === 1n;
  // struct pollfd starts with it.
  return isPoll ? attempt(() => heap.int(first)) : undefined;
}

const socketTypes = new WeakMap<Heap, Map<bigint, bigint | undefined>>();

/** The type `_socket.socket` of an interpreter, looked up once; undefined where the module is not loaded. */
function socketType(heap: Heap, interpreter: bigint): bigint | undefined {
  const known = socketTypes.get(heap) ?? new Map<bigint, bigint | undefined>();
  socketTypes.set(heap, known);
  if (!known.has(interpreter)) known.set(interpreter, findSocketType(heap, interpreter));
  return known.get(interpreter);
}

function findSocketType(heap: Heap, interpreter: bigint): bigint | undefined {
  return attempt(() => {
    const module = loadedModules(heap, { address: interpreter }, ['_socket']).get('_socket');
    return module === undefined ? undefined : heap.attribute(module, 'SocketType');
  });
}

/** A value that is a socket, is bound to one, or has one. */
function* socketsBehind(heap: Heap, value: bigint, type: bigint): Generator<bigint> {
  const isSocket = (object: bigint) => isInstance(heap, object, type);
  if (isSocket(value)) yield value;
  const bound = attempt(() => heap.boundMethod(value)?.self);
  if (bound !== undefined && isSocket(bound)) yield bound;
  // Lib/socket.py: `SocketIO`; Lib/http/client.py: `HTTPConnection`.
  const held = attempt(() => heap.attribute(value, '_sock', 'sock'));
  if (held !== undefined && isSocket(held)) yield held;
  // Lib/socket.py of 2.7: `_socketobject` and `_fileobject` keep theirs in a slot.
  if (['_socketobject', 'SSLSocket', '_fileobject'].includes(attempt(() => heap.className(value)) ?? ''))
    yield* wordsOf(heap, value).filter(isSocket);
}

/** Undefined for a socket of another descriptor. */
function readSocket(heap: Heap, address: bigint, fd: number): PythonSocket | undefined {
  const { descriptor, timeout, timeoutIn } = heap.layout.socket;
  if (heap.int(address + BigInt(descriptor)) !== fd) return undefined;
  const field = address + BigInt(timeout);
  const bytes = heap.read(field, 8);
  const seconds = timeoutIn === 'seconds' ? bytes.readDoubleLE() : Number(bytes.readBigInt64LE()) / 1e9;
  const timeoutSeconds = seconds < 0 ? null : seconds;
  const evidence: Evidence = {
    text: `the socket ${formatAddress(address)} of descriptor ${fd} ${timeoutText(timeoutSeconds)}`,
    address: field,
    value: bytes.readBigUInt64LE(),
    bytes: 8,
  };
  return { address, fd, timeoutSeconds, evidence: [evidence] };
}

function timeoutText(seconds: number | null): string {
  if (seconds === null) return 'has no time-out (None)';
  return seconds === 0 ? 'does not block (time-out 0)' : `has a time-out of ${Number(seconds.toPrecision(6))} s`;
}
