import { formatAddress } from '../../corefile/memory.ts';
import { localOf, type Slot, slotOf } from '../frames/slots.ts';
import type { EnteredManagers } from '../locks/entered-managers.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { Evidence, TaskWait, TaskWaitKind } from '../process.ts';
import type { CoroutineFrame } from './coroutines.ts';
import { type Deadline, deadlineOf } from './deadlines.ts';
import { plainSet } from './task-list.ts';
import { isTask, readTask, type TaskObject, type TaskObjects, waiterEvidence } from './task-object.ts';
import type { TaskSurroundings } from './task-surroundings.ts';

/** Children of a `gather` that are named. */
const namedLimit = 3;
/** Children of a `gather` that are looked at. */
const childLimit = 64;

export interface TaskAwait {
  readonly text: string;
  /** Addresses of the tasks that it goes on after: they have to end, or to leave the block of a lock. */
  readonly waitsFor: readonly bigint[];
  /** Whether one of several would do. */
  readonly any?: boolean;
  readonly waits: TaskWait;
}

export interface SuspendedTask {
  readonly task: TaskObject;
  /** Outermost first. */
  readonly frames: readonly CoroutineFrame[];
  /** What it is in the block of. */
  readonly held: EnteredManagers;
}

/**
 * What a task waits for: the function of asyncio that its own code called, with its limit or its peer, and the tasks
 * behind it.
 */
export function describeAwait(
  objects: TaskObjects,
  { task, frames, held }: SuspendedTask,
  surroundings: TaskSurroundings,
): TaskAwait {
  const call = calledOf(frames);
  const what = call === undefined ? undefined : [call.name, ...detailsOf(objects, call.frames)].join(' ');
  const others = othersOf(objects, task, call?.frames ?? [], surroundings);
  const own =
    what === undefined ? (others?.alone ?? typeName(objects.heap, task.waiter)) : `${what}${others?.text ?? ''}`;
  return {
    text: [own, ...limitsOf(objects, frames, call?.frames ?? [])].join(', '),
    waitsFor: others?.tasks ?? [],
    ...(others?.any === true && { any: true }),
    waits: waitOf(objects, task, call?.frames ?? [], {
      ...(others && { others }),
      deadline: deadlineOf(objects, frames, held.keys()),
    }),
  };
}

/** What is told of a wait beside where it stands. */
interface Known {
  readonly others?: Others;
  readonly deadline: Deadline;
}

/** @param called outermost first */
function waitOf(
  objects: TaskObjects,
  task: TaskObject,
  called: readonly CoroutineFrame[],
  { others, deadline }: Known,
): TaskWait {
  const { heap } = objects;
  const innermost = called.at(-1);
  const kind = others?.kind ?? waitedIn.find(([name]) => name.test(innermost?.function ?? ''))?.[1] ?? 'future';
  const self = innermost && objectKinds.has(kind) ? attempt(() => slotOf(heap, innermost, 'self')) : undefined;
  const own = innermost && self ? [selfEvidence(innermost, self)] : [];
  const { fd, peer } = kind === 'io' ? endsOf(heap, called) : {};
  return {
    kind,
    ...(self && { address: self.object }),
    confidence: self !== undefined || others?.evidence !== undefined ? 'proven' : 'likely',
    ...(fd !== undefined && { fd }),
    ...(peer !== undefined && { peer }),
    ...(others?.worker !== undefined && { worker: others.worker }),
    ...deadline,
    evidence: [...waiterEvidence(objects, task), ...(others?.evidence ?? []), ...own],
  };
}

/** Lib/asyncio: what its functions wait for, by the innermost of those that were called. */
const waitedIn: readonly (readonly [name: RegExp, kind: TaskWaitKind])[] = [
  [/^Lock\.acquire$/, 'lock'],
  [/Semaphore\.acquire$/, 'semaphore'],
  [/^Condition\./, 'condition'],
  [/^(?:Event|Barrier)\./, 'event'],
  [/Queue\./, 'queue'],
  [/^sleep$/, 'sleep'],
  [/^(?:StreamReader|FlowControlMixin)\.|(?:^|\.)(?:_?sock_\w+|_?create_\w*connection\w*|start_tls)$/, 'io'],
];

const objectKinds: ReadonlySet<TaskWaitKind> = new Set(['lock', 'semaphore', 'condition', 'event', 'queue']);

function selfEvidence({ function: name }: CoroutineFrame, { object, address, word }: Slot): Evidence {
  return { text: `waits in ${name} of ${formatAddress(object)}`, address, value: word, bytes: 8 };
}

