import { formatAddress } from '../../corefile/memory.ts';
import type { LiveFrame } from '../frames/frames.ts';
import { shortName } from '../frames/names.ts';
import { type Slot, slotOf } from '../frames/slots.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { Evidence, PythonPool } from '../process.ts';
import { type QueuedWork, queuedWork } from './queued-work.ts';
import { isAtWork, waitingItems } from './work-queue.ts';

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

  /** Of the futures, or waiters, that are asked about: those whose work no worker of these pools has taken yet. */
  queued(awaited: ReadonlySet<bigint>): ReadonlyMap<bigint, QueuedWork> {
    const queues = [...this.#pools].map(([queue, { kind }]) => ({ kind, queue }));
    return queuedWork(this.#heap, queues, awaited);
  }

  #noteWorker(lwp: number, live: LiveFrame, inner: LiveFrame | undefined): boolean {
    const known = workerFunctions.find(row => isFrameOf(live, row));
    const queue = known && slotOf(this.#heap, live, known.queue);
    if (known === undefined || queue === undefined) return false;
    const pool = this.#pools.get(queue.object) ?? { kind: known.kind, workers: [] };
    pool.workers.push({ lwp, busy: isAtWork(inner) });
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
