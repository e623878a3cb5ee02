import { formatAddress } from '../../corefile/memory.ts';
import type { LiveFrame } from '../frames/frames.ts';
import { shortName } from '../frames/names.ts';
import { type Slot, slotOf } from '../frames/slots.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { Evidence, PythonPool } from '../process.ts';

/**
 * The function that each worker of a pool runs, and where its frame keeps what. Sources: Lib/concurrent/futures/thread.py
 * (3.6 to 3.14, and the `futures` package for 2.7), Lib/multiprocessing/pool.py (2.7 to 3.14).
 */
const workerFunctions: readonly {
  readonly kind: PythonPool['kind'];
  readonly file: RegExp;
  readonly function: string;
  /** Local variable that holds the queue of work. */
  readonly queue: string;
  /** Local variable with a weak reference to an object that knows the size. */
  readonly owner?: { readonly local: string; readonly queue: string; readonly size: string };
}[] = [
  {
    kind: 'executor',
    file: /\/concurrent\/futures\/thread\.py$/,
    function: '_worker',
    queue: 'work_queue',
    owner: { local: 'executor_reference', queue: '_work_queue', size: '_max_workers' },
  },
  { kind: 'thread-pool', file: /\/multiprocessing\/pool\.py$/, function: 'worker', queue: 'inqueue' },
];

/** multiprocessing.pool has a thread that looks after the workers; its frame knows queue and size (from 3.8 on itself). */
const manager = {
  file: /\/multiprocessing\/pool\.py$/,
  function: '_handle_workers',
  queue: 'inqueue',
  size: 'processes',
  pool: { local: 'pool', queue: '_inqueue', size: '_processes' },
} as const;

/** Functions in which a worker waits for its next item of work; where the queue is written in C it has none. */
const takesWork = /(?:^|\/)[Qq]ueue\.py$/;

/** More items than this in one queue are taken for damage. */
const itemLimit = 1 << 30;

interface Worker {
  readonly lwp: number;
  readonly busy: boolean;
}

interface Size {
  readonly size: number;
  readonly evidence: readonly Evidence[];
}

interface Found {
  readonly kind: PythonPool['kind'];
  readonly workers: Worker[];
}

/** Gathers pools of threads while the threads of a process are read, one after the other. */
export class PoolReader {
  readonly #heap: Heap;
  /** By the address of their queue. */
  readonly #pools = new Map<bigint, Found>();
  readonly #sizes = new Map<bigint, Size>();

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  /** Takes from a thread's frames, innermost first, what they say of a pool. */
  note(lwp: number, frames: readonly LiveFrame[]): void {
    // The worker's own function is one of the outermost.
    for (let index = frames.length - 1; index >= Math.max(0, frames.length - outerFrames); index--) {
      const live = frames[index];
      if (live === undefined) continue;
      if (attempt(() => this.#noteWorker(lwp, live, frames[index - 1])) === true) return;
      attempt(() => this.#noteManager(live));
    }
  }

  /** Those that have workers. */
  pools(): readonly PythonPool[] {
    return [...this.#pools].map(([queue, { kind, workers }]) => {
      const known = this.#sizes.get(queue);
      const waiting = attempt(() => waitingItems(this.#heap, queue));
      return {
        kind,
        queue,
        workers,
        ...(known && { size: known.size }),
        ...(waiting && { waiting: waiting.count }),
        evidence: [...(known?.evidence ?? []), ...(waiting?.evidence ?? [])],
      };
    });
  }

  #noteWorker(lwp: number, live: LiveFrame, inner: LiveFrame | undefined): boolean {
    const known = workerFunctions.find(row => isFrameOf(live, row));
    const queue = known && slotOf(this.#heap, live, known.queue);
    if (known === undefined || queue === undefined) return false;
    const pool = this.#pools.get(queue.object) ?? { kind: known.kind, workers: [] };
    pool.workers.push({ lwp, busy: inner !== undefined && !takesWork.test(inner.frame.file) });
    this.#pools.set(queue.object, pool);
    if (known.owner !== undefined && !this.#sizes.has(queue.object)) {
      const { owner } = known;
      const size = attempt(() => this.#sizeByOwner(live, queue, owner));
      if (size !== undefined) this.#sizes.set(queue.object, size);
    }
    return true;
  }

  /** Through the weak reference (`PyWeakReference.wr_object`, right behind the object's head), if it is to this queue's. */
  #sizeByOwner(
    live: LiveFrame,
    queue: Slot,
    owner: { readonly local: string; readonly queue: string; readonly size: string },
  ): Size | undefined {
    const heap = this.#heap;
    const reference = slotOf(heap, live, owner.local);
    if (reference === undefined || heap.typeNameOf(reference.object) === undefined) return undefined;
    const field = heap.field(reference.object, 0);
    const object = heap.pointer(field);
    if (heap.attribute(object, owner.queue) !== queue.object) return undefined;
    const size = workersIn(heap, heap.attribute(object, owner.size));
    if (size === undefined) return undefined;
    return {
      size,
      evidence: [
        workEvidence(live, queue, 'takes its work from the queue'),
        {
          text: `the weak reference in its ${owner.local} leads to the executor ${formatAddress(object)}, whose ${owner.size} is ${size}`,
          address: field,
          value: object,
          bytes: 8,
        },
      ],
    };
  }

  #noteManager(live: LiveFrame): void {
    if (!isFrameOf(live, manager)) return;
    const heap = this.#heap;
    const queue = slotOf(heap, live, manager.queue);
    const size = slotOf(heap, live, manager.size);
    if (queue !== undefined && size !== undefined) {
      this.#keepSize(queue.object, workersIn(heap, size.object), [
        workEvidence(live, queue, 'looks after the workers of the queue'),
        workEvidence(live, size, `has the number of workers, ${workersIn(heap, size.object)}, in`),
      ]);
      return;
    }
    const pool = slotOf(heap, live, manager.pool.local);
    const itsQueue = pool && heap.attribute(pool.object, manager.pool.queue);
    if (pool === undefined || itsQueue === undefined) return;
    const count = workersIn(heap, heap.attribute(pool.object, manager.pool.size));
    this.#keepSize(itsQueue, count, [
      workEvidence(live, pool, `looks after the pool, whose ${manager.pool.size} is ${count}`),
    ]);
  }

  #keepSize(queue: bigint, size: number | undefined, evidence: readonly Evidence[]): void {
    if (size !== undefined) this.#sizes.set(queue, { size, evidence });
  }
}