/** Descriptor and peer of what is read or written. */
function endsOf(heap: Heap, called: readonly CoroutineFrame[]): Pick<TaskWait, 'fd' | 'peer'> {
  for (const frame of called.toReversed()) {
    const local = (name: string) => attempt(() => localOf(heap, frame, name));
    const ends = usesTransport.test(frame.function) ? transportEnds(heap, local('self')) : undefined;
    if (ends !== undefined) return ends;
    const fd = attempt(() => heap.integer(local('fd') ?? 0n));
    if (fd !== undefined && fd >= 0n) return { fd: Number(fd) };
  }
  return {};
}

const usesTransport = /^(?:StreamReader\._wait_for_data|FlowControlMixin\._drain_helper)$/;

/** Of `wait_for` around code that is not asyncio's: from 3.12 on that is run by the task itself. */
function limitsOf(
  objects: TaskObjects,
  frames: readonly CoroutineFrame[],
  called: readonly CoroutineFrame[],
): readonly string[] {
  return frames
    .slice(0, frames.length - called.length)
    .filter(({ function: name, file }) => name === 'wait_for' && isAsyncio(file))
    .flatMap(frame =>
      secondsOf(
        objects,
        attempt(() => localOf(objects.heap, frame, 'timeout')),
      ),
    )
    .map(limit => `within asyncio.wait_for ${limit}`);
}

export interface Others {
  readonly kind?: TaskWaitKind;
  /** With what joins it to the call. */
  readonly text: string;
  /** Where there is no call. */
  readonly alone: string;
  readonly tasks: readonly bigint[];
  readonly any?: boolean;
  /** The thread that works for it. */
  readonly worker?: number;
  /** That it waits for these tasks, where the future alone does not say it; absent: that is not proven. */
  readonly evidence?: readonly Evidence[];
}

/** Whom a task waits for: tasks that have to end, those that hold a lock, or a thread that works for it. */
function othersOf(
  objects: TaskObjects,
  { address, waiter }: TaskObject,
  frames: readonly CoroutineFrame[],
  surroundings: TaskSurroundings,
): Others | undefined {
  const name = taskName(objects, waiter);
  if (name !== undefined) return { kind: 'task', text: `: ${name}`, alone: name, tasks: [waiter], evidence: [] };
  return (
    attempt(() => gathered(objects, waiter)) ??
    attempt(() => waitedSet(objects, frames)) ??
    attempt(() => limited(objects, frames)) ??
    attempt(() => locked(objects, frames, surroundings)) ??
    attempt(() => surroundings.behind(waiter, address))
  );
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
  if (named.function.startsWith('TaskGroup.')) return { name: 'asyncio.TaskGroup', frames: inner };
  return { name: `asyncio.${named.function.replace(/^Base(?:\w+)?EventLoop\./, 'loop.')}`, frames: inner };
}

