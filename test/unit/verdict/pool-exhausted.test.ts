import { describe, expect, test } from 'vitest';
import type { PythonPool } from '../../../src/python/process.ts';
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

const worker = frame(`${stdlib}/concurrent/futures/thread.py:81 _worker`);
const fetching = (lwp: number, rest: Partial<ThreadDraft> = {}): ThreadDraft => ({
  lwp,
  frames: [frame('shop.py:20 fetch'), worker],
  syscall: call('recvfrom', 5n),
  proc: standsStill,
  ...rest,
});
const waiting = (lwp: number): ThreadDraft => ({
  lwp,
  frames: [frame('shop.py:30 render'), worker],
  syscall: futex(),
  waits: { address: 0xan },
  proc: standsStill,
});

const holder = (lwp: number, address: bigint, rest: Partial<ThreadDraft> = {}): ThreadDraft =>
  fetching(lwp, { frames: [frame('shop.py:8 query')], holds: [{ address }], ...rest });

type Pool = Partial<PythonPool> & { readonly unread?: 'size' | 'waiting' };
const without = (unread: 'size' | 'waiting'): Pool => ({ unread });

const findingsOf = (drafts: readonly ThreadDraft[], { unread, ...pool }: Pool = {}) => {
  const input = inputOf(drafts);
  if (input.python === undefined) throw new Error('no Python');
  const workers = drafts
    .filter(({ frames }) => frames?.includes(worker))
    .map(({ lwp, frames }) => ({ lwp, busy: frames?.[0] !== worker }));
  const read = { size: 3, waiting: 2 };
  const known = Object.fromEntries(Object.entries(read).filter(([name]) => name !== unread));
  const pools = [{ kind: 'executor', queue: 0x50n, workers, evidence: [], ...known, ...pool } as const];
  return judge({ ...input, python: { ...input.python, pools } }).findings;
};
const brief = (drafts: readonly ThreadDraft[], pool: Pool = {}) =>
  findingsOf(drafts, pool).map(({ class: kind, confidence }) => `${kind} ${confidence}`);

const crossed = (lwp: number, waits: bigint, holds: bigint): ThreadDraft => ({
  ...waiting(lwp),
  waits: { address: waits },
  holds: [{ address: holds }],
});

