import { describe, expect, test } from 'vitest';
import { judge } from '../../../src/verdict/judge.ts';
import {
  alwaysRunning,
  call,
  frame,
  futex,
  inputOf,
  standsStill,
  stdlib,
  type ThreadDraft,
  wakesOften,
} from './make.ts';

const found = (drafts: readonly ThreadDraft[], rest = {}) => judge(inputOf(drafts, rest)).findings;
const brief = (drafts: readonly ThreadDraft[], rest = {}) =>
  found(drafts, rest).map(({ class: kind, confidence, roots, victims }) => ({
    kind,
    confidence,
    roots: roots.map(({ lwp, function: name, line }) => `${lwp} ${name}:${line}`),
    victims,
  }));

const waiter = (lwp: number, place: string, address: bigint, rest: Partial<ThreadDraft> = {}): ThreadDraft => ({
  lwp,
  frames: [frame(place)],
  syscall: futex(),
  waits: { address },
  ...rest,
});

const starving = (lwp: number): ThreadDraft => ({
  lwp,
  frames: [frame('shop.py:30 show')],
  syscall: futex(0x6000n),
  native: [
    'libc.so.6!pthread_cond_timedwait',
    'take_gil',
    'PyEval_RestoreThread',
    'time_sleep',
    '_PyEval_EvalFrameDefault',
  ],
});

const seconds = (value: bigint) => ({
  read: (address: bigint, length: number) => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigInt64LE(value, 0);
    return bytes.subarray(Number(address & 0xfn), Number(address & 0xfn) + length);
  },
});

describe('deadlock', () => {
  const pair = [
    waiter(11, 'bank.py:16 transfer', 0xbn, { holds: [{ address: 0xan }] }),
    waiter(12, 'bank.py:24 audit', 0xan, { holds: [{ address: 0xbn }] }),
  ];

  test('two threads that hold what the other waits for are the roots; who waits for them is a victim', () => {
    expect(
      brief([
        ...pair,
        waiter(13, 'bank.py:30 show', 0xan),
        waiter(14, 'bank.py:40 list', 0xcn),
        waiter(15, 'bank.py:30 show', 0xdn, { holds: [{ address: 0xcn }] }),
      ]),
    ).toEqual([
      { kind: 'deadlock', confidence: 'proven', roots: ['11 transfer:16', '12 audit:24'], victims: [13] },
      { kind: 'lock-wait', confidence: 'suspected', roots: ['15 show:30'], victims: [14] },
    ]);
  });

  test('its evidence has the addresses and values that were read for each edge', () => {
    const values = found(pair)[0]?.evidence.flatMap(({ address, value }) =>
      address === undefined ? [] : [[address, value]],
    );
    expect(values).toEqual([
      [0x10n, 0xbn],
      [0x20n, 0xbn],
      [0x10n, 0xan],
      [0x20n, 0xan],
    ]);
  });

  test('a thread that waits for a lock it holds itself is a cycle of one', () => {
    expect(brief([waiter(11, 'cache.py:17 load', 0xan, { holds: [{ address: 0xan }] })])).toEqual([
      { kind: 'deadlock', confidence: 'proven', roots: ['11 load:17'], victims: [] },
    ]);
  });

  test('who waits for a cycle of one waits for it, not for them', () => {
    const alone = waiter(11, 'cache.py:17 load', 0xan, { holds: [{ address: 0xan }, { address: 0xbn }] });
    expect(found([alone, waiter(12, 'cache.py:30 show', 0xbn)])[0]?.summary).toBe(
      'thread 11 waits in load (cache.py:17) for a lock that it holds itself; 1 thread waits for it',
    );
  });

  test('a reentrant lock names its owner by thread id', () => {
    const drafts = [
      waiter(11, 'bank.py:16 transfer', 0xbn, {
        waits: { kind: 'python-rlock', address: 0xbn, ownerThreadId: 12n * 0x10000n },
      }),
      waiter(12, 'bank.py:24 audit', 0xan, {
        waits: { kind: 'python-rlock', address: 0xan, ownerThreadId: 11n * 0x10000n },
      }),
    ];
    expect(brief(drafts).map(({ kind, confidence }) => [kind, confidence])).toEqual([['deadlock', 'proven']]);
  });

  test('a cycle is as sure as its weakest hold', () => {
    const drafts = [
      pair[0]!,
      waiter(12, 'bank.py:24 audit', 0xan, { holds: [{ address: 0xbn, confidence: 'likely' }] }),
    ];
    expect(brief(drafts)[0]).toMatchObject({ kind: 'deadlock', confidence: 'likely' });
  });

  test('a wait with a limit breaks the circle by itself', () => {
    const timed = { ...pair[1]!, syscall: call('futex', 0x7000n, 137n, 0n, 0x9000n) };
    expect(found([pair[0]!, timed]).map(({ class: kind }) => kind)).not.toContain('deadlock');
  });

  test('the signature is the same for other threads, lines and addresses', () => {
    const other = [
      waiter(21, 'bank.py:18 transfer', 0x1bn, { holds: [{ address: 0x1an }] }),
      waiter(22, 'bank.py:26 audit', 0x1an, { holds: [{ address: 0x1bn }] }),
    ];
    const [signature] = found(pair).map(finding => finding.signature);
    expect(found(other)[0]?.signature).toBe(signature);
    expect(signature).toBe('deadlock audit@bank.py transfer@bank.py');
  });
});

