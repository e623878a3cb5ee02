import type { NotificationKind } from '../process.ts';

/**
 * Functions of the standard library in which a thread waits for another one, with the local variable that is the object,
 * and how that object leads to what the thread sleeps on. Sources: Lib/threading.py, Lib/queue.py (2.7: Lib/Queue.py),
 * Lib/concurrent/futures/_base.py, Lib/subprocess.py of CPython 2.7 and 3.6 to 3.14. Attributes have two names where
 * 2.7 mangles a private one.
 */
export interface WaitingFunction {
  readonly kind: NotificationKind;
  /** `file:co_name` in lower case, innermost first. */
  readonly frames: readonly string[];
  /** Local variable of the outermost of these frames that holds the object. */
  readonly object: string;
  /** What the word that the thread sleeps on belongs to. */
  readonly sleeps: /** The lock `waiter` of `Condition.wait`, the innermost frame; the object has the condition under one of the names. */
    | { readonly on: 'waiter'; readonly condition: readonly string[] }
    /** A lock under one of the names. */
    | { readonly on: 'lock'; readonly names: readonly string[] }
    /** The `_thread._ThreadHandle` under one of the names (3.13: Modules/_threadmodule.c, `ThreadHandle_join`). */
    | { readonly on: 'handle'; readonly names: readonly string[] }
    /** No futex: a system call that waits for a child process. */
    | { readonly on: 'child' };
  /** Attributes that show why the wait goes on. */
  readonly shows: readonly ShownAttribute[];
  /** `get_ident()` of the thread that has to end. */
  readonly ident?: readonly string[];
}

export interface ShownAttribute {
  readonly names: readonly string[];
  readonly as: 'boolean' | 'integer' | 'length' | 'text' | 'command';
  /** Put before its value. */
  readonly text: string;
}

const waiters: ShownAttribute = {
  names: ['_waiters', '_Condition__waiters'],
  as: 'length',
  text: 'waiters of the condition, not notified',
};
const queued: ShownAttribute = { names: ['queue'], as: 'length', text: 'items in the queue' };
const maximum: ShownAttribute = { names: ['maxsize'], as: 'integer', text: 'its most items, 0 for any number' };
const threadName: ShownAttribute = { names: ['_name', '_Thread__name'], as: 'text', text: 'name of the joined thread' };
const ident = ['_ident', '_Thread__ident'];

export const waitingFunctions: readonly WaitingFunction[] = [
  {
    kind: 'condition',
    frames: ['threading.py:wait'],
    object: 'self',
    sleeps: { on: 'waiter', condition: [] },
    shows: [waiters],
  },
  {
    kind: 'event',
    frames: ['threading.py:wait', 'threading.py:wait'],
    object: 'self',
    sleeps: { on: 'waiter', condition: ['_cond', '_Event__cond'] },
    shows: [{ names: ['_flag', '_Event__flag'], as: 'boolean', text: 'whether the event is set' }],
  },
  {
    kind: 'semaphore',
    frames: ['threading.py:wait', 'threading.py:acquire'],
    object: 'self',
    sleeps: { on: 'waiter', condition: ['_cond', '_Semaphore__cond'] },
    shows: [
      { names: ['_value', '_Semaphore__value'], as: 'integer', text: 'value of the semaphore' },
      { names: ['_initial_value'], as: 'integer', text: 'initial value of the bounded semaphore' },
    ],
  },
  {
    kind: 'queue',
    frames: ['threading.py:wait', 'queue.py:get'],
    object: 'self',
    sleeps: { on: 'waiter', condition: ['not_empty'] },
    shows: [queued],
  },
  {
    kind: 'queue',
    frames: ['threading.py:wait', 'queue.py:put'],
    object: 'self',
    sleeps: { on: 'waiter', condition: ['not_full'] },
    shows: [queued, maximum],
  },
  {
    kind: 'queue',
    frames: ['threading.py:wait', 'queue.py:join'],
    object: 'self',
    sleeps: { on: 'waiter', condition: ['all_tasks_done'] },
    shows: [queued, { names: ['unfinished_tasks'], as: 'integer', text: 'tasks of the queue that are not done' }],
  },
  // 2.7: a thread that ends notifies a condition of its own.
  {
    kind: 'join',
    frames: ['threading.py:wait', 'threading.py:join'],
    object: 'self',
    sleeps: { on: 'waiter', condition: ['_Thread__block'] },
    shows: [threadName, { names: ['_Thread__stopped'], as: 'boolean', text: 'whether it has ended' }],
    ident,
  },
  // 3.6 to 3.12: C code releases this lock when the thread state is deleted.
  {
    kind: 'join',
    frames: ['threading.py:_wait_for_tstate_lock'],
    object: 'self',
    sleeps: { on: 'lock', names: ['_tstate_lock'] },
    shows: [threadName, { names: ['_is_stopped'], as: 'boolean', text: 'whether it has ended' }],
    ident,
  },
  // 3.13; 3.14 renamed the attribute.
  {
    kind: 'join',
    frames: ['threading.py:join'],
    object: 'self',
    sleeps: { on: 'handle', names: ['_handle', '_os_thread_handle'] },
    shows: [threadName],
    ident,
  },
  {
    kind: 'condition',
    frames: ['threading.py:wait', '_base.py:result'],
    object: 'self',
    sleeps: { on: 'waiter', condition: ['_condition'] },
    shows: [{ names: ['_state'], as: 'text', text: 'state of the future' }],
  },
  {
    kind: 'condition',
    frames: ['threading.py:wait', '_base.py:exception'],
    object: 'self',
    sleeps: { on: 'waiter', condition: ['_condition'] },
    shows: [{ names: ['_state'], as: 'text', text: 'state of the future' }],
  },
  ...['_try_wait', '_wait', 'wait'].map(
    (name): WaitingFunction => ({
      kind: 'child',
      frames: [`subprocess.py:${name}`],
      object: 'self',
      sleeps: { on: 'child' },
      shows: [
        { names: ['pid'], as: 'integer', text: 'process id of the child' },
        { names: ['args'], as: 'command', text: 'command of the child' },
      ],
    }),
  ),
  {
    kind: 'child',
    frames: ['subprocess.py:_eintr_retry_call', 'subprocess.py:wait'],
    object: 'self',
    sleeps: { on: 'child' },
    shows: [{ names: ['pid'], as: 'integer', text: 'process id of the child' }],
  },
];