/** `Thread.run` and its callers stand outside of it. */
const outerFrames = 8;

function isFrameOf({ frame }: LiveFrame, row: { readonly file: RegExp; readonly function: string }): boolean {
  return row.file.test(frame.file) && shortName(frame.function) === row.function;
}

function workEvidence({ frame }: LiveFrame, { address, word, object }: Slot, what: string): Evidence {
  return { text: `${frame.function} ${what} ${formatAddress(object)}`, address, value: word, bytes: 8 };
}

/** A count of workers: a small number above 0. */
function workersIn(heap: Heap, object: bigint | undefined): number | undefined {
  const value = object === undefined ? undefined : heap.integer(object);
  return value !== undefined && value > 0n && value < 1n << 20n ? Number(value) : undefined;
}

interface Waiting {
  readonly count: number;
  readonly evidence: readonly Evidence[];
}

/**
 * `simplequeueobject` of Modules/_queuemodule.c: a list that is read from a position on (3.7 to 3.12), or a ring buffer
 * that counts (3.13, 3.14). Bytes behind the object's head; `size`, all of them there, tells which it is. By the DWARF of
 * 3.7, 3.9, 3.12 and 3.13.
 */
const simpleQueues = [
  { size: 40, shape: 'list', list: 16, position: 24 },
  { size: 56, shape: 'ring', count: 40 },
] as const;

/** Items in a `queue.SimpleQueue` or a `queue.Queue`; undefined for other objects. */
function waitingItems(heap: Heap, queue: bigint): Waiting | undefined {
  if (heap.typeNameOf(queue) === '_queue.SimpleQueue') return itemsOfSimpleQueue(heap, queue);
  const items = heap.attribute(queue, 'queue');
  return items === undefined ? undefined : itemsOfDeque(heap, items);
}

function itemsOfSimpleQueue(heap: Heap, queue: bigint): Waiting | undefined {
  const row = simpleQueues.find(({ size }) => heap.field(0n, size) === BigInt(heap.basicSize(queue)));
  switch (row?.shape) {
    case 'ring':
      return counted(heap, heap.field(queue, row.count));
    case 'list': {
      const list = heap.pointer(heap.field(queue, row.list));
      const taken = counted(heap, heap.field(queue, row.position), 'of which were taken:');
      const all = counted(heap, list + BigInt(heap.layout.object.itemCount));
      if (all.count < taken.count) return undefined;
      return { count: all.count - taken.count, evidence: [...all.evidence, ...taken.evidence] };
    }
    case undefined:
      return undefined;
    default:
      return row satisfies never;
  }
}

/** Of `dequeobject` in 2.7 (Modules/_collectionsmodule.c), behind pointers and indexes; later ones count in their head. */
const oldDequeCount = 48;

function itemsOfDeque(heap: Heap, deque: bigint): Waiting {
  // The old one has a pointer where the new one counts: no count is that large.
  return (
    attempt(() => counted(heap, deque + BigInt(heap.layout.object.itemCount))) ??
    counted(heap, deque + BigInt(oldDequeCount))
  );
}

function counted(heap: Heap, address: bigint, what = 'items in the queue of work:'): Waiting {
  const count = heap.count(address, itemLimit);
  return { count, evidence: [{ text: `${what} ${count}`, address, value: BigInt(count), bytes: 8 }] };
}
