import { formatAddress } from '../corefile/memory.ts';
import { HangarError, messageOf } from '../errors.ts';
import { FrameReader, type LiveFrame } from './frames.ts';
import { readGil } from './gil.ts';
import type { Heap } from './heap.ts';
import { findRuntime, listThreads, type Runtime } from './runtime.ts';
import { LockReader } from './locks.ts';
import { settleOwners } from './owners.ts';
import type { PythonInterpreter, PythonProcess, PythonThread } from './process.ts';
import { readRequest } from './request.ts';
import type { PythonTarget } from './target.ts';

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
  const { heap } = runtime;
  const gaps: Gap[] = runtime.notes.map(why => ({ what: 'Python layout', why }));
  const lwps = new Map(target.core.threads.map(thread => [thread.threadPointer, thread]));
  const frames = new FrameReader(heap);
  const locks = new LockReader(heap, frames, target.core);
  const interpreters: PythonInterpreter[] = [];
  const threads: PythonThread[] = [];
  for (const [index, address] of runtime.interpreters.entries()) {
    const id = interpreterId(heap, address, runtime.interpreters.length - 1 - index);
    const gil = guarded(gaps, `GIL of interpreter ${id}`, () => readGil(runtime, address));
    interpreters.push({
      address,
      id,
      ...(gil?.holder !== undefined && { gilHolder: gil.holder }),
      ...(gil?.condition !== undefined && { gilCondition: gil.condition }),
      ...(gil?.mutex !== undefined && { gilMutex: gil.mutex }),
    });
    const list = listThreads(heap, address);
    note(gaps, `threads of interpreter ${id}`, list.stopped);
    for (const state of list.threads) {
      const thread = guarded(gaps, `thread state ${formatAddress(state)}`, () => {
        const threadId = heap.pointer(state + BigInt(heap.layout.thread.threadId));
        const core = lwps.get(threadId);
        const walk = frames.walk(state);
        const label = core
          ? `Python frames of thread ${core.lwp}`
          : `Python frames of thread state ${formatAddress(state)}`;
        note(gaps, label, walk.stopped);
        const live = walk.frames;
        const found = guarded(gaps, `locks of thread state ${formatAddress(state)}`, () =>
          locks.read(threadId, core, live),
        );
        const request = guarded(gaps, `request of thread state ${formatAddress(state)}`, () => readRequest(heap, live));
        return {
          address: state,
          interpreter: id,
          threadId,
          ...(core && { lwp: core.lwp }),
          holdsGil: gil?.holder === state,
          frames: live.map(({ frame }: LiveFrame) => frame),
          ...(found?.waits && { waits: found.waits }),
          holds: found?.holds ?? [],
          ...(request && { request }),
        } satisfies PythonThread;
      });
      if (thread) threads.push(thread);
    }
  }
  return { version: runtime.version ?? heap.layout.minor, interpreters, threads: settleOwners(threads), gaps };
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
