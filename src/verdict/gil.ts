import { formatAddress } from '../corefile/memory.ts';
import type { Evidence, PythonInterpreter, PythonProcess } from '../python/process.ts';
import type { MergedThread } from './merge-states.ts';
import type { JudgedThread } from './thread.ts';

/** An interpreter and the GIL that it runs under, by LWP. */
export interface JudgedInterpreter {
  /** 0 is the main interpreter. */
  readonly id: number;
  /** Absent where nothing is known of it. */
  readonly gil?: {
    readonly holder?: number;
    /** Ascending; of all interpreters that share it. */
    readonly waiters: readonly number[];
    /** Whether the holder is asked to give it up. */
    readonly dropRequested?: boolean;
    /** Whether the holder's byte code is asked to stop for anything (`eval_breaker`). */
    readonly evalBreaker?: boolean;
    /** Whether it is this interpreter's alone; absent before 3.12. */
    readonly own?: boolean;
  };
  /** Those with a thread state in it, ascending. */
  readonly threads: readonly number[];
}

/** Interpreters of the process, the main one first. */
export function judgeInterpreters(
  python: PythonProcess | undefined,
  threads: readonly JudgedThread[],
): readonly JudgedInterpreter[] {
  if (python === undefined) return [];
  return python.interpreters
    .map(interpreter => {
      const { id } = interpreter;
      const gil = judgeGil(python, interpreter, threads);
      const inside = python.threads.filter(thread => thread.interpreter === id);
      return { id, ...(gil && { gil }), threads: ascending(inside.flatMap(({ lwp }) => lwp ?? [])) };
    })
    .toSorted((left, right) => left.id - right.id);
}

function judgeGil(
  python: PythonProcess,
  interpreter: PythonInterpreter,
  threads: readonly JudgedThread[],
): JudgedInterpreter['gil'] {
  const { gilHolder, gilDropRequested: dropRequested, evalBreaker, gilOwn: own } = interpreter;
  const waiters = threads.filter(thread => thread.gil === 'waits' && isOf(python, thread, interpreter));
  if (interpreter.gilEvidence === undefined && gilHolder === undefined && waiters.length === 0) return undefined;
  const holder = python.threads.find(({ address }) => address === gilHolder)?.lwp;
  return {
    ...(holder !== undefined && { holder }),
    waiters: ascending(waiters.map(({ lwp }) => lwp)),
    ...(dropRequested !== undefined && { dropRequested }),
    ...(evalBreaker !== undefined && { evalBreaker }),
    ...(own !== undefined && { own }),
  };
}

/** Whether a thread that waits for a GIL waits for the one of this interpreter. */
function isOf(python: PythonProcess, { waits, python: frames }: JudgedThread, interpreter: PythonInterpreter): boolean {
  if (interpreter.gilQueues.length > 0 && waits?.address !== undefined) return isGilAddress(interpreter, waits.address);
  const own = python.interpreters.find(({ id }) => id === frames[0]?.interpreter);
  return own === undefined || own.gilHolder === interpreter.gilHolder;
}

/** Lowest id of the interpreters that share the GIL of this one: all of them before 3.12. */
export function gilGroup(python: PythonProcess | undefined, id: number): number {
  const { gilOwn, gilQueues } = python?.interpreters.find(interpreter => interpreter.id === id) ?? {};
  if (python === undefined || gilOwn === true) return id;
  const sharing = python.interpreters.filter(other => other.gilQueues[0] === gilQueues?.[0]);
  return Math.min(id, ...sharing.map(other => other.id));
}

/** The interpreter whose GIL a thread waits for, if it does: the one that its futex lies in, else the current one. */
export function awaitedInterpreter(
  python: PythonProcess | undefined,
  thread: MergedThread | undefined,
  futex: bigint | undefined,
): PythonInterpreter | undefined {
  const current = python?.interpreters.find(({ id }) => id === thread?.interpreter);
  if (thread === undefined || futex === undefined || isGilAddress(current, futex)) return current;
  return python?.interpreters.find(interpreter => isGilAddress(interpreter, futex)) ?? current;
}

/** Whether waiters for the interpreter's GIL sleep on this address. */
export function isGilAddress(interpreter: PythonInterpreter | undefined, address: bigint): boolean {
  // sizeof(pthread_cond_t), glibc, x86-64 and AArch64; a pthread_mutex_t and a sem_t are not larger.
  return interpreter?.gilQueues.some(start => address >= start && address < start + 48n) ?? false;
}

/** Who holds the GIL, and whether that is asked to give it up. */
export function gilEvidence(interpreter: PythonInterpreter | undefined): readonly Evidence[] {
  if (interpreter?.gilEvidence !== undefined) return interpreter.gilEvidence;
  return interpreter?.gilHolder === undefined
    ? []
    : [{ text: `the GIL is held by the thread state ${formatAddress(interpreter.gilHolder)}` }];
}

function ascending(lwps: readonly number[]): readonly number[] {
  return [...new Set(lwps)].sort((left, right) => left - right);
}
