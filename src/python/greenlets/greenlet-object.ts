import { formatAddress } from '../../corefile/memory.ts';
import type { FrameReader, FrameWalk } from '../frames/frames.ts';
import { attempt, type Heap, MalformedPythonError } from '../objects/heap.ts';
import type { GreenletLayout } from './greenlet-layout.ts';
import { withSavedStack } from './saved-stack.ts';

/** What a greenlet object says of itself. */
export interface GreenletObject {
  readonly address: bigint;
  /** `new`: nobody has switched to it yet. */
  readonly state: 'new' | 'running' | 'suspended' | 'ended';
  /** Whether it is the one that its thread began with. */
  readonly isMain: boolean;
  /** Greenlet that goes on when it ends; 0: none. */
  readonly parent: bigint;
  /** An address on the C stack of its thread; absent where it is on none. */
  readonly stack?: bigint;
  /** Of a suspended one. */
  readonly frames?: FrameWalk;
}

export interface GreenletReader {
  readonly heap: Heap;
  readonly frames: FrameReader;
  readonly layout: GreenletLayout;
}

/** `stack_stop` of a main greenlet: the highest address there is (TStackState.cpp, `make_main`). */
const wholeStack = (1n << 64n) - 1n;

/**
 * Reads a greenlet.
 * @throws HangarError when there is none at the address, or another one than the layout says
 */
export function readGreenlet(reader: GreenletReader, address: bigint): GreenletObject {
  const { heap, layout } = reader;
  const state = stateOf(reader, address);
  const field = (offset: number) => heap.pointer(state + BigInt(offset));
  const [start, stop] = [field(layout.stack.start), field(layout.stack.stop)];
  const isMain = stop === wholeStack;
  const common = { address, isMain, parent: isMain ? 0n : field(layout.parent) };
  if (start === 0n) return { ...common, state: stop === 0n ? 'new' : 'ended' };
  const stack = isMain ? start : stop;
  if (isRunning(reader, address, { state, isMain }))
    // The place of a main one that runs is not known until it is left.
    return { ...common, state: 'running', ...(!isMain && { stack }) };
  return { ...common, state: 'suspended', stack, frames: framesOf(reader, state, start) };
}

function stateOf({ heap, layout }: GreenletReader, address: bigint): bigint {
  if (layout.state === undefined) return address;
  const state = heap.pointer(address + BigInt(layout.state));
  if (layout.self === undefined) return state;
  const self = heap.pointer(state + BigInt(layout.self));
  if (self !== address)
    throw new MalformedPythonError(
      `the state of the greenlet ${formatAddress(address)} is that of ${formatAddress(self)}: the layout does not fit`,
    );
  return state;
}

interface State {
  /** Address of it. */
  readonly state: bigint;
  readonly isMain: boolean;
}

function isRunning(reader: GreenletReader, address: bigint, { state, isMain }: State): boolean {
  const { heap, layout } = reader;
  const { thread } = layout;
  if (thread !== undefined) {
    const main = isMain ? state : attempt(() => stateOf(reader, heap.pointer(state + BigInt(thread.main))));
    const current = main === undefined ? undefined : attempt(() => currentOf(heap, main, thread));
    if (current !== undefined) return current === address;
  }
  return heap.pointer(state + BigInt(layout.topFrame)) === 0n;
}

/** The greenlet that a thread runs, by the state of its main greenlet. */
function currentOf(heap: Heap, main: bigint, thread: NonNullable<GreenletLayout['thread']>): bigint {
  return heap.pointer(heap.pointer(main + BigInt(thread.state)) + BigInt(thread.current));
}

function framesOf({ heap, frames, layout }: GreenletReader, state: bigint, start: bigint): FrameWalk {
  const field = (offset: number) => heap.pointer(state + BigInt(offset));
  const memory = withSavedStack(heap, {
    start,
    bytes: field(layout.stack.saved),
    copy: field(layout.stack.copy),
  });
  return frames.walkFrom(field(layout.currentFrame ?? layout.topFrame), memory);
}