describe('pool-exhausted', () => {
  const all = [fetching(11), fetching(12), fetching(13)];

  test('all workers that the pool may have stand still, and work waits', () => {
    const [pool, cause] = findingsOf(all);
    const roots = [11, 12, 13].map(lwp => ({ lwp, function: 'fetch' }));
    expect(pool).toMatchObject({ class: 'pool-exhausted', confidence: 'proven', roots });
    expect(pool?.summary).toMatch(
      /^all 3 workers of the thread pool .* 3 in fetch \(shop\.py:20\); 2 items of work wait/,
    );
    expect(cause).toMatchObject({ class: 'blocking-io', roots: [{ lwp: 11 }, { lwp: 12 }, { lwp: 13 }] });
  });

  test.each<[string, readonly ThreadDraft[], Pool, readonly string[]]>([
    [
      'each worker serves a request',
      all.map(each => ({ ...each, request: { method: 'GET', path: '/price' } })),
      { waiting: 0 },
      ['pool-exhausted proven', 'blocking-io likely'],
    ],
    ['nothing waits for a worker', all, { waiting: 0 }, ['pool-exhausted likely', 'blocking-io likely']],
    ['what waits could not be read', all, without('waiting'), ['pool-exhausted likely', 'blocking-io likely']],
    ['its size could not be read', all, without('size'), ['pool-exhausted likely', 'blocking-io likely']],
    ['it may start another worker', all, { size: 4 }, ['blocking-io likely']],
    [
      'a worker is idle',
      [...all.slice(1), fetching(11, { frames: [worker], syscall: futex() })],
      {},
      ['blocking-io likely'],
    ],
    ['a worker gets on', [...all.slice(1), fetching(11, { proc: wakesOften })], {}, ['blocking-io likely']],
    [
      'a worker will get on',
      [...all.slice(1), fetching(11, { syscall: call('poll', 0n, 1n, 2000n) })],
      {},
      ['blocking-io likely'],
    ],
    ['it is a pool of one', all.slice(2), { size: 1 }, ['blocking-io likely']],
  ])('%s', (_when, drafts, pool, expected) => {
    expect(brief(drafts, pool)).toEqual(expected);
  });

  test('without samples it is a suspicion', () => {
    const unseen = all.map(({ lwp, frames = [], syscall }) => ({ lwp, frames, ...(syscall && { syscall }) }));
    expect(brief(unseen)).toEqual(['pool-exhausted suspected', 'blocking-io suspected']);
  });

  test('workers that wait for one thread in the end have that one as their root', () => {
    const [pool, cause] = findingsOf([holder(10, 0xan), waiting(11), waiting(12), waiting(13)]);
    expect(pool).toMatchObject({
      class: 'pool-exhausted',
      confidence: 'proven',
      roots: [{ lwp: 10, function: 'query' }],
      victims: [11, 12, 13],
      summary:
        'all 3 workers of the thread pool (concurrent.futures) are stuck behind thread 10, in query (shop.py:8), which waits for recvfrom from 10.0.0.9:5432; 2 items of work wait for a worker',
    });
    expect(cause).toMatchObject({ class: 'blocking-io', roots: [{ lwp: 10 }] });
  });

  test('one of them may be that thread; while it gets on, so will they', () => {
    const first = fetching(11, { holds: [{ address: 0xan }] });
    expect(findingsOf([first, waiting(12), waiting(13)])[0]).toMatchObject({
      class: 'pool-exhausted',
      roots: [{ lwp: 11 }],
      victims: [12, 13],
      summary: expect.stringContaining(
        'behind one of them, thread 11, in fetch (shop.py:20), which waits for recvfrom from 10.0.0.9:5432;',
      ),
    });
    expect(brief([{ ...first, proc: wakesOften }, waiting(12), waiting(13)])).toEqual([]);
  });

  test('workers that wait for several others stand only as long as none of these gets on', () => {
    const others = [waiting(11), waiting(12), { ...waiting(13), waits: { address: 0xbn } }];
    const [pool] = findingsOf([holder(9, 0xan), holder(10, 0xbn), ...others]);
    const roots = [{ lwp: 11 }, { lwp: 12 }, { lwp: 13 }];
    expect(pool).toMatchObject({ class: 'pool-exhausted', confidence: 'proven', roots });
    expect(brief([holder(9, 0xan), holder(10, 0xbn, { proc: wakesOften }), ...others])).toEqual(['blocking-io likely']);
  });

  test('workers that a busy one keeps from the GIL stand; those that take turns do not', () => {
    const busy: ThreadDraft = { lwp: 11, frames: [frame('shop.py:9 match'), worker], gil: true, proc: alwaysRunning };
    const asking = (lwp: number, cpuPercent: number): ThreadDraft => ({
      lwp,
      frames: [frame('shop.py:30 show'), worker],
      syscall: futex(0x6000n),
      native: ['libc.so.6!pthread_cond_timedwait', 'take_gil', '_PyEval_EvalFrameDefault'],
      proc: { ...wakesOften, cpuPercent },
    });
    const busyNative = { ...busy, native: ['sre_ucs1_match', 'pattern_search', '_PyEval_EvalFrameDefault'] };
    const [cause, pool] = findingsOf([busyNative, asking(12, 0.2), asking(13, 0.2)]);
    expect(cause?.class).toBe('busy-native');
    expect(pool).toMatchObject({
      class: 'pool-exhausted',
      summary: expect.stringContaining('thread 11, in match (shop.py:9), which uses the CPU all the time;'),
    });
    const turns = findingsOf([busyNative, asking(12, 33), asking(13, 33)]).map(({ class: kind }) => kind);
    expect(turns).not.toContain('pool-exhausted');
  });

  test('a wait for the shared root that ends by itself is not stuck', () => {
    const timed = { ...waiting(13), syscall: call('futex', 0x7000n, 137n, 0n, 0x9000n) };
    expect(brief([holder(10, 0xan), waiting(11), waiting(12), timed])).toEqual(['blocking-io likely']);
  });

  test.each<[string, Partial<ThreadDraft>, string]>([
    ['what is written', { syscall: call('sendto', 5n) }, 'sendto to 10.0.0.9:5432'],
    ['a descriptor', { syscall: call('read', 6n) }, 'read on descriptor 6'],
    ['a sleep', { syscall: call('nanosleep') }, 'the end of a sleep'],
    ['a child', { syscall: call('wait4', 77n) }, 'child process 77'],
    ['an event', { syscall: futex(), waits: { address: 0xcn, kind: 'event' } }, 'the event 0xc'],
    ['a lock', { syscall: futex(), waits: { address: 0xcn } }, 'the python-lock 0xc'],
  ])('the first line says what they are stuck in: %s', (_what, rest, expected) => {
    const stuck = [11, 12, 13].map(lwp => fetching(lwp, rest));
    const pool = findingsOf(stuck).find(({ class: kind }) => kind === 'pool-exhausted');
    expect(pool?.summary).toContain(` are stuck, waiting for ${expected}: 3 in fetch (shop.py:20);`);
  });

  test('of many different waits two are told', () => {
    const stuck = [
      fetching(11),
      fetching(12, { syscall: call('read', 6n) }),
      fetching(13, { syscall: call('read', 7n) }),
    ];
    expect(findingsOf(stuck)[0]?.summary).toContain(
      'waiting for recvfrom from 10.0.0.9:5432, read on descriptor 6 and 1 more: 3 in fetch',
    );
  });

  test('what they wait for stands before it where that never ends by itself', () => {
    expect(brief([crossed(11, 0xan, 0xbn), crossed(12, 0xbn, 0xan)], { size: 2 })).toEqual([
      'deadlock proven',
      'pool-exhausted proven',
    ]);
  });
});