/** Where the main thread waits for the others when the program ends: threading.py, from 3.8 on without `join`. */
export const shutdownFunction = 'threading.py:_shutdown';

/** Where a thread waits for several futures: the local variable is what each of them tells when it is done. */
export const futureWaits: readonly { readonly frame: string; readonly waiter: string }[] = [
  { frame: '_base.py:wait', waiter: 'waiter' },
  { frame: '_base.py:as_completed', waiter: 'waiter' },
];

/** Where a worker runs one: Lib/concurrent/futures/thread.py, `_WorkItem.run`. */
export const workItemFunction = 'thread.py:run';

/**
 * Lib/multiprocessing/pool.py, 2.7 to 3.14: where a thread waits for a result (`self`, whose `_job` is its number), and where a
 * worker runs a part of a job: the local variable has the very number that the result has.
 */
export const jobs = {
  wait: 'pool.py:wait',
  result: 'self',
  number: '_job',
  run: 'pool.py:worker',
  running: 'job',
} as const;

/** The waiter of _base.py that waits for every one of its futures, unless one that fails is enough for it. */
export const waitsForAll = { className: '_AllCompletedWaiter', attribute: 'stop_on_exception' } as const;

/** Lib/multiprocessing/synchronize.py: functions that wait on a semaphore of another object, innermost first. */
export const sharedWaits: readonly { readonly kind: NotificationKind; readonly frames: readonly string[] }[] = [
  { kind: 'condition', frames: ['synchronize.py:wait'] },
  { kind: 'event', frames: ['synchronize.py:wait', 'synchronize.py:wait'] },
];

/** `ThreadHandle` of Modules/_threadmodule.c, 3.13 and 3.14; `object`: where an object has its address, behind its head. */
export const threadHandle = { object: 0, ident: 32, state: 52, isExiting: 57, running: 3 } as const;

/**
 * `simplequeueobject` of Modules/_queuemodule.c: a `PyThread_type_lock` up to 3.12, from 3.13 on the byte that getters
 * are parked for. Behind its head.
 */
export const simpleQueue = { typeName: '_queue.SimpleQueue', state: 0 } as const;

/** `SemLockObject` of Modules/_multiprocessing/semaphore.c, behind its head. */
export const semLock = {
  typeName: '_multiprocessing.SemLock',
  handle: 0,
  lastThread: 8,
  count: 16,
  maximum: 20,
} as const;
