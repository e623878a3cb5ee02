import type { FrameLayout } from '../layout.ts';
import type { Heap } from '../objects/heap.ts';
import type { Evidence } from '../process.ts';
import { activeHandlers } from './exception-table.ts';
import type { LiveFrame } from './frames.ts';

/** A `with` block that a frame has entered and not begun to leave. */
export interface WithBlock {
  /** Address of the topmost value-stack slot of what the block keeps: see `Opcodes.withExit`. */
  readonly slot: bigint;
  /** Line of the `with` statement. */
  readonly line: number;
  /** What shows that the block is entered. */
  readonly evidence: Evidence;
}

/** What of a frame tells of its blocks. */
export type BlockFrame = Omit<LiveFrame, 'frame'> & {
  readonly frame: Pick<LiveFrame['frame'], 'address' | 'function' | 'file'>;
};

/**
 * The `with` blocks whose body a frame executes, innermost first. A block counts from the moment its `__enter__` has
 * returned to the one before its `__exit__` is called: a stale slot of a block that was left is never among them.
 * @param enterAsync the instruction that enters an `async with`, for those too where the instruction tells
 * @throws HangarError when code or frame are damaged
 */
export function withBlocks(heap: Heap, frame: BlockFrame, enterAsync?: number): readonly WithBlock[] {
  const { frame: layout } = heap.layout;
  switch (layout.shape) {
    case 'frame-object':
      return byBlockStack(heap, frame, layout, enterAsync);
    case 'interpreter-frame':
      return byExceptionTable(heap, frame, layout);
    default:
      return layout satisfies never;
  }
}

/** `f_blockstack` (Include/frameobject.h up to 3.10): a `with` pushes its level above the bound `__exit__`. */
function byBlockStack(
  heap: Heap,
  { frame, code, stack }: BlockFrame,
  { blockCount, blocks, block, maximumBlocks, instructionUnit }: Extract<FrameLayout, { shape: 'frame-object' }>,
  enterAsync: number | undefined,
): readonly WithBlock[] {
  const count = Math.min(Math.max(heap.int(frame.address + BigInt(blockCount)), 0), maximumBlocks);
  if (count === 0) return [];
  const entered = enteringInstructions(heap, code.bytecode, instructionUnit, enterAsync);
  const found: WithBlock[] = [];
  for (let index = count - 1; index >= 0; index--) {
    const at = frame.address + BigInt(blocks + index * block.size);
    const handler = heap.int(at + BigInt(block.handler));
    const level = heap.int(at + BigInt(block.level));
    const instruction = entered.get(handler * instructionUnit);
    if (instruction === undefined || level < 1 || level > code.stackSize) continue;
    if (!heap.layout.opcodes.withBlocks.includes(heap.int(at + BigInt(block.type)))) continue;
    const line = code.lineAt(instruction);
    found.push({
      slot: stack + BigInt(8 * (level - 1)),
      line,
      evidence: {
        text: `${frame.function} is inside the with block of line ${line}: its handler is on the block stack`,
        address: at + BigInt(block.handler),
        value: BigInt(handler),
        bytes: 4,
      },
    });
  }
  return found;
}

/** `co_exceptiontable` (3.11): which handlers are active at an instruction, and how deep the stack is then. */
function byExceptionTable(
  heap: Heap,
  { frame, code, stack, instruction }: BlockFrame,
  layout: Extract<FrameLayout, { shape: 'interpreter-frame' }>,
): readonly WithBlock[] {
  const { opcodes } = heap.layout;
  if (instruction < 0) return [];
  const field = frame.address + BigInt(layout.instruction);
  return activeHandlers(code.exceptions, instruction)
    .filter(({ handler, depth }) => {
      const first = code.opcodeAt(handler);
      const second = first === opcodes.pushExceptionInfo ? code.opcodeAt(handler + 2) : first;
      return second === opcodes.withHandler && depth >= 1 && depth <= code.stackSize;
    })
    .map(({ handler, depth }) => {
      const line = code.lineAt(handler);
      return {
        slot: stack + BigInt(8 * (depth - 1)),
        line,
        evidence: {
          text: `${frame.function} executes inside the with block of line ${line}, by its exception table`,
          address: field,
          value: heap.pointer(field),
          bytes: 8,
        },
      };
    });
}

/** Offset of a `with` block's handler → offset of the instruction that enters the block. */
function enteringInstructions(
  heap: Heap,
  bytecode: Buffer,
  jumpUnit: number,
  enterAsync: number | undefined,
): ReadonlyMap<number, number> {
  const { encoding, haveArgument, extendedArgument, enterWith } = heap.layout.opcodes;
  const found = new Map<number, number>();
  let extended = 0;
  for (let at = 0; at < bytecode.length; ) {
    const opcode = bytecode.readUInt8(at);
    const size = encoding === 'word' ? 2 : opcode >= haveArgument ? 3 : 1;
    if (at + size > bytecode.length) break;
    const argument = size === 3 ? bytecode.readUInt16LE(at + 1) : size === 2 ? bytecode.readUInt8(at + 1) : 0;
    const whole = extended + argument;
    if (opcode === enterWith || opcode === enterAsync) found.set(at + size + whole * jumpUnit, at);
    extended = opcode === extendedArgument ? (whole * (encoding === 'word' ? 256 : 65_536)) % 2 ** 32 : 0;
    at += size;
  }
  return found;
}
