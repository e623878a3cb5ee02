import { formatAddress } from '../../corefile/memory.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import { describeValue } from '../objects/values.ts';
import type { PythonLocal, PythonProcess } from '../process.ts';
import type { Code } from './code.ts';

/** Variables of one frame that are shown. */
const variableLimit = 64;
/** Characters of all names and values that are shown of one process. */
const textLimit = 1 << 20;

/** What a frame must say for its variables to be read. */
export interface FrameSlots {
  readonly code: Code;
  /** Address of the first local slot. */
  readonly locals: bigint;
}

/** Shows the variables of one frame after the other, until too much is shown. */
export class LocalsReader {
  readonly #heap: Heap;
  #left = textLimit;

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  /** What was left out because there was too much to show. */
  get gaps(): PythonProcess['gaps'] {
    const why = `names and values of more than ${textLimit} characters: the others were left out`;
    return this.#isExhausted ? [{ what: 'local variables', why }] : [];
  }

  /**
   * Arguments and variables that are bound, in the order of the code: what closures share with their contents. None of a
   * module or a class body: theirs are in a dict.
   */
  read(frame: FrameSlots): readonly PythonLocal[] {
    const shown = new Map<string, PythonLocal>();
    for (const { name, object, argument } of attempt(() => this.#bound(frame)) ?? []) {
      if (this.#isExhausted || shown.size >= variableLimit) break;
      const value =
        attempt(() => describeValue(this.#heap, object, name)) ?? `<unreadable at ${formatAddress(object)}>`;
      this.#left -= name.length + value.length;
      shown.set(name, { name, value, ...(argument && { argument }) });
    }
    return [...shown.values()];
  }

  get #isExhausted(): boolean {
    return this.#left <= 0;
  }

  #bound({ code, locals }: FrameSlots): readonly Variable[] {
    const heap = this.#heap;
    const slots = code.variables.slice(0, 4 * variableLimit);
    const words = heap.pointers(locals, slots.length);
    return slots.flatMap(({ name, mayBeCell, argument }, index) => {
      const object = slotValue(heap, words[index] ?? 0n, mayBeCell);
      return object === 0n ? [] : [{ name, object, argument }];
    });
  }
}

interface Variable {
  readonly name: string;
  /** 0 while it is unbound. */
  readonly object: bigint;
  readonly argument: boolean;
}

/** What a slot's word refers to, 0: nothing; a variable that closures share is in a cell from its function's first instructions on. */
export function slotValue(heap: Heap, word: bigint, mayBeCell: boolean): bigint {
  const object = heap.referent(word);
  // Before 3.8 nothing names the type where it was not dumped.
  if (object === 0n || !mayBeCell || !['cell', ''].includes(heap.typeNameOf(object) ?? 'none')) return object;
  return heap.pointer(object + BigInt(heap.layout.values.cell));
}
