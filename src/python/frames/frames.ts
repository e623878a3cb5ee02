import { formatAddress, type Memory } from '../../corefile/memory.ts';
import type { FrameLayout } from '../layout.ts';
import type { Heap } from '../objects/heap.ts';
import { MalformedPythonError } from '../objects/heap.ts';
import type { PythonFrame } from '../process.ts';
import { Code } from './code.ts';

/** A frame with what locks and requests are read from. */
export interface LiveFrame {
  readonly frame: PythonFrame;
  readonly code: Code;
  /** Byte offset of its instruction into the bytecode; negative before the first. */
  readonly instruction: number;
  /** Address of the first local slot. */
  readonly locals: bigint;
  /** Address of the first value-stack slot. */
  readonly stack: bigint;
}

/** Frames deeper than this are not followed: a chain that long is damage or a cycle. */
const depthLimit = 20_000;

export interface FrameWalk {
  /** Innermost first. */
  readonly frames: readonly LiveFrame[];
  /** Why the walk ended before the outermost frame. */
  readonly stopped?: unknown;
}

/** The Python frames of a thread state. */
export class FrameReader {
  readonly #heap: Heap;
  readonly #codes = new Map<bigint, Code>();

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  /** @param most of its frames that are read, the innermost ones */
  walk(thread: bigint, most?: number): FrameWalk {
    try {
      return this.walkFrom(this.#innermost(thread), this.#heap, most);
    } catch (stopped) {
      return { frames: [], stopped };
    }
  }

  /**
   * A frame and those that called it.
   * @param memory that has the frames, where some of them were moved: those on a stack that gave way to another
   * @param most frames that are read
   */
  walkFrom(innermost: bigint, memory: Pick<Memory, 'read'> = this.#heap, most = Number.POSITIVE_INFINITY): FrameWalk {
    const frames: LiveFrame[] = [];
    const seen = new Set<bigint>();
    try {
      for (let address = innermost; address !== 0n && frames.length < most; ) {
        if (seen.has(address)) throw new MalformedPythonError(`the frame ${formatAddress(address)} is its own caller`);
        if (seen.size >= depthLimit) throw new MalformedPythonError(`more than ${depthLimit} frames`);
        seen.add(address);
        const { frame, previous } = this.#read(address, memory);
        if (frame) frames.push(frame);
        else markEntry(frames, address);
        address = previous;
      }
    } catch (stopped) {
      return { frames, stopped };
    }
    return { frames };
  }

  /**
   * One frame, whoever called it.
   * @throws HangarError when it is damaged, or is the evaluator's own
   */
  frameAt(address: bigint): LiveFrame {
    const { frame } = this.#read(address, this.#heap);
    if (frame === undefined) throw new MalformedPythonError(`the frame ${formatAddress(address)} runs no code`);
    return frame;
  }

  code(address: bigint): Code {
    const known = this.#codes.get(address);
    if (known) return known;
    const code = new Code(this.#heap, address);
    this.#codes.set(address, code);
    return code;
  }

  #innermost(thread: bigint): bigint {
    const { frame } = this.#heap.layout.thread;
    const first = this.#heap.pointer(thread + BigInt(frame.offset));
    if (frame.via === 'thread' || first === 0n) return first;
    return this.#heap.pointer(first + BigInt(frame.frame));
  }

  /** No `frame` for a shim. */
  #read(address: bigint, memory: Pick<Memory, 'read'>): { frame?: LiveFrame; previous: bigint } {
    const { frame: layout } = this.#heap.layout;
    const bytes = memory.read(address, layout.size);
    const previous = bytes.readBigUInt64LE(layout.previous);
    if (layout.shape === 'frame-object') return { frame: this.#frameObject(address, bytes, layout), previous };
    const { entry } = layout;
    if (entry.by === 'shim' && entry.owners.includes(bytes.readUInt8(layout.owner))) return { previous };
    return { frame: this.#interpreterFrame(address, bytes, layout), previous };
  }

  #frameObject(address: bigint, bytes: Buffer, layout: Extract<FrameLayout, { shape: 'frame-object' }>): LiveFrame {
    const code = this.code(bytes.readBigUInt64LE(layout.code));
    return liveFrame(address, code, {
      instruction: bytes.readInt32LE(layout.lastInstruction) * layout.instructionUnit,
      locals: address + BigInt(layout.locals),
      stack: bytes.readBigUInt64LE(layout.valueStack),
      entry: true,
    });
  }

  #interpreterFrame(
    address: bigint,
    bytes: Buffer,
    layout: Extract<FrameLayout, { shape: 'interpreter-frame' }>,
  ): LiveFrame {
    const code = this.code(this.#heap.referent(bytes.readBigUInt64LE(layout.code)));
    const { entry } = layout;
    const locals = address + BigInt(layout.locals);
    const bytecode =
      layout.copy === undefined ? code.bytecodeAddress : code.copyAddress(bytes.readInt32LE(layout.copy));
    return liveFrame(address, code, {
      instruction: Number(BigInt.asIntN(40, bytes.readBigUInt64LE(layout.instruction) - bytecode)),
      locals,
      stack: locals + BigInt(8 * code.slotCount),
      // With shims the frame before a shim learns it when the shim is reached.
      entry: entry.by === 'flag' ? bytes.readUInt8(entry.offset) !== 0 : bytes.readBigUInt64LE(layout.previous) === 0n,
    });
  }
}

interface FrameParts {
  readonly instruction: number;
  readonly locals: bigint;
  readonly stack: bigint;
  readonly entry: boolean;
}

function liveFrame(address: bigint, code: Code, { instruction, locals, stack, entry }: FrameParts): LiveFrame {
  const frame: PythonFrame = {
    address,
    code: code.address,
    function: code.function,
    file: code.file,
    line: code.lineAt(instruction),
    firstLine: code.firstLine,
    entry,
  };
  return { frame, code, instruction, locals, stack };
}

/** @param shim address of the frame that the evaluator keeps on the native stack */
function markEntry(frames: LiveFrame[], shim: bigint): void {
  const last = frames.pop();
  if (last) frames.push({ ...last, frame: { ...last.frame, entry: true, position: last.frame.position ?? shim } });
}
