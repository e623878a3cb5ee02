import { localOf } from '../frames/slots.ts';
import { slotAttribute } from '../objects/classes.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { TaskWait } from '../process.ts';
import type { CoroutineFrame } from './coroutines.ts';
import type { TaskObjects } from './task-object.ts';

export type Deadline = Pick<TaskWait, 'timeoutSeconds' | 'limited'>;

/**
 * After what time a task goes on whatever happens: the least limit of the functions that it stands in, and whether it is
 * in the block of a context manager that cancels it.
 * @param entered objects whose `with` or `async with` block it is in
 */
export function deadlineOf(
  objects: TaskObjects,
  frames: readonly CoroutineFrame[],
  entered: Iterable<bigint>,
): Deadline {
  const limits = frames.flatMap(frame => secondsOf(objects.heap, frame) ?? []);
  const least = limits.length === 0 ? undefined : Math.min(...limits);
  const isLimited =
    least !== undefined || [...entered].some(object => attempt(() => cancels(objects, object)) === true);
  return {
    ...(least !== undefined && { timeoutSeconds: least }),
    ...(isLimited && { limited: true }),
  };
}

/** Lib/asyncio/tasks.py: what is given to its functions. */
const limiting: Readonly<Record<string, string>> = { sleep: 'delay', wait_for: 'timeout', wait: 'timeout' };

function secondsOf(heap: Heap, frame: CoroutineFrame): number | undefined {
  const { function: name, file } = frame;
  const variable = file.endsWith('/asyncio/tasks.py') ? limiting[name] : undefined;
  if (variable === undefined) return undefined;
  const seconds = attempt(() => heap.number(localOf(heap, frame, variable) ?? 0n));
  return seconds !== undefined && Number.isFinite(seconds) ? seconds : undefined;
}

/** Attributes that have the moment at which a context manager cancels: asyncio, async_timeout, anyio, aiohttp. */
const moments = ['_when', '_deadline', '_timeout_at'] as const;

function cancels(objects: TaskObjects, object: bigint): boolean {
  const { heap } = objects;
  const type = heap.typeNameOf(object) ?? '';
  // contextlib.contextmanager: the generator says which one it is.
  const maker = type.endsWith('GeneratorContextManager') ? makerOf(objects, object) : undefined;
  if (maker !== undefined) return /timeout|deadline|fail_after|move_on/i.test(maker);
  if (!/timeout|timer|CancelScope/i.test(type) || /noop/i.test(type)) return false;
  const when = attempt(() => heap.attribute(object, ...moments)) ?? momentInSlot(heap, object);
  if (when === undefined) return true;
  const moment = attempt(() => heap.number(when));
  return moment !== undefined && Number.isFinite(moment);
}

function momentInSlot(heap: Heap, object: bigint): bigint | undefined {
  return moments.map(name => attempt(() => slotAttribute(heap, object, name))).find(value => value !== undefined);
}

/** Name of the generator whose `yield` is the block (Lib/contextlib.py, `_GeneratorContextManagerBase.gen`). */
function makerOf({ heap, layout }: TaskObjects, object: bigint): string | undefined {
  return attempt(() => {
    const generator = heap.attribute(object, 'gen') ?? 0n;
    return heap.text(heap.pointer(generator + BigInt(layout.generator.qualifiedName)), 256);
  });
}