/** A worker, or any other thread, that waits for the result of work which lies in a queue. */
const awaiting = (lwp: number, queue: bigint, rest: Partial<ThreadDraft> = {}): ThreadDraft => ({
  lwp,
  frames: [frame(`${stdlib}/concurrent/futures/_base.py:451 result`), frame('shop.py:40 price'), worker],
  syscall: futex(),
  waits: { address: BigInt(lwp), kind: 'condition', queuedIn: queue },
  proc: standsStill,
  ...rest,
});
const outside = (lwp: number, rest: Partial<ThreadDraft> = {}): ThreadDraft =>
  awaiting(lwp, 0x50n, { frames: [frame('shop.py:60 show')], ...rest });
/** Without samples of /proc. */
const unseen = ({ proc: _proc, ...each }: ThreadDraft): ThreadDraft => each;
/** One all of whose workers are busy. */
const poolOf = (queue: bigint, lwps: readonly number[]): PythonPool => ({
  kind: 'executor',
  queue,
  workers: lwps.map(lwp => ({ lwp, busy: true })),
  size: lwps.length,
  waiting: 2,
  evidence: [],
});
/** `timeout=` of the wait, so that its futex has a limit. */
const limited = (seconds: number): Partial<ThreadDraft> => ({
  syscall: call('futex', 0x7000n, 137n, 0n, 0x9000n),
  waits: { address: 0x1n, kind: 'condition', queuedIn: 0x50n, timeoutSeconds: seconds },
});

