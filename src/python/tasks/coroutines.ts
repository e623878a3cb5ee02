import { formatAddress } from '../../corefile/memory.ts';
import type { FrameReader, LiveFrame } from '../frames/frames.ts';
import { attempt, type Heap, MalformedPythonError } from '../objects/heap.ts';
import type { PythonFrame } from '../process.ts';
import type { TaskLayout } from './task-layout.ts';

/** The frame of a coroutine that is not being run, or whose running frames a thread has. */
export type CoroutineFrame = Omit<LiveFrame, 'frame'> & Pick<PythonFrame, 'address' | 'function' | 'file' | 'line'>;

export interface CoroutineChain {
  /** What runs it: the thread that has this frame. The inner frames are the thread's. */
  readonly executing?: bigint;
  /** Outermost first, as far as they are suspended. */
  readonly frames: readonly CoroutineFrame[];
  /** Whether there were more than are kept. */
  readonly cut: boolean;
}

/** Most coroutines that one task is followed through. */
export const coroutineLimit = 64;
/** With what stands between them. */
const objectLimit = 4 * coroutineLimit;

export interface CoroutineReader {
  readonly heap: Heap;
  readonly frames: FrameReader;
  readonly layout: TaskLayout;
}

/**
 * The coroutines that await one another, from a task's own to the innermost that can be read.
 * @throws HangarError on damage
 */
export function followCoroutine(reader: CoroutineReader, coroutine: bigint): CoroutineChain {
  const { heap } = reader;
  const frames: CoroutineFrame[] = [];
  const seen = new Set<bigint>();
  for (let object = coroutine; object !== 0n; ) {
    if (seen.has(object)) throw new MalformedPythonError(`the coroutine ${formatAddress(object)} awaits itself`);
    if (seen.size >= objectLimit) return { frames, cut: true };
    seen.add(object);
    const name = heap.typeNameOf(object) ?? '';
    const inner = innerOf(reader, object, name);
    if (inner !== undefined) {
      object = inner;
      continue;
    }
    if (!suspendable.has(name)) break;
    if (frames.length >= coroutineLimit) return { frames, cut: true };
    const suspended = readGenerator(reader, object);
    if (suspended === undefined) break;
    if (suspended.status === 'executing') return { executing: suspended.address, frames, cut: false };
    frames.push(suspended.frame);
    object = suspended.awaited;
  }
  return { frames, cut: false };
}

const suspendable: ReadonlySet<string> = new Set(['coroutine', 'generator', 'async_generator']);

/** What an object stands for that is awaited in the place of a coroutine; undefined: it is not such a one. */
function innerOf({ heap, layout }: CoroutineReader, object: bigint, name: string): bigint | undefined {
  const known = layout.between[name];
  if (known !== undefined) return heap.pointer(object + BigInt(known));
  if (name !== '') return undefined;
  // Without the modules' files these types have no name: one that leads to a coroutine where they do is one of them.
  return Object.values(layout.between)
    .map(offset => attempt(() => heap.pointer(object + BigInt(offset))) ?? 0n)
    .find(inner => suspendable.has(heap.typeNameOf(inner) ?? ''));
}

type GeneratorState =
  | { readonly status: 'executing'; readonly address: bigint }
  /** `awaited` is 0 for one that has not started, and for a plain `yield`. */
  | { readonly status: 'suspended'; readonly frame: CoroutineFrame; readonly awaited: bigint };

/** Undefined for one that has ended. */
function readGenerator(reader: CoroutineReader, generator: bigint): GeneratorState | undefined {
  const { shape } = reader.heap.layout.frame;
  switch (shape) {
    case 'frame-object':
      return readFrameObject(reader, generator);
    case 'interpreter-frame':
      return readEmbeddedFrame(reader, generator);
    default:
      return shape satisfies never;
  }
}

function readFrameObject(reader: CoroutineReader, generator: bigint): GeneratorState | undefined {
  const { heap, frames, layout } = reader;
  const { stackTop } = layout;
  const address = heap.pointer(generator + BigInt(layout.generator.frame));
  if (address === 0n) return undefined;
  const live = frames.frameAt(address);
  const field = address + BigInt(stackTop.offset);
  const top = stackTop.as === 'pointer' ? heap.pointer(field) : live.stack + BigInt(8 * heap.int(field));
  if (top === 0n || top < live.stack) return { status: 'executing', address };
  return {
    status: 'suspended',
    frame: coroutineFrame(reader, generator, live),
    awaited: isAwaiting(layout, live) ? topOf(heap, live, top) : 0n,
  };
}

function readEmbeddedFrame(reader: CoroutineReader, generator: bigint): GeneratorState | undefined {
  const { heap, frames, layout } = reader;
  const { state: field } = layout.generator;
  if (field === undefined) throw new MalformedPythonError('the layout says not where a generator keeps its state');
  const state = heap.read(generator + BigInt(field.offset), 1).readInt8();
  if (state > field.executing) return undefined;
  const address = generator + BigInt(layout.generator.frame);
  if (state === field.executing) return { status: 'executing', address };
  const live = frames.frameAt(address);
  const awaits = state !== field.created && isAwaiting(layout, live, state);
  return {
    status: 'suspended',
    frame: coroutineFrame(reader, generator, live),
    awaited: awaits ? heap.referent(topOf(heap, live, embeddedTop(heap, layout, live))) : 0n,
  };
}

function embeddedTop(heap: Heap, { stackTop }: TaskLayout, { frame, locals }: LiveFrame): bigint {
  const field = frame.address + BigInt(stackTop.offset);
  return stackTop.as === 'pointer' ? heap.pointer(field) : locals + BigInt(8 * heap.int(field));
}

/** The highest value of a stack, which must lie where the code says that stack is. */
function topOf(heap: Heap, { code: { stackSize }, stack }: LiveFrame, top: bigint): bigint {
  const depth = (top - stack) / 8n;
  if (depth < 1n || depth > BigInt(stackSize))
    throw new MalformedPythonError(`a suspended frame has ${depth} values on its stack, expected 1 to ${stackSize}`);
  return heap.pointer(top - 8n);
}

function isAwaiting({ awaiting }: TaskLayout, { code, instruction }: LiveFrame, state?: number): boolean {
  switch (awaiting.by) {
    case 'state':
      return state === awaiting.value;
    case 'instruction':
      return instruction >= 0 && code.opcodeAt(instruction + 2) === awaiting.opcode;
    case 'argument':
      return instruction >= 0 && ((code.opcodeAt(instruction + 3) ?? 0) & 3) >= awaiting.minimum;
    default:
      return awaiting satisfies never;
  }
}

function coroutineFrame({ heap, layout }: CoroutineReader, generator: bigint, live: LiveFrame): CoroutineFrame {
  const { frame, ...slots } = live;
  const qualified = attempt(() => heap.text(heap.pointer(generator + BigInt(layout.generator.qualifiedName)), 256));
  return {
    ...slots,
    address: frame.address,
    function: qualified ?? frame.function,
    file: frame.file,
    line: frame.line,
  };
}