describe('busy-loop', () => {
  const loop: ThreadDraft = {
    lwp: 11,
    frames: [frame('shop.py:9 count_orders'), frame(`${stdlib}/threading.py:975 run`)],
    gil: true,
  };

  test('byte code that ran in every sample is proven, and waiters for the GIL are its victims', () => {
    const busy = { ...loop, native: ['long_add', '_PyEval_EvalFrameDefault', 'thread_run'], proc: alwaysRunning };
    expect(brief([busy, starving(12), starving(13)])).toEqual([
      { kind: 'busy-loop', confidence: 'proven', roots: ['11 count_orders:9'], victims: [12, 13] },
    ]);
  });

  test('without native stacks and samples it is a suspicion only', () => {
    expect(brief([loop])).toEqual([
      { kind: 'busy-loop', confidence: 'suspected', roots: ['11 count_orders:9'], victims: [] },
    ]);
  });

  test('where the process was sampled, who began only afterwards is not even suspected', () => {
    expect(brief([loop, { ...starving(12), proc: standsStill }])).toEqual([]);
  });

  test('a thread caught at work that mostly sleeps is not busy', () => {
    expect(
      found([
        { ...loop, proc: { states: ['sleeping', 'running', 'sleeping'], cpuPercent: 4, switchesWhileSampled: 20 } },
      ]),
    ).toEqual([]);
  });

  test('one that wanted a core all the time is busy on a crowded host too, at a moment when it waits for the GIL', () => {
    const crowded = { states: ['running', 'running', 'sleeping'], cpuPercent: 12, wantedPercent: 91 } as const;
    const looping = { ...starving(11), frames: [frame('shop.py:9 count_orders')], proc: crowded };
    expect(brief([looping, starving(12)])).toMatchObject([{ kind: 'busy-loop', confidence: 'likely' }]);
  });

  test('one that only waits for the GIL is not busy, though it is ready to run most of the time on a crowded host', () => {
    const waits = { states: ['running', 'running', 'sleeping'], cpuPercent: 0.6, wantedPercent: 97 } as const;
    const drafts = [{ ...starving(11), frames: [frame('shop.py:9 count_orders')], proc: waits }, starving(12)];
    expect(brief(drafts)).toEqual([]);
  });

  test('two that share the GIL are both busy', () => {
    const half = { states: ['running', 'sleeping', 'running'], cpuPercent: 48, switchesWhileSampled: 90 } as const;
    const drafts = [
      { ...loop, native: ['_PyEval_EvalFrameDefault'], proc: half },
      { ...starving(12), frames: [frame('shop.py:40 merge')], proc: half },
    ];
    expect(brief(drafts).map(({ kind, roots }) => [kind, ...roots])).toEqual([
      ['busy-loop', '11 count_orders:9'],
      ['busy-loop', '12 merge:40'],
    ]);
  });

  test.each(['<listcomp>', 'count_orders.<locals>.<dictcomp>'])(
    '%s is told by the function that it stands in',
    name => {
      const frames = [frame(`shop.py:10 ${name}`), ...(loop.frames ?? [])];
      expect(brief([{ ...loop, frames, proc: alwaysRunning }])).toMatchObject([{ roots: ['11 count_orders:10'] }]);
    },
  );

  test('a call of a quick builtin is part of the loop', () => {
    expect(
      brief([
        { ...loop, native: ['builtin_len', 'cfunction_vectorcall_O', '_PyEval_EvalFrameDefault'], proc: alwaysRunning },
      ])[0]?.kind,
    ).toBe('busy-loop');
  });

  test('who waits for a lock that the looping thread holds is a victim too', () => {
    expect(
      brief([{ ...loop, holds: [{ address: 0xan }], proc: alwaysRunning }, waiter(12, 'shop.py:50 pay', 0xan)]),
    ).toMatchObject([{ kind: 'busy-loop', victims: [12] }]);
  });
});

