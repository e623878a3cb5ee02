import { describe, expect, test } from 'vitest';
import { UnreadableMemoryError } from '../../../src/corefile/memory.ts';
import { judge } from '../../../src/verdict/judge.ts';
import { alwaysRunning, call, frame, futex, inputOf, standsStill, stdlib, type ThreadDraft } from './make.ts';

const request = { method: 'GET', path: '/orders' };
const parked: ThreadDraft = { lwp: 10, frames: [frame('a.py:99 main')], syscall: call('pause') };

const mutex = Buffer.alloc(40);
mutex.writeUInt32LE(2, 0);
mutex.writeInt32LE(11, 8);
mutex.writeInt32LE(1, 12);
const times = Buffer.alloc(64);
times.writeBigInt64LE(3600n, 0);

/** The memory of a mutex at 0x7000 that thread 11 has, and of times at 0x9000. */
const memory = {
  read(address: bigint, length: number) {
    const [start, bytes] = address >= 0x9000n ? [0x9000n, times] : [0x7000n, mutex];
    const at = Number(address - start);
    if (at < 0 || at + length > bytes.length) throw new UnreadableMemoryError(address, length);
    return bytes.subarray(at, at + length);
  },
};

const found = (drafts: readonly ThreadDraft[]) => judge(inputOf(drafts, { memory })).findings;
const brief = (drafts: readonly ThreadDraft[]) =>
  found(drafts).map(
    ({ class: kind, confidence, roots, victims }) =>
      `${kind} ${confidence} ${roots.map(({ lwp }) => lwp).join('+')} < ${victims.join('+')}`,
  );

type Kind = NonNullable<NonNullable<ThreadDraft['waits']>['kind']>;
const object = (kind: Kind): Partial<ThreadDraft> => ({
  frames: [frame(`${stdlib}/threading.py:1 wait`), frame('a.py:3 work')],
  syscall: futex(0x6000n),
  waits: { address: 0x90n, kind },
});

const waits: readonly [string, Partial<ThreadDraft>][] = [
  ['reads', { syscall: call('recvfrom', 5n) }],
  ['waits for a child process', { syscall: call('wait4', 77n) }],
  ['sleeps', { syscall: call('nanosleep', 0x9000n) }],
  ['waits in a call that is not known', { syscall: call('semtimedop', 5n) }],
  ['waits on a futex of C code', { syscall: futex(0x6000n) }],
  ...(['python-lock', 'python-rlock', 'import-lock', 'mp-lock'] as const).map(
    (kind): [string, Partial<ThreadDraft>] => [`waits for a ${kind} of an unknown owner`, object(kind)],
  ),
  ...(['condition', 'event', 'semaphore', 'queue', 'join'] as const).map((kind): [string, Partial<ThreadDraft>] => [
    `waits for a ${kind}`,
    object(kind),
  ]),
  ['computes', { proc: alwaysRunning }],
  [
    'is held by the kernel',
    {
      syscall: call('read', 5n),
      proc: { ...standsStill, states: ['uninterruptible', 'uninterruptible', 'uninterruptible'] },
    },
  ],
];

const stuck = (rest: Partial<ThreadDraft>): ThreadDraft => ({
  lwp: 11,
  frames: [frame('a.py:3 work')],
  proc: standsStill,
  ...rest,
});

describe.each(waits)('a thread that %s', (_, wait) => {
  const victim = { lwp: 12, frames: [frame('a.py:9 show')], syscall: futex(0x5000n), proc: standsStill };

  test.each<[string, Partial<ThreadDraft>, readonly ThreadDraft[]]>([
    ['serves a request', { request }, []],
    ['has a lock that another one wants', { holds: [{ address: 0xan }] }, [{ ...victim, waits: { address: 0xan } }]],
    [
      'is joined by a request',
      {},
      [{ ...victim, request, waits: { address: 0x80n, kind: 'join', ownerThreadId: 11n * 0x10000n } }],
    ],
    [
      'serves a request, and has a lock that another one wants',
      { request, holds: [{ address: 0xan }] },
      [{ ...victim, waits: { address: 0xan } }],
    ],
  ])('and %s is the root of one finding, and of no other', (_what, rest, others) => {
    const findings = found([parked, stuck({ ...wait, ...rest }), ...others]);
    expect(findings.map(({ roots, victims }) => [roots.map(({ lwp }) => lwp), victims])).toEqual([
      [[11], others.map(({ lwp }) => lwp)],
    ]);
  });
});

describe('a C call that keeps the GIL', () => {
  const starving: ThreadDraft = {
    lwp: 12,
    frames: [frame('a.py:9 show')],
    syscall: futex(0x5000n),
    native: ['libc.so.6!pthread_cond_timedwait', 'take_gil', '_PyEval_EvalFrameDefault'],
  };

  test.each<[string, ThreadDraft['syscall'], string]>([
    ['on a futex', futex(0x6000n), 'lock-wait likely 11 < 12'],
    ['for a child process', call('wait4', 77n), 'lock-wait likely 11 < 12'],
    ['for a message', call('msgrcv', 5n), 'lock-wait likely 11 < 12'],
    ['for a peer', call('recvfrom', 5n), 'blocking-io likely 11 < 12'],
    ['for an hour', call('nanosleep', 0x9000n), 'sleep proven 11 < 12'],
  ])('and waits %s is the cause', (_, syscall, expected) => {
    const findings = [stuck({ gil: true, native: ['libc.so.6!wait', 'lib.so!enter'], syscall }), starving];
    expect(brief(findings)).toEqual([expected]);
  });
});

