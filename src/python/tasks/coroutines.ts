import { formatAddress } from '../../corefile/memory.ts';
import type { Code } from '../frames/code.ts';
import type { FrameReader } from '../frames/frames.ts';
import type { FrameLayout } from '../layout.ts';
import { attempt, type Heap, MalformedPythonError } from '../objects/heap.ts';
import type { TaskLayout } from './task-layout.ts';

/** The frame of a coroutine that is not being run, or whose running frames a thread has. */
export interface CoroutineFrame {
  readonly address: bigint;
  readonly function: string;
  readonly file: string;
  readonly line: number;
  readonly code: Code;
  /** Byte offset of its instruction into the bytecode; negative before the first. */
  readonly instruction: number;
  /** Address of the first local slot. */
  readonly locals: bigint;
  /** Address of the first value-stack slot. */
  readonly stack: bigint;
}

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
  const { frame: layout } = reader.heap.layout;
  switch (layout.shape) {
    case 'frame-object':
      return readFrameObject(reader, generator, layout);
    case 'interpreter-frame':
      return readEmbeddedFrame(reader, generator, layout);
    default:
      return layout satisfies never;
  }
}

function readFrameObject(
  { heap, frames, layout }: CoroutineReader,
  generator: bigint,
  frame: Extract<FrameLayout, { shape: 'frame-object' }>,
): GeneratorState | undefined {
  const { stackTop } = layout;
  const address = heap.pointer(generator + BigInt(layout.generator.frame));
  if (address === 0n) return undefined;
  const code = frames.code(heap.pointer(address + BigInt(frame.code)));
  const instruction = heap.int(address + BigInt(frame.lastInstruction)) * frame.instructionUnit;
  const bottom = heap.pointer(address + BigInt(frame.valueStack));
  const field = address + BigInt(stackTop.offset);
  const top = stackTop.as === 'pointer' ? heap.pointer(field) : bottom + BigInt(8 * heap.int(field));
  if (top === 0n || top < bottom) return { status: 'executing', address };
  return {
    status: 'suspended',
    frame: coroutineFrame(
      { heap, layout },
      { generator, address, code, instruction, locals: address + BigInt(frame.locals), stack: bottom },
    ),
    awaited: isAwaiting(layout, code, instruction) ? topOf(heap, code, bottom, top) : 0n,
  };
}

function readEmbeddedFrame(
  { heap, frames, layout }: CoroutineReader,
  generator: bigint,
  frame: Extract<FrameLayout, { shape: 'interpreter-frame' }>,
): GeneratorState | undefined {
  const { state: field } = layout.generator;
  if (field === undefined) throw new MalformedPythonError('the layout says not where a generator keeps its state');
  const state = heap.read(generator + BigInt(field.offset), 1).readInt8();
  if (state > field.executing) return undefined;
  const address = generator + BigInt(layout.generator.frame);
  if (state === field.executing) return { status: 'executing', address };
  const code = frames.code(heap.referent(heap.pointer(address + BigInt(frame.code))));
  const instruction = Number(
    BigInt.asIntN(40, heap.pointer(address + BigInt(frame.instruction)) - code.bytecodeAddress),
  );
  const locals = address + BigInt(frame.locals);
  const awaits = state !== field.created && isAwaiting(layout, code, instruction, state);
  const bottom = locals + BigInt(8 * code.slotCount);
  return {
    status: 'suspended',
    frame: coroutineFrame({ heap, layout }, { generator, address, code, instruction, locals, stack: bottom }),
    awaited: awaits ? heap.referent(topOf(heap, code, bottom, embeddedTop(heap, layout, address, locals))) : 0n,
  };
}

function embeddedTop(heap: Heap, { stackTop }: TaskLayout, frame: bigint, locals: bigint): bigint {
  const field = frame + BigInt(stackTop.offset);
  return stackTop.as === 'pointer' ? heap.pointer(field) : locals + BigInt(8 * heap.int(field));
}

/** The highest value of a stack, which must lie where the code says that stack is. */
function topOf(heap: Heap, { stackSize }: Code, bottom: bigint, top: bigint): bigint {
  const depth = (top - bottom) / 8n;
  if (depth < 1n || depth > BigInt(stackSize))
    throw new MalformedPythonError(`a suspended frame has ${depth} values on its stack, expected 1 to ${stackSize}`);
  return heap.pointer(top - 8n);
}

function isAwaiting({ awaiting }: TaskLayout, code: Code, instruction: number, state?: number): boolean {
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

interface FrameParts {
  readonly generator: bigint;
  readonly address: bigint;
  readonly code: Code;
  readonly instruction: number;
  readonly locals: bigint;
  readonly stack: bigint;
}

function coroutineFrame(
  { heap, layout }: Pick<CoroutineReader, 'heap' | 'layout'>,
  { generator, address, code, instruction, locals, stack }: FrameParts,
): CoroutineFrame {
  const qualified = attempt(() => heap.text(heap.pointer(generator + BigInt(layout.generator.qualifiedName)), 256));
  return {
    address,
    function: qualified ?? code.function,
    file: code.file,
    line: code.lineAt(instruction),
    code,
    instruction,
    locals,
    stack,
  };
}
