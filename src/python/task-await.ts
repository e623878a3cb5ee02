import type { CoroutineFrame } from './coroutines.ts';
import { attempt, type Heap } from './heap.ts';
import { isTask, readTask, type TaskObjects } from './task-object.ts';

/** Children of a `gather` that are named. */
const namedLimit = 3;
/** Children of a `gather` that are looked at. */
const childLimit = 64;

/**
 * What a task waits for, in words: the function of asyncio that its own code called, with its limit or its peer, and the
 * tasks behind it. Undefined when it waits for nothing that could be read.
 * @param frames outermost first
 * @param waiter the future that the task waits for; 0: none
 */
export function describeAwait(
  objects: TaskObjects,
  frames: readonly CoroutineFrame[],
  waiter: bigint,
): string | undefined {
  if (waiter === 0n) return undefined;
  const call = calledOf(frames);
  const what = call === undefined ? undefined : [call.name, ...detailsOf(objects, call.frames)].join(' ');
  const whom = taskName(objects, waiter) ?? attempt(() => gathered(objects, waiter));
  if (what !== undefined) return whom === undefined ? what : `${what}: ${whom}`;
  return whom ?? typeName(objects.heap, waiter);
}

interface LibraryCall {
  /** `asyncio.sleep` */
  readonly name: string;
  /** Frames of asyncio, outermost first. */
  readonly frames: readonly CoroutineFrame[];
}

/** The frames of asyncio that the innermost code outside of it called, named by the outermost public one of them. */
function calledOf(frames: readonly CoroutineFrame[]): LibraryCall | undefined {
  const inner = frames.slice(frames.findLastIndex(({ file }) => !isAsyncio(file)) + 1);
  const named = inner.find(({ function: name }) => isPublic(name)) ?? inner[0];
  if (named === undefined) return undefined;
  return { name: `asyncio.${named.function.replace(/^Base(?:\w+)?EventLoop\./, 'loop.')}`, frames: inner };
}

function isAsyncio(file: string): boolean {
  return /\/python\d\.\d+\/asyncio\/\w+\.py$/.test(file);
}

function isPublic(name: string): boolean {
  return !name.split('.').some(part => part.startsWith('_'));
}

/** Limit, awaited task, descriptor and peer, from the locals of asyncio's own functions. */
function detailsOf(objects: TaskObjects, frames: readonly CoroutineFrame[]): readonly string[] {
  const { heap } = objects;
  return frames.flatMap(frame => {
    const local = (name: string) => attempt(() => localOf(heap, frame, name));
    switch (frame.function) {
      case 'sleep':
        return secondsOf(objects, local('delay'));
      case 'wait_for': {
        const inner = taskName(objects, local('fut') ?? 0n);
        return [...secondsOf(objects, local('timeout')), ...(inner === undefined ? [] : [`for ${inner}`])];
      }
      case 'StreamReader._wait_for_data':
      case 'FlowControlMixin._drain_helper':
        return transportOf(heap, local('self'));
      default: {
        const descriptor = local('fd');
        const number = descriptor === undefined ? undefined : attempt(() => heap.integer(descriptor));
        return number === undefined || number < 0n ? [] : [`(descriptor ${number})`];
      }
    }
  });
}

function localOf(heap: Heap, { code, locals }: CoroutineFrame, name: string): bigint | undefined {
  const slot = code.slotNames.indexOf(name);
  if (slot < 0) return undefined;
  const value = heap.referent(heap.pointer(locals + BigInt(8 * slot)));
  return value === 0n ? undefined : value;
}

function secondsOf(objects: TaskObjects, value: bigint | undefined): readonly string[] {
  const seconds = value === undefined ? undefined : attempt(() => numberOf(objects, value));
  return seconds === undefined ? [] : [`(${Number(seconds.toPrecision(6))} s)`];
}

function numberOf({ heap, layout }: TaskObjects, object: bigint): number | undefined {
  if (heap.typeOf(object).name === 'float') return heap.read(object + BigInt(layout.float), 8).readDoubleLE();
  const whole = heap.integer(object);
  return whole === undefined ? undefined : Number(whole);
}

/** Lib/asyncio/selector_events.py: a transport keeps its descriptor and the address of its peer. */
function transportOf(heap: Heap, holder: bigint | undefined): readonly string[] {
  const transport = holder === undefined ? undefined : attempt(() => heap.attribute(holder, '_transport'));
  if (transport === undefined) return [];
  const descriptor = attempt(() => heap.integer(heap.attribute(transport, '_sock_fd', '_fileno') ?? 0n));
  const peer = attempt(() => slottedPeer(heap, transport));
  return [
    ...(peer === undefined ? [] : [`from ${peer}`]),
    ...(descriptor === undefined ? [] : [`(descriptor ${descriptor})`]),
  ];
}

/** `_extra` is an attribute of the instance up to 3.7, then a slot: the word that leads to a dict with that key. */
function slottedPeer(heap: Heap, transport: bigint): string | undefined {
  const attribute = heap.attribute(transport, '_extra');
  const words = Math.min(Math.floor(heap.basicSize(transport) / 8), 32);
  for (const extra of attribute === undefined ? heap.pointers(transport, words) : [attribute]) {
    const name = heap.typeNameOf(extra) === 'dict' ? attempt(() => heap.item(extra, 'peername')) : undefined;
    if (name !== undefined) return peerOf(heap, name);
  }
  return undefined;
}

function peerOf(heap: Heap, name: bigint): string | undefined {
  const path = heap.text(name, 200);
  if (path !== undefined) return path === '' ? undefined : path;
  const [host, port] = heap.tuple(name);
  const address = host === undefined ? undefined : heap.text(host, 64);
  const number = port === undefined ? undefined : heap.integer(port);
  if (address === undefined || number === undefined) return undefined;
  return address.includes(':') ? `[${address}]:${number}` : `${address}:${number}`;
}

function taskName(objects: TaskObjects, object: bigint): string | undefined {
  if (object === 0n || !isTask(objects, object)) return undefined;
  const { name } = attempt(() => readTask(objects, object)) ?? {};
  return name === undefined ? 'a task' : `task "${name}"`;
}

/** Lib/asyncio/tasks.py, `_GatheringFuture` */
function gathered(objects: TaskObjects, future: bigint): string | undefined {
  const { heap, layout } = objects;
  if (heap.typeNameOf(future) !== '_GatheringFuture') return undefined;
  const list = heap.attribute(future, '_children');
  if (list === undefined) return 'gather';
  const count = heap.count(list + BigInt(heap.layout.object.itemCount), 1 << 28);
  const items = heap.pointers(heap.pointer(list + BigInt(layout.list.items)), Math.min(count, childLimit));
  const pending = items.flatMap(item => {
    const task = attempt(() => readTask(objects, item));
    return task === undefined || task.done ? [] : [task.name === undefined ? 'a task' : `task "${task.name}"`];
  });
  const named = pending.slice(0, namedLimit).join(', ');
  const rest = pending.length > namedLimit ? ` and ${pending.length - namedLimit} more` : '';
  return `gather of ${count}${named === '' ? '' : `, not done: ${named}${rest}`}`;
}

function typeName(heap: Heap, object: bigint): string {
  const name = heap.typeNameOf(object) ?? '';
  return name === '' || name === '_asyncio.Future' ? 'a future' : `a "${name}"`;
}