describe('busy-native', () => {
  test.each([
    [
      'builtin_sum_impl',
      ['long_add', 'builtin_sum_impl', 'cfunction_vectorcall_FASTCALL_KEYWORDS', '_PyEval_EvalFrameDefault'],
    ],
    ['sre_ucs1_match', ['sre_ucs1_match', '_sre_SRE_Pattern_match_impl', '_PyEval_EvalFrameDefault']],
    [
      'pbkdf2_hmac',
      [
        'libcrypto.so.3!sha256_block_data_order',
        'libcrypto.so.3!EVP_DigestUpdate',
        'lib-dynload/_hashlib.so!pbkdf2_hmac',
        '_PyEval_EvalFrameDefault',
      ],
    ],
  ])('%s, called from Python, is named with the Python line that called it', (name, native) => {
    const [finding] = found([{ lwp: 11, frames: [frame('login.py:20 check_name')], native, proc: alwaysRunning }]);
    expect(finding).toMatchObject({
      class: 'busy-native',
      confidence: 'likely',
      roots: [{ function: 'check_name', line: 20 }],
    });
    expect(finding?.summary).toContain(name);
  });

  test('is proven where another thread stood still waiting for the GIL', () => {
    const hog: ThreadDraft = {
      lwp: 11,
      frames: [frame('a.py:2 total')],
      gil: true,
      native: ['builtin_sum', '_PyEval_EvalFrameDefault'],
      proc: alwaysRunning,
    };
    const starved: ThreadDraft = {
      lwp: 12,
      frames: [frame('a.py:9 tick')],
      syscall: futex(),
      native: ['libc.so.6!sem_wait', 'take_gil', '_PyEval_EvalFrameDefault'],
      proc: standsStill,
    };
    expect(brief([hog, starved])).toEqual([
      { kind: 'busy-native', confidence: 'proven', roots: ['11 total:2'], victims: [12] },
    ]);
  });
});