function isAsyncio(file: string): boolean {
  return /\/python\d\.\d+t?\/asyncio\/\w+\.py$/.test(file);
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
      case 'wait_for':
        return secondsOf(objects, local('timeout'));
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

function secondsOf(objects: TaskObjects, value: bigint | undefined): readonly string[] {
  const seconds = value === undefined ? undefined : attempt(() => objects.heap.number(value));
  return seconds === undefined ? [] : [`(${Number(seconds.toPrecision(6))} s)`];
}

/** Lib/asyncio/selector_events.py: a transport keeps its descriptor and the address of its peer. */
function transportOf(heap: Heap, holder: bigint | undefined): readonly string[] {
  const { fd, peer } = transportEnds(heap, holder) ?? {};
  return [...(peer === undefined ? [] : [`from ${peer}`]), ...(fd === undefined ? [] : [`(descriptor ${fd})`])];
}

function transportEnds(heap: Heap, holder: bigint | undefined): Pick<TaskWait, 'fd' | 'peer'> | undefined {
  const transport = holder === undefined ? undefined : attempt(() => heap.attribute(holder, '_transport'));
  if (transport === undefined) return undefined;
  const fd = attempt(() => heap.integer(heap.attribute(transport, '_sock_fd', '_fileno') ?? 0n));
  const peer = attempt(() => slottedPeer(heap, transport));
  return { ...(peer !== undefined && { peer }), ...(fd !== undefined && { fd: Number(fd) }) };
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

export function taskName(objects: TaskObjects, object: bigint): string | undefined {
  if (object === 0n || !isTask(objects, object)) return undefined;
  const { name } = attempt(() => readTask(objects, object)) ?? {};
  return titleOf(name);
}

function titleOf(name: string | undefined): string {
  return name === undefined ? 'a task' : `task "${name}"`;
}

/** The first of them by name, and how many more there are. */
function listed(tasks: readonly { readonly name?: string | undefined }[]): string {
  const named = tasks.slice(0, namedLimit).map(({ name }) => titleOf(name));
  return `${named.join(', ')}${tasks.length > namedLimit ? ` and ${tasks.length - namedLimit} more` : ''}`;
}

/** Lib/asyncio/tasks.py, `_GatheringFuture` */
function gathered(objects: TaskObjects, future: bigint): Others | undefined {
  const { heap, layout } = objects;
  if (heap.typeNameOf(future) !== '_GatheringFuture') return undefined;
  const list = heap.attribute(future, '_children');
  if (list === undefined) return { kind: 'task', text: ': gather', alone: 'gather', tasks: [] };
  const count = heap.count(list + BigInt(heap.layout.object.itemCount), 1 << 28);
  const start = heap.pointer(list + BigInt(layout.list.items));
  const items = heap.pointers(start, Math.min(count, childLimit));
  const { text, tasks } = pendingOf(objects, items);
  const evidence = tasks.slice(0, namedLimit).map(
    (task): Evidence => ({
      text: `the gather ${formatAddress(future)} waits for the task ${formatAddress(task)}`,
      address: start + BigInt(8 * items.indexOf(task)),
      value: task,
      bytes: 8,
    }),
  );
  const alone = `gather of ${count}${text === '' ? '' : `, not done: ${text}`}`;
  return { kind: 'task', text: `: ${alone}`, alone, tasks, evidence };
}

/** Lib/asyncio/taskgroups.py, `TaskGroup._tasks`; Lib/asyncio/tasks.py, `fs` of `_wait`. */
function waitedSet(objects: TaskObjects, frames: readonly CoroutineFrame[]): Others | undefined {
  const { heap, layout } = objects;
  for (const frame of frames) {
    const isGroup = frame.function.startsWith('TaskGroup.');
    if (!isGroup && frame.function !== '_wait') continue;
    const owner = localOf(heap, frame, isGroup ? 'self' : 'fs');
    const set = isGroup && owner !== undefined ? heap.attribute(owner, '_tasks') : owner;
    const items = set === undefined ? [] : [...plainSet(heap, layout, set)].slice(0, childLimit);
    const { text, tasks } = pendingOf(objects, items);
    const alone = `of ${items.length}${text === '' ? '' : `, not done: ${text}`}`;
    // `asyncio.wait` may be content with the first.
    return { kind: 'task', text: ` ${alone}`, alone, tasks, any: !isGroup };
  }
  return undefined;
}

/** Lib/asyncio/tasks.py, `wait_for`: what it was given becomes a task, up to 3.11. */
function limited(objects: TaskObjects, frames: readonly CoroutineFrame[]): Others | undefined {
  const frame = frames.find(({ function: name }) => name === 'wait_for');
  const slot = frame === undefined ? undefined : slotOf(objects.heap, frame, 'fut');
  const name = slot === undefined ? undefined : taskName(objects, slot.object);
  if (slot === undefined || name === undefined) return undefined;
  const { object, address, word } = slot;
  const text = `waits in wait_for for the task ${formatAddress(object)}`;
  const evidence: readonly Evidence[] = [{ text, address, value: word, bytes: 8 }];
  return { kind: 'task', text: ` for ${name}`, alone: name, tasks: [object], evidence };
}

/** Lib/asyncio/locks.py: what its methods are called on. */
function locked(
  { heap }: TaskObjects,
  frames: readonly CoroutineFrame[],
  surroundings: TaskSurroundings,
): Others | undefined {
  for (const frame of frames.toReversed()) {
    if (!/(?:^|\.)(?:acquire|__aenter__)$/.test(frame.function)) continue;
    const lock = localOf(heap, frame, 'self');
    const holders = lock === undefined ? [] : surroundings.holdersOf(lock);
    if (holders.length === 0) continue;
    const alone = `held by ${listed(holders)}`;
    return { text: `, ${alone}`, alone, tasks: holders.map(({ address }) => address), any: true };
  }
  return undefined;
}

function pendingOf(objects: TaskObjects, items: readonly bigint[]): Pick<Others, 'text' | 'tasks'> {
  const pending = items.flatMap(address => {
    const task = attempt(() => readTask(objects, address));
    return task === undefined || task.done ? [] : [task];
  });
  return { text: listed(pending), tasks: pending.map(({ address }) => address) };
}

function typeName(heap: Heap, object: bigint): string {
  const name = heap.typeNameOf(object) ?? '';
  return name === '' || name === '_asyncio.Future' ? 'a future' : `a "${name}"`;
}
