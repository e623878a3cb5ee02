import { describe, expect, test } from 'vitest';
import { judge } from '../../../src/verdict/judge.ts';
import { call, frame, futex, inputOf, standsStill, stdlib, type ThreadDraft, wakesOften } from './make.ts';

/** A thread whose innermost own frame is `place`, in a wait for the object at `address`. */
const waiting = (
  lwp: number,
  place: string,
  kind: NonNullable<NonNullable<ThreadDraft['waits']>['kind']>,
  { address = 0x90n, ...rest }: { address?: bigint } & Partial<ThreadDraft> = {},
): ThreadDraft => ({
  lwp,
  frames: [frame(`${stdlib}/threading.py:327 wait`), frame(place)],
  syscall: futex(),
  waits: { address, kind },
  ...rest,
});

const parked: ThreadDraft = { lwp: 10, frames: [frame('a.py:99 main')], syscall: call('pause') };
const request = { method: 'GET', path: '/orders' };

/** SIGINT is caught by every Python. */
const found = (drafts: readonly ThreadDraft[], caughtSignals: readonly number[] = [2]) =>
  judge(inputOf(drafts, { caughtSignals })).findings;

describe('nobody is left who could act', () => {
  const worker = waiting(11, 'a.py:3 work', 'queue');
  const main = waiting(10, 'a.py:9 finish', 'join', {
    address: 0x80n,
    waits: { address: 0x80n, kind: 'join', ownerThreadId: 11n * 0x10000n },
  });

  test('every thread waits for another: the ends of all chains are the roots', () => {
    const { findings, threads } = judge(inputOf([main, worker], { caughtSignals: [2, 32, 33] }));
    expect(findings).toMatchObject([
      { class: 'wait-notify', confidence: 'proven', roots: [{ lwp: 11, function: 'work', line: 3 }], victims: [10] },
    ]);
    expect(findings[0]?.evidence.at(-1)?.text).toContain('only a signal handler could act');
    expect(threads.map(({ role }) => role)).toEqual(['application', 'application']);
  });

  test.each<[string, ThreadDraft]>([
    ['waits for a signal', parked],
    ['waits for a connection', { lwp: 12, frames: [frame('a.py:1 serve')], syscall: call('accept', 5n) }],
    ['sleeps', { lwp: 12, frames: [frame('a.py:1 tick')], syscall: call('nanosleep') }],
    ['computes', { lwp: 12, frames: [frame('a.py:1 count')] }],
    ['waits with a limit', waiting(12, 'a.py:1 poll', 'event', { syscall: call('futex', 0x7000n, 137n, 0n, 0x6000n) })],
    ['can be woken by another process', waiting(12, 'a.py:1 poll', 'event', { syscall: call('futex', 0x7000n, 0n) })],
    [
      'is about to be woken',
      waiting(12, 'a.py:1 f', 'event', { waits: { address: 1n, kind: 'event', confidence: 'suspected' } }),
    ],
    ['is of C code and reads', { lwp: 12, native: ['libc.so.6!read'], syscall: call('read', 5n) }],
  ])('a thread that %s could act', (_, other) => {
    const { findings } = judge(inputOf([worker, other]));
    expect(findings.filter(({ class: kind }) => kind === 'wait-notify')).toEqual([]);
  });

  test('a signal handler could: a service that sleeps until SIGTERM comes is no finding', () => {
    expect(found([main, worker], [2, 15])).toEqual([]);
  });

  test('whether there is a signal handler is not known of a core alone', () => {
    expect(judge(inputOf([main, worker])).findings).toMatchObject([{ class: 'wait-notify', confidence: 'suspected' }]);
  });

  test('a thread of C code that sleeps until it is given work could not', () => {
    const idle: ThreadDraft = {
      lwp: 12,
      native: ['libc.so.6!futex_wait', 'libopenblas.so.0!worker'],
      syscall: futex(),
    };
    expect(found([worker, idle])).toMatchObject([{ class: 'wait-notify', confidence: 'proven' }]);
  });

  test('behind a circle of locks, and behind a lock of unknown owner, that is the cause', () => {
    const one = waiting(12, 'a.py:5 f', 'python-lock', { address: 0xan, holds: [{ address: 0xbn }] });
    const two = waiting(13, 'a.py:6 g', 'python-lock', { address: 0xbn, holds: [{ address: 0xan }] });
    expect(found([worker, one, two]).map(({ class: kind }) => kind)).toEqual(['deadlock']);
    expect(found([worker, { ...one, holds: [] }]).map(({ class: kind }) => kind)).toEqual(['lock-wait']);
  });
});