describe('blocking-io', () => {
  const reader: ThreadDraft = {
    lwp: 11,
    frames: [frame('price.py:7 fetch_price')],
    syscall: call('recvfrom', 5n, 0x100n, 4096n),
  };

  test('a read that did not move between samples is likely, and names its peer', () => {
    const [finding] = found([{ ...reader, proc: standsStill }]);
    expect(finding).toMatchObject({
      class: 'blocking-io',
      confidence: 'likely',
      roots: [{ function: 'fetch_price', line: 7 }],
    });
    expect(finding?.summary).toContain('10.0.0.9:5432');
  });

  test.each([
    ['recvfrom', /ask why .* does not answer/],
    ['write', /see why .* does not read what is written/],
    ['flock', /lslocks/],
  ] as const)('what to do about a %s fits it', (name, advice) => {
    expect(found([{ ...reader, syscall: call(name, 5n, 0x100n, 4096n), proc: standsStill }])[0]?.next).toMatch(advice);
  });

  test('one that ends by itself needs no time-out', () => {
    const polls = { ...reader, syscall: call('poll', 0x100n, 1n, 45_000n), proc: standsStill };
    expect(found([polls])[0]).toMatchObject({
      summary: expect.stringContaining('for up to 45 s'),
      next: expect.stringMatching(/; the call in fetch_price gives up by itself after that$/),
    });
  });

  test('from the core alone it is suspected', () => {
    expect(brief([reader])).toMatchObject([{ kind: 'blocking-io', confidence: 'suspected' }]);
  });

  test('a slow peer that is alive wakes the thread between samples: no finding', () => {
    expect(found([{ ...reader, proc: wakesOften }])).toEqual([]);
  });

  test.each([
    ['a read with a short limit', call('poll', 0x100n, 1n, 200n)],
    ['a server that waits for connections', call('accept4', 3n)],
    ['an event loop', call('epoll_wait', 4n, 0x100n, 64n, 0xffffffffn)],
  ])('%s is none', (_, syscall) => {
    expect(found([{ ...reader, syscall, proc: standsStill }])).toEqual([]);
  });

  test('a worker of an installed server that waits for its next request is idle', () => {
    const worker = {
      ...reader,
      frames: [frame('/srv/venv/lib/python3.11/site-packages/waitress/task.py:90 handler_thread')],
    };
    const { threads, findings } = judge(inputOf([worker]));
    expect([threads[0]?.role, findings]).toEqual(['idle', []]);
  });

  test('threads behind a lock that the reader holds are its victims, not a cause', () => {
    const drafts = [
      { ...reader, holds: [{ address: 0xan }], proc: standsStill },
      waiter(12, 'a.py:4 render', 0xan),
      waiter(13, 'a.py:4 render', 0xan),
    ];
    expect(brief(drafts)).toEqual([
      { kind: 'blocking-io', confidence: 'likely', roots: ['11 fetch_price:7'], victims: [12, 13] },
    ]);
  });

  test('a request that waits for a child process is one, a supervisor is none', () => {
    const thread: ThreadDraft = {
      lwp: 11,
      frames: [frame('a.py:7 convert')],
      syscall: call('wait4', 77n),
      proc: standsStill,
    };
    expect(found([thread])).toEqual([]);
    const [finding] = found([{ ...thread, request: { method: 'GET', path: '/pdf' } }]);
    expect(finding).toMatchObject({ class: 'blocking-io', confidence: 'likely', roots: [{ function: 'convert' }] });
    expect(finding?.summary).toContain('for wait4 of child process 77, without a limit');
  });
});

describe('sleep', () => {
  const sleeper: ThreadDraft = {
    lwp: 11,
    frames: [frame('jobs.py:9 migrate')],
    syscall: call('nanosleep', 0x100n),
    holds: [{ address: 0xan }],
  };

  test('a chain of waits ends at the thread that sleeps: one finding, all others are victims', () => {
    const drafts = [
      sleeper,
      waiter(12, 'a.py:4 log_in', 0xan, { holds: [{ address: 0xbn }] }),
      waiter(13, 'a.py:8 show', 0xbn),
      waiter(14, 'a.py:8 show', 0xbn),
    ];
    expect(brief(drafts, { memory: seconds(3600n) })).toEqual([
      { kind: 'sleep', confidence: 'proven', roots: ['11 migrate:9'], victims: [12, 13, 14] },
    ]);
  });

  test('nobody waits: a long sleep is a suspicion, a short one nothing', () => {
    expect(brief([{ ...sleeper, holds: [] }], { memory: seconds(3600n) })).toMatchObject([
      { kind: 'sleep', confidence: 'suspected' },
    ]);
    expect(found([{ ...sleeper, holds: [] }], { memory: seconds(1n) })).toEqual([]);
  });

  test('a lock that is kept for a moment only is no cause', () => {
    expect(found([sleeper, waiter(12, 'a.py:4 log_in', 0xan)], { memory: seconds(0n) })).toEqual([]);
  });
});

describe('lock-wait', () => {
  test('a lock without a known owner is never a deadlock', () => {
    expect(
      brief([waiter(11, 'a.py:4 transfer', 0xan), waiter(12, 'a.py:9 audit', 0xbn)]).map(({ kind, confidence }) => [
        kind,
        confidence,
      ]),
    ).toEqual([
      ['lock-wait', 'suspected'],
      ['lock-wait', 'suspected'],
    ]);
  });

  test('a thread that got on between samples does not hang', () => {
    expect(found([waiter(11, 'a.py:4 transfer', 0xan, { proc: wakesOften })])).toEqual([]);
  });

  test('an owner that waits for a child process while it holds the lock is the root', () => {
    const owner: ThreadDraft = {
      lwp: 11,
      frames: [frame('a.py:3 shut')],
      syscall: call('wait4', 77n),
      holds: [{ address: 0xan }],
    };
    const { threads, findings } = judge(inputOf([owner, waiter(12, 'a.py:9 enter', 0xan)]));
    expect(findings).toMatchObject([
      { class: 'lock-wait', confidence: 'likely', roots: [{ function: 'shut', line: 3 }], victims: [12] },
    ]);
    expect(threads[0]?.role).toBe('application');
  });
});

