import { formatAddress } from '../../corefile/memory.ts';
import type { GcLayout } from '../greenlets/greenlet-layout.ts';
import { attempt, type Heap, MalformedPythonError } from './heap.ts';

/** Most objects of one interpreter that are looked at. */
export const trackedLimit = 2_000_000;

export interface TrackedSearch {
  readonly found: readonly bigint[];
  /** Objects that were looked at. */
  readonly count: number;
  /** Why a list ended early. */
  readonly stopped?: unknown;
}

/**
 * The objects of wanted types among those that the collector tracks, in list order.
 * @param heads addresses of the lists' heads
 * @param isWanted asked once a type, by its address
 */
export function findTracked(
  heap: Heap,
  layout: GcLayout,
  heads: readonly bigint[],
  isWanted: (type: bigint) => boolean,
): TrackedSearch {
  const walk = new ListWalk(heap, layout, isWanted);
  let stopped: unknown;
  for (const head of heads)
    try {
      walk.follow(head);
    } catch (error) {
      stopped ??= error;
    }
  return { found: walk.found, count: walk.count, ...(stopped !== undefined && { stopped }) };
}

/** Largest address that is exact as a number: user space of four-level paging lies below. */
const addressLimit = 2 ** 53;

/** Numbers, not `bigint`: there may be millions of steps. */
class ListWalk {
  readonly found: bigint[] = [];
  count = 0;
  readonly #words: WordReader;
  readonly #layout: GcLayout;
  readonly #toType: number;
  readonly #isWanted: (type: bigint) => boolean;
  readonly #wanted = new Map<number, boolean>();

  constructor(heap: Heap, layout: GcLayout, isWanted: (type: bigint) => boolean) {
    this.#words = new WordReader(heap);
    this.#layout = layout;
    this.#toType = layout.size + heap.layout.object.type;
    this.#isWanted = isWanted;
  }

  follow(head: bigint): void {
    const { next, previous, size } = this.#layout;
    const start = Number(head);
    const first = this.#words.read(start + next);
    // A head that its first node does not lead back to is none.
    const back = this.#words.read(untagged(first) + previous);
    if (untagged(back) !== start)
      throw new MalformedPythonError(`no list of tracked objects starts at ${formatAddress(head)}`);
    for (let node = untagged(first); node !== start; node = untagged(this.#words.read(node + next))) {
      if (this.count >= trackedLimit)
        throw new MalformedPythonError(`there are more than ${trackedLimit} objects: the others were not looked at`);
      this.count++;
      const type = this.#words.read(node + this.#toType);
      let wanted = this.#wanted.get(type);
      if (wanted === undefined) this.#wanted.set(type, (wanted = this.#isWanted(BigInt(type))));
      if (wanted) this.found.push(BigInt(node + size));
    }
  }
}

/** Words by address, through blocks of memory that are kept. */
class WordReader {
  readonly #heap: Heap;
  readonly #blocks = new Map<number, Buffer>();
  #recent = -1;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  read(address: number): number {
    const within = address % blockBytes;
    const block = address - within;
    if (block !== this.#recent) {
      this.#bytes = this.#block(block);
      this.#recent = block;
    }
    // Objects lie on words: none reaches over the end of a block.
    if (within % 8 !== 0 || this.#bytes.length === 0) return Number(this.#heap.pointer(BigInt(address)));
    const value = this.#bytes.readUInt32LE(within) + 2 ** 32 * this.#bytes.readUInt32LE(within + 4);
    if (value >= addressLimit)
      throw new MalformedPythonError(`the word at ${formatAddress(BigInt(address))} is no address`);
    return value;
  }

  #block(address: number): Buffer {
    const known = this.#blocks.get(address);
    if (known !== undefined) return known;
    // As the memory's own cache, which these may share storage with.
    if (this.#blocks.size >= blockLimit) this.#blocks.clear();
    const bytes = attempt(() => this.#heap.read(BigInt(address), blockBytes)) ?? Buffer.alloc(0);
    this.#blocks.set(address, bytes);
    return bytes;
  }
}

const blockBytes = 4096;
const blockLimit = 16_384;

/** Without the flags in the two low bits (Include/internal/pycore_gc.h, 3.8). */
function untagged(word: number): number {
  return word - (word % 4);
}
