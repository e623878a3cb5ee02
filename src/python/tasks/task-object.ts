import { formatAddress } from '../../corefile/memory.ts';
import { isDerived } from '../objects/classes.ts';
import { attempt, type Heap, MalformedPythonError } from '../objects/heap.ts';
import type { Evidence } from '../process.ts';
import type { TaskLayout } from './task-layout.ts';

/** What a task object says of itself; addresses are 0 where it has none. */
export interface TaskObject {
  readonly address: bigint;
  readonly name?: string;
  readonly done: boolean;
  readonly coroutine: bigint;
  /** The future that it waits for. */
  readonly waiter: bigint;
  readonly loop: bigint;
}

export interface TaskObjects {
  readonly heap: Heap;
  readonly layout: TaskLayout;
  /** The type `_asyncio.Task`; undefined where asyncio runs without its C module. */
  readonly nativeTask: bigint | undefined;
  readonly none: bigint | undefined;
}

/**
 * Reads a task written in C, a subclass of it, or one written in Python.
 * @throws HangarError when there is none at the address, or another one than the layout says
 */
export function readTask(objects: TaskObjects, address: bigint): TaskObject {
  if (isNative(objects, address)) return nativeTask(objects, address);
  const { heap } = objects;
  const coroutine = heap.attribute(address, '_coro');
  if (coroutine === undefined)
    throw new MalformedPythonError(`${formatAddress(address)} is a "${heap.typeOf(address).name}", expected a task`);
  const [state, name, waiter, loop] = ['_state', '_name', '_fut_waiter', '_loop'].map(key =>
    heap.attribute(address, key),
  );
  const label = name === undefined ? undefined : labelOf(heap, name);
  return {
    address,
    ...(label !== undefined && { name: label }),
    done: state !== undefined && heap.text(state, 16) !== 'PENDING',
    coroutine,
    waiter: present(objects, waiter),
    loop: present(objects, loop),
  };
}

/** Whether an object is a task, of whatever class. */
export function isTask(objects: TaskObjects, address: bigint): boolean {
  const known = attempt(() => isNative(objects, address) || objects.heap.attribute(address, '_coro') !== undefined);
  return known ?? false;
}

/** Whether a future has its result: who waits for it will be run. */
export function isDone(objects: TaskObjects, future: bigint): boolean {
  const state = attempt(() => stateOf(objects, future));
  return state !== undefined && state !== 'PENDING';
}

/** Of a future, or of a task, which has its state where that has it (Modules/_asynciomodule.c, `FutureObj_HEAD`). */
function stateOf(objects: TaskObjects, future: bigint): string | undefined {
  const { heap, layout } = objects;
  if (heap.typeNameOf(future) !== '_asyncio.Future' && !isNative(objects, future))
    return heap.text(heap.attribute(future, '_state') ?? 0n, 16);
  const state = heap.int(future + BigInt(layout.task.state));
  return state === 1 || state === 2 ? 'DONE' : 'PENDING';
}

/** That a task waits for its future. */
export function waiterEvidence(objects: TaskObjects, { address, waiter }: TaskObject): readonly Evidence[] {
  const { heap, layout } = objects;
  const slot = attempt(() =>
    isNative(objects, address)
      ? address + BigInt(layout.task.waiter)
      : heap.attributeSlot(address, '_fut_waiter')?.slot,
  );
  if (slot === undefined) return [];
  return [{ text: `goes on after the future ${formatAddress(waiter)}`, address: slot, value: waiter, bytes: 8 }];
}

function isNative({ heap, nativeTask: wanted }: TaskObjects, address: bigint): boolean {
  return wanted !== undefined && isDerived(heap, heap.typeAddress(address), wanted);
}

function nativeTask(objects: TaskObjects, address: bigint): TaskObject {
  const { heap, layout, nativeTask: type = 0n } = objects;
  const { task } = layout;
  const size = heap.count(type + BigInt(heap.layout.type.basicSize), 1 << 20);
  if (size !== task.size)
    throw new MalformedPythonError(`a task has ${size} bytes, expected ${task.size} as in ${layout.source.version}`);
  const state = heap.int(address + BigInt(task.state));
  if (state < 0 || state > 2)
    throw new MalformedPythonError(`the task ${formatAddress(address)} has the state ${state}, expected 0 to 2`);
  const label = task.name === undefined ? undefined : labelOf(heap, heap.pointer(address + BigInt(task.name)));
  const field = (offset: number) => present(objects, heap.pointer(address + BigInt(offset)));
  return {
    address,
    ...(label !== undefined && { name: label }),
    done: state !== 0,
    coroutine: field(task.coroutine),
    waiter: field(task.waiter),
    loop: field(task.loop),
  };
}

/** From 3.13 on the name is the number alone until somebody asks for it (Modules/_asynciomodule.c, `get_name`). */
function labelOf(heap: Heap, name: bigint): string | undefined {
  const number = attempt(() => heap.integer(name));
  return number === undefined ? attempt(() => heap.text(name, 200)) : `Task-${number}`;
}

function present({ none }: TaskObjects, object: bigint | undefined): bigint {
  return object === undefined || object === none ? 0n : object;
}
