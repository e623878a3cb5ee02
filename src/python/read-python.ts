import type { CoreThread } from '../corefile/core.ts';
import { formatAddress } from '../corefile/memory.ts';
import { HangarError, messageOf } from '../errors.ts';
import { FrameReader } from './frames.ts';
import { readGil } from './gil.ts';
import { attempt, type Heap } from './heap.ts';
import { heldLocks, waitedLock } from './locks.ts';
import { settleOwners } from './owners.ts';
import type { PythonInterpreter, PythonProcess, PythonThread } from './process.ts';
import { readRequest } from './request.ts';
import { findRuntime, listThreads, type Runtime } from './runtime.ts';
import type { PythonTarget } from './target.ts';
import { readTasks } from './tasks.ts';

type Gap = PythonProcess['gaps'][number];

/** CPython's interpreters, threads, frames and locks, straight from memory; undefined when the process has no CPython. */
export function readPython(target: PythonTarget): PythonProcess | undefined {
  const search = findRuntime(target);
  switch (search.status) {
    case 'absent':
      return undefined;
    case 'unfit':
      return unreadable(search.what, search.reasons);
    case 'found':
      return readRuntime(target, search.runtime);
    default:
      return search satisfies never;
  }
}

function unreadable(what: string, reasons: readonly string[]): PythonProcess {
  const why =
    reasons.length === 0
      ? 'its state was found neither by symbols nor by search'
      : `no layout fits: ${reasons.join('; ')}`;
  const fix = 'give the modules that ran: --modules DIR';
  return {
    version: /python(\d\.\d+)/.exec(what)?.[1] ?? 'unknown',
    interpreters: [],
    threads: [],
    gaps: [{ what: `Python of ${what}`, why, fix }],
  };
}

function readRuntime(target: PythonTarget, runtime: Runtime): PythonProcess {
  const { heap, interpreters } = runtime;
  const gaps: Gap[] = runtime.notes.map(why => ({ what: 'Python layout', why }));
  const reader: Reader = {
    heap,
    gaps,
    frames: new FrameReader(heap),
    lwps: new Map(target.core.threads.map(thread => [thread.threadPointer, thread])),
  };
  const read = interpreters.map((address, index) =>
    readInterpreter(reader, runtime, address, interpreters.length - 1 - index),
  );
  const threads = settleOwners(read.flatMap(({ threads: found }) => found));
  const found = read.map(({ interpreter }) => interpreter);
  const { tasks, gaps: taskGaps } = readTasks({ heap, frames: reader.frames, interpreters: found, threads });
  return {
    version: runtime.version ?? heap.layout.minor,
    interpreters: found,
    threads,
    ...(tasks.length > 0 && { tasks }),
    gaps: [...gaps, ...taskGaps],
  };
}

interface Reader {
  readonly heap: Heap;
  readonly frames: FrameReader;
  /** Threads of the core by thread pointer. */
  readonly lwps: ReadonlyMap<bigint | undefined, CoreThread>;
  readonly gaps: Gap[];
}

function readInterpreter(reader: Reader, runtime: Runtime, address: bigint, position: number) {
  const { heap, gaps } = reader;
  const id = attempt(() => interpreterId(heap, address, position)) ?? position;
  const gil = guarded(gaps, `GIL of interpreter ${id}`, () => readGil(runtime, address));
  const interpreter: PythonInterpreter = {
    address,
    id,
    ...(gil?.holder !== undefined && { gilHolder: gil.holder }),
    ...(gil?.condition !== undefined && { gilCondition: gil.condition }),
    ...(gil?.mutex !== undefined && { gilMutex: gil.mutex }),
  };
  const list = listThreads(heap, address);
  note(gaps, `threads of interpreter ${id}`, list.stopped);
  const threads = list.threads.map(state =>
    guarded(gaps, `thread state ${formatAddress(state)}`, () => readThread(reader, state, interpreter)),
  );
  return { interpreter, threads: threads.filter(thread => thread !== undefined) };
}

function readThread({ heap, frames, lwps, gaps }: Reader, state: bigint, interpreter: PythonInterpreter): PythonThread {
  const threadId = heap.pointer(state + BigInt(heap.layout.thread.threadId));
  const core = lwps.get(threadId);
  const name = core ? `thread ${core.lwp}` : `thread state ${formatAddress(state)}`;
  const { frames: live, stopped } = frames.walk(state);
  note(gaps, `Python frames of ${name}`, stopped);
  const waits = guarded(gaps, `lock that ${name} waits for`, () => waitedLock(heap, core, live));
  const holds = guarded(gaps, `locks that ${name} holds`, () => heldLocks(heap, threadId, live));
  const request = guarded(gaps, `request of ${name}`, () => readRequest(heap, live));
  return {
    address: state,
    interpreter: interpreter.id,
    threadId,
    ...(core && { lwp: core.lwp }),
    holdsGil: interpreter.gilHolder === state,
    frames: live.map(({ frame }) => frame),
    ...(waits && { waits }),
    holds: holds ?? [],
    ...(request && { request }),
  };
}

function interpreterId(heap: Heap, address: bigint, position: number): number {
  const { id } = heap.layout.interpreter;
  return id === undefined ? position : Number(BigInt.asIntN(48, heap.pointer(address + BigInt(id))));
}

/** The result; damage becomes a gap. */
function guarded<T>(gaps: Gap[], what: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    note(gaps, what, error);
    return undefined;
  }
}

function note(gaps: Gap[], what: string, stopped: unknown): void {
  if (stopped === undefined) return;
  if (!(stopped instanceof HangarError)) throw stopped;
  gaps.push({ what, why: messageOf(stopped), fix: stopped.fix });
}