describe('nothing', () => {
  test('a wait for the GIL is never a finding of its own', () => {
    const drafts: ThreadDraft[] = [
      {
        lwp: 11,
        frames: [frame('a.py:1 f')],
        gil: true,
        proc: { states: ['running', 'sleeping', 'sleeping'], cpuPercent: 3, switchesWhileSampled: 9 },
      },
      {
        lwp: 12,
        frames: [frame('a.py:2 g')],
        syscall: futex(),
        native: ['libc.so.6!sem_wait', 'take_gil', '_PyEval_EvalFrameDefault'],
      },
    ];
    const { findings, threads } = judge(inputOf(drafts));
    expect(findings).toEqual([]);
    expect(threads[1]).toMatchObject({ gil: 'waits', waits: { kind: 'gil', owner: 11, confidence: 'proven' } });
  });

  test('on 2.7 a wait for a lock object is none for the GIL', () => {
    const lock = ['libpthread.so.0!sem_wait', 'PyThread_acquire_lock', '??', 'PyEval_EvalFrameEx'];
    const gil = [
      'libpthread.so.0!sem_wait',
      'PyThread_acquire_lock',
      'PyEval_RestoreThread',
      '??',
      'PyEval_EvalFrameEx',
    ];
    const drafts = [
      waiter(11, 'a.py:4 f', 0xan, { native: lock }),
      waiter(12, 'a.py:5 g', 0xan, { native: gil }),
      { lwp: 13, frames: [frame('a.py:9 h')], gil: true },
    ];
    expect(
      judge(inputOf(drafts, { version: '2.7.18' })).threads.map(({ waits, gil: state }) => [waits?.kind, state]),
    ).toEqual([
      ['python-lock', 'none'],
      ['gil', 'waits'],
      [undefined, 'holds'],
    ]);
  });

  test('a core without any frame is unreadable', () => {
    expect(brief([{ lwp: 11, syscall: futex() }])).toEqual([
      { kind: 'unreadable', confidence: 'proven', roots: [], victims: [] },
    ]);
  });

  test('threads of a program without Python are the runtime, and no cause is made up for them', () => {
    const { threads, findings } = judge(
      inputOf([{ lwp: 11, syscall: call('accept4', 3n), native: ['libc.so.6!accept4', 'nginx!main'] }]),
    );
    expect([threads[0]?.role, findings]).toEqual(['runtime', []]);
  });
});

describe('pthread mutexes', () => {
  const memory = {
    read: (address: bigint, length: number) => {
      const bytes = Buffer.alloc(64);
      bytes.writeUInt32LE(2, 0);
      bytes.writeInt32LE(7, 8);
      // __nusers, which a mutex counts its owner in.
      bytes.writeInt32LE(1, 12);
      return bytes.subarray(Number(address - 0x7000n), Number(address - 0x7000n) + length);
    },
  };

  test('the owner is an id of the inner PID namespace, which /proc maps to the LWP', () => {
    const drafts: ThreadDraft[] = [
      {
        lwp: 2011,
        frames: [frame('a.py:4 f')],
        syscall: futex(0x7000n),
        native: [
          'libc.so.6!__lll_lock_wait',
          'libc.so.6!pthread_mutex_lock',
          'lib.so!enter',
          '_PyEval_EvalFrameDefault',
        ],
      },
      { lwp: 2012, frames: [frame('a.py:9 g')], syscall: call('recvfrom', 5n), proc: { ...standsStill, nsPid: 7 } },
    ];
    const { threads, findings } = judge(inputOf(drafts, { memory }));
    expect(threads[0]?.waits).toMatchObject({ kind: 'pthread-mutex', owner: 2012, ownerConfidence: 'proven' });
    expect(threads[0]?.waits?.evidence).toContainEqual({
      text: 'mutex owner is thread 7',
      address: 0x7008n,
      value: 7n,
      bytes: 4,
    });
    expect(findings).toMatchObject([{ class: 'blocking-io', victims: [2011] }]);
  });
});