describe('a pool that waits for its own work', () => {
  const all = [awaiting(11, 0x50n), awaiting(12, 0x50n), awaiting(13, 0x50n)];

  test('is the cause itself: every worker is a root, and who waits for that queue is a victim', () => {
    const request = { method: 'GET', path: '/price' };
    const findings = findingsOf([
      ...all,
      outside(14, { request }),
      { ...waiting(15), frames: [frame('shop.py:70 log')] },
    ]);
    expect(findings[0]).toMatchObject({
      class: 'pool-exhausted',
      confidence: 'proven',
      roots: [{ lwp: 11, function: 'price', line: 40 }, { lwp: 12 }, { lwp: 13 }],
      victims: [14],
      summary:
        "all 3 workers of the thread pool (concurrent.futures) wait for work that is still in the pool's own queue: 3 in price (shop.py:40); 2 items of work wait for a worker",
      next: expect.stringContaining('do not wait in price for work of the pool that runs it'),
    });
    expect(findings.map(({ class: kind }) => kind)).not.toContain('wait-notify');
  });

  test('may have one worker, which a pool that is stuck otherwise may not', () => {
    expect(findingsOf([awaiting(11, 0x50n)], { size: 1 })[0]).toMatchObject({
      class: 'pool-exhausted',
      confidence: 'proven',
      summary: expect.stringMatching(/^the only worker of .* waits for work that is .*: in price \(shop\.py:40\);/),
    });
  });

  test('through another worker, which waits for such work, as well', () => {
    const nested = awaiting(12, 0x50n, { waits: { address: 0x2n, kind: 'condition', ownerThreadId: 11n * 0x10000n } });
    expect(brief([awaiting(11, 0x50n), nested], { size: 2 })).toEqual(['pool-exhausted proven']);
  });

  test.each<[string, readonly ThreadDraft[], Pool, readonly string[]]>([
    ['its size could not be read', all, without('size'), ['pool-exhausted likely']],
    ['it got there only now', all.map(each => ({ ...each, proc: wakesOften })), {}, ['pool-exhausted proven']],
    ['there are no samples', all.map(unseen), {}, ['pool-exhausted proven']],
    ['one waits for a minute only', [...all.slice(1), awaiting(11, 0x50n, limited(60))], {}, ['pool-exhausted likely']],
    ['one will give up', [...all.slice(1), awaiting(11, 0x50n, limited(5))], {}, []],
    [
      'one of several results would do',
      [
        ...all.slice(1),
        awaiting(11, 0x50n, {
          waits: { address: 0x1n, kind: 'event', queuedIn: 0x50n, ownerConfidence: 'likely' },
        }),
      ],
      {},
      ['pool-exhausted likely'],
    ],
    [
      'one is about to be told',
      [
        ...all.slice(1),
        awaiting(11, 0x50n, {
          waits: { address: 0x1n, kind: 'condition', queuedIn: 0x50n, confidence: 'suspected' },
        }),
      ],
      {},
      ['pool-exhausted suspected'],
    ],
    // Nobody is seen who would hand it more work.
    ['it may start another worker', all, { size: 4 }, ['wait-notify suspected']],
    ['a worker is idle', [...all.slice(1), fetching(11, { frames: [worker], syscall: futex() })], {}, []],
    ['a worker gets on', [...all.slice(1), fetching(11, { proc: wakesOften })], {}, []],
  ])('%s', (_when, drafts, pool, expected) => {
    expect(brief(drafts, pool)).toEqual(expected);
  });

  test('of another pool stands with that one, and gets on with it', () => {
    const other = (thread: ThreadDraft): readonly string[] => {
      const drafts = [
        awaiting(11, 0x60n),
        awaiting(12, 0x60n),
        thread,
        fetching(14, { frames: [frame('shop.py:1 run')] }),
      ];
      const input = inputOf(drafts);
      if (input.python === undefined) throw new Error('no Python');
      const pools = [poolOf(0x50n, [11, 12]), poolOf(0x60n, [thread.lwp])];
      return judge({ ...input, python: { ...input.python, pools } })
        .findings.filter(({ class: kind }) => kind === 'pool-exhausted')
        .map(({ confidence, roots }) => `${confidence} ${roots.map(({ lwp }) => lwp).join(' ')}`);
    };
    expect(other(fetching(13))).toEqual(['proven 11 12']);
    expect(other(fetching(13, { proc: wakesOften }))).toEqual([]);
    expect(other(awaiting(13, 0x50n))).toEqual(['proven 11 12']);
    expect(other(awaiting(13, 0x60n))).toEqual(['proven 13', 'proven 11 12']);
  });
});

const recv = (lwp: number, place: string, rest: Partial<ThreadDraft> = {}): ThreadDraft => ({
  lwp,
  frames: [frame(place)],
  syscall: call('recvfrom', 5n),
  proc: standsStill,
  ...rest,
});

const found = (drafts: readonly ThreadDraft[]) => judge(inputOf(drafts)).findings;