describe('a thread without Python that has a mutex', () => {
  const wanting: ThreadDraft = {
    lwp: 12,
    frames: [frame('a.py:9 show')],
    syscall: futex(0x7000n),
    native: ['libc.so.6!__lll_lock_wait', 'lib.so!enter', '_PyEval_EvalFrameDefault'],
  };
  const native = ['lib.so!fetch', 'libc.so.6!start_thread'];

  test.each<[string, Partial<ThreadDraft>, string]>([
    ['reads', { syscall: call('recvfrom', 5n), proc: standsStill }, 'blocking-io likely 11 < 12'],
    ['sleeps', { syscall: call('nanosleep', 0x9000n), proc: standsStill }, 'sleep proven 11 < 12'],
    ['computes', { proc: alwaysRunning }, 'busy-native likely 11 < 12'],
    ['waits on a futex', { syscall: futex(0x6000n), proc: standsStill }, 'lock-wait likely 11 < 12'],
  ])('and %s is the root where Python waits for it, else no cause', (_, rest, expected) => {
    const owner: ThreadDraft = { lwp: 11, native, ...rest };
    expect(brief([parked, owner, wanting])).toEqual([expected]);
    expect(brief([parked, owner])).toEqual([]);
  });

  test('is no cause where only others of its kind wait for it: they take turns', () => {
    const { frames: _, ...follower } = wanting;
    const leader: ThreadDraft = { lwp: 11, native, syscall: call('epoll_wait', 5n), proc: standsStill };
    expect(brief([parked, leader, follower])).toEqual([]);
  });
});

describe('no more is claimed than was seen', () => {
  test('of a call that may only have been met on its way', () => {
    for (const syscall of [futex(0x6000n), call('openat', 5n)]) {
      const { proc: _, ...unseen } = stuck({ syscall, request });
      expect(brief([parked, unseen])).toEqual([]);
    }
    expect(brief([parked, stuck({ syscall: futex(0x6000n), request })])).toEqual(['lock-wait suspected 11 < ']);
  });

  test('of a call that goes on with a wait of unknown length', () => {
    expect(brief([parked, stuck({ syscall: call('restart_syscall'), request })])).toEqual([]);
  });

  test('of a sleep that others wait for as far as a disputed owner says', () => {
    const sleeper = stuck({ syscall: call('nanosleep', 0x9000n), holds: [{ address: 0xan }] });
    const wanting: ThreadDraft = {
      lwp: 12,
      frames: [frame('a.py:9 show')],
      syscall: futex(0x5000n),
      waits: { address: 0xan },
    };
    const other: ThreadDraft = {
      lwp: 13,
      frames: [frame('a.py:5 f')],
      syscall: call('pause'),
      holds: [{ address: 0xan }],
    };
    expect(brief([parked, sleeper, wanting])).toEqual(['sleep proven 11 < 12']);
    expect(brief([parked, sleeper, wanting, other])).toEqual(['sleep suspected 11 < 12']);
  });

  test('of a page fault that one look found in the kernel', () => {
    expect(brief([parked, stuck({ proc: { states: ['uninterruptible'] } })])).toEqual([
      'uninterruptible suspected 11 < ',
    ]);
  });
});

test('a chain of 500 threads has one root, and all others are its victims', () => {
  const links = Array.from(
    { length: 499 },
    (_, index): ThreadDraft => ({
      lwp: 12 + index,
      frames: [frame('a.py:9 show')],
      syscall: futex(0x5000n),
      waits: { address: BigInt(0xa0000 + index) },
      holds: [{ address: BigInt(0xa0001 + index) }],
    }),
  );
  const root = stuck({ syscall: call('recvfrom', 5n), holds: [{ address: 0xa0000n }] });
  const [finding, ...others] = found([...links.toReversed(), root]);
  expect(others).toEqual([]);
  expect(finding?.roots.map(({ lwp }) => lwp)).toEqual([11]);
  expect(finding?.victims).toEqual(links.map(({ lwp }) => lwp));
});

test.each([
  [
    [11],
    'thread 11 waits for python-lock 0x90 in work (a.py:3); memory does not say who holds it; 1 thread waits for it',
  ],
  [
    [11, 13],
    'threads 11 and 13 wait for python-lock 0x90 in work (a.py:3); memory does not say who holds it; 1 thread waits for them',
  ],
])('threads %j behind a lock of an unknown owner are told in one sentence', (lwps, summary) => {
  const waiting = lwps.map(lwp => ({
    ...stuck(object('python-lock')),
    lwp,
    holds: [{ address: 0xa0n + BigInt(lwp) }],
  }));
  const wanting: ThreadDraft = {
    lwp: 12,
    frames: [frame('a.py:9 show')],
    syscall: futex(0x5000n),
    waits: { address: 0xabn },
  };
  expect(found([parked, ...waiting, wanting]).map(finding => finding.summary)).toEqual([summary]);
});