describe('somebody needs the thread that waits', () => {
  test('threads that serve requests and wait for one object are one finding', () => {
    const drafts = [
      parked,
      ...[11, 12].map(lwp => waiting(lwp, 'a.py:3 connect', 'queue', { request, proc: standsStill })),
    ];
    expect(found(drafts)).toMatchObject([
      { class: 'wait-notify', confidence: 'likely', roots: [{ lwp: 11 }, { lwp: 12 }], victims: [] },
    ]);
  });

  test('without samples it is suspected; a thread that was served meanwhile is left alone', () => {
    const thread = waiting(11, 'a.py:3 connect', 'semaphore', { request });
    expect(found([parked, thread])).toMatchObject([{ class: 'wait-notify', confidence: 'suspected' }]);
    expect(found([parked, { ...thread, proc: wakesOften }])).toEqual([]);
  });

  test('it holds a lock that others want', () => {
    const owner = waiting(11, 'a.py:3 shut', 'condition', { holds: [{ address: 0xan }] });
    const { findings, threads } = judge(
      inputOf([parked, owner, waiting(12, 'a.py:9 enter', 'python-lock', { address: 0xan })]),
    );
    expect(findings).toMatchObject([
      { class: 'wait-notify', confidence: 'likely', roots: [{ function: 'shut', line: 3 }], victims: [12] },
    ]);
    expect(findings[0]?.summary).toContain('while it holds a lock; 1 thread waits for it');
    expect(threads[1]?.role).toBe('application');
  });

  test('a request waits for its end', () => {
    const worker = waiting(11, 'a.py:3 work', 'queue', { proc: standsStill });
    const joined = { address: 0x80n, kind: 'join', ownerThreadId: 11n * 0x10000n } as const;
    const joiner = waiting(12, 'a.py:7 stop', 'join', { request, waits: joined });
    expect(found([parked, worker, joiner])).toMatchObject([
      { class: 'wait-notify', confidence: 'likely', roots: [{ lwp: 11 }], victims: [12] },
    ]);
  });

  test('the thread that it joins does not exist', () => {
    const waits = { address: 0x80n, kind: 'join', ownerThreadId: 0x77n, ownerAbsent: true } as const;
    const [finding] = found([parked, waiting(11, 'a.py:3 stop', 'join', { waits })]);
    expect(finding).toMatchObject({ class: 'wait-notify', confidence: 'proven', roots: [{ lwp: 11 }] });
    expect(finding?.summary).toContain('for the end of a thread that does not exist');
  });

  test('only a long limit hangs', () => {
    const limited = call('futex', 0x7000n, 137n, 0n, 0x6000n);
    const within = (timeoutSeconds: number) =>
      waiting(11, 'a.py:3 wait', 'event', {
        request,
        proc: standsStill,
        syscall: limited,
        waits: { address: 0x90n, kind: 'event', timeoutSeconds },
      });
    expect(found([parked, within(10)])).toEqual([]);
    expect(found([parked, within(600)])).toMatchObject([{ class: 'wait-notify', confidence: 'likely' }]);
  });
});

describe('idle is silence', () => {
  const worker = waiting(11, 'a.py:3 work', 'queue', { proc: standsStill });

  test('workers wait for jobs', () => {
    const { findings, threads } = judge(inputOf([parked, worker]));
    expect(findings).toEqual([]);
    expect(threads.map(({ role }) => role)).toEqual(['idle', 'idle']);
  });

  test('a main thread joins them', () => {
    const joined = { address: 0x80n, kind: 'join', ownerThreadId: 11n * 0x10000n } as const;
    const main = waiting(10, 'a.py:9 finish', 'join', { waits: joined });
    const accepts: ThreadDraft = { lwp: 12, frames: [frame('a.py:1 serve')], syscall: call('accept', 5n) };
    const { findings, threads } = judge(inputOf([main, worker, accepts]));
    expect(findings).toEqual([]);
    expect(threads.map(({ role }) => role)).toEqual(['idle', 'idle', 'idle']);
  });

  test('a main thread that joins a worker is in no hurry that it sleeps', () => {
    const joined = { address: 0x80n, kind: 'join', ownerThreadId: 12n * 0x10000n } as const;
    const main = waiting(10, 'a.py:9 finish', 'join', { waits: joined });
    const sleeper: ThreadDraft = {
      lwp: 12,
      frames: [frame('a.py:1 tick')],
      syscall: call('nanosleep'),
      proc: standsStill,
    };
    expect(found([main, sleeper])).toEqual([]);
  });
});

test('a circle of a join and a lock is a deadlock, told as what each thread wants of the next', () => {
  const joined = { address: 0x80n, kind: 'join', ownerThreadId: 12n * 0x10000n } as const;
  const joiner = waiting(11, 'a.py:3 stop', 'join', { waits: joined, holds: [{ address: 0xan }] });
  const worker = waiting(12, 'a.py:8 work', 'python-lock', { address: 0xan });
  const [finding, ...others] = found([parked, joiner, worker]);
  expect(others).toEqual([]);
  expect(finding).toMatchObject({ class: 'deadlock', confidence: 'proven', roots: [{ lwp: 11 }, { lwp: 12 }] });
  expect(finding?.summary).toBe(
    'threads 11 and 12 wait for each other: 11 in stop (a.py:3) for the end of thread 12 and 12 in work (a.py:8) for the python-lock of thread 11',
  );
  expect(finding?.next).toContain('do not wait in stop');
});