describe('several threads', () => {
  test('that wait in one function are one cause, with all roots, victims and evidence', () => {
    const reader = recv(11, 'shop.py:20 fetch', { holds: [{ address: 0xan }] });
    const waiter: ThreadDraft = { ...waiting(14), frames: [frame('shop.py:30 render')] };
    const [finding, ...others] = found([reader, recv(12, 'shop.py:20 fetch'), recv(13, 'shop.py:22 fetch'), waiter]);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ confidence: 'likely', victims: [14] });
    expect(finding?.roots.map(({ lwp, line }) => [lwp, line])).toEqual([
      [11, 20],
      [12, 20],
      [13, 22],
    ]);
    expect(finding?.summary).toBe(
      'threads 11, 12 and 13 wait in fetch (shop.py:20) and fetch (shop.py:22) for recvfrom on descriptor 5, peer 10.0.0.9:5432, without a limit; 1 thread waits for them',
    );
    for (const lwp of [11, 12, 13])
      expect(finding?.evidence.filter(({ text }) => text.startsWith(`thread ${lwp}: `)).length).toBeGreaterThan(1);
    expect(finding?.signature).toBe(found([recv(11, 'shop.py:20 fetch')])[0]?.signature);
  });

  test('in different functions, or files, are several causes', () => {
    expect(
      found([recv(11, 'shop.py:20 fetch'), recv(12, 'shop.py:40 load'), recv(13, 'cart.py:20 fetch')]),
    ).toHaveLength(3);
  });

  test('of which less is known do not weaken what is known of others', () => {
    const uncounted: ThreadDraft = {
      lwp: 12,
      frames: [frame('shop.py:20 fetch')],
      syscall: call('recvfrom', 5n),
      proc: { states: ['sleeping', 'sleeping'] },
    };
    expect(found([recv(11, 'shop.py:20 fetch'), uncounted]).map(({ confidence }) => confidence)).toEqual([
      'likely',
      'suspected',
    ]);
  });

  test('of which one began after the others were sampled: it may well get its answer', () => {
    const began: ThreadDraft = { lwp: 12, frames: [frame('shop.py:20 fetch')], syscall: call('recvfrom', 5n) };
    expect(found([recv(11, 'shop.py:20 fetch'), began]).map(({ roots }) => roots.map(({ lwp }) => lwp))).toEqual([
      [11],
    ]);
  });
});

describe("a server's own threads", () => {
  const named = ['wsgi_daemon_worker', 'wsgi_daemon_thread'];
  const request = { method: 'GET', path: '/price' };
  const start = ['libc.so.6!start_thread', 'libc.so.6!clone'];
  const inside = (names: readonly string[]) => [
    ...names.map(name => `/usr/lib/apache2/modules/mod_wsgi.so!${name}`),
    ...start,
  ];
  const serving = (lwp: number, names: readonly string[]): ThreadDraft => ({
    lwp,
    frames: [frame('shop.py:20 fetch')],
    syscall: call('recvfrom', 5n),
    proc: standsStill,
    native: ['libc.so.6!recv', '_PyEval_EvalFrameDefault', ...inside(names)],
    request,
  });
  const resting = (lwp: number, names: readonly string[], syscall = futex()): ThreadDraft => ({
    lwp,
    syscall,
    proc: standsStill,
    native: ['libc.so.6!wait', ...inside(names)],
  });
  /** The main thread, and one that looks after the others. */
  const around = (names: readonly string[]): readonly ThreadDraft[] => [
    {
      ...resting(10, names, call('poll', 0n, 1n, 0xffffffffn)),
      native: [...inside(names).slice(0, 1), 'apache2!main'],
    },
    resting(11, [names[0] === '??' ? '??' : 'wsgi_monitor_thread'], call('select')),
  ];

  test.each([
    ['by name', named],
    ['by module, where it is stripped', ['??', '??']],
  ])('of mod_wsgi in daemon mode are known %s', (_how, names) => {
    const busy = [...around(names), serving(12, names), serving(13, names)];
    expect(judge(inputOf(busy)).findings[0]).toMatchObject({
      class: 'pool-exhausted',
      confidence: 'proven',
      summary: expect.stringContaining('both workers of the thread pool (mod_wsgi)'),
    });
    expect(judge(inputOf([...busy, resting(14, names)])).findings).toMatchObject([{ class: 'blocking-io' }]);
  });

  test("in embedded mode are the web server's, which has more of them", () => {
    const embedded = [12, 13].map(lwp => {
      const draft = serving(lwp, ['??']);
      return { ...draft, native: [...(draft.native ?? []).slice(0, 3), 'mod_mpm_event.so!??', ...start] };
    });
    expect(judge(inputOf(embedded)).findings.map(({ class: kind }) => kind)).toEqual(['blocking-io']);
  });
});
