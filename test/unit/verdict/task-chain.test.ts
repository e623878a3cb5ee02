import { describe, expect, test } from 'vitest';
import { call, frame, standsStill, type ThreadDraft, wakesOften } from './make.ts';
import { brief, judged, looping, type TaskDraft } from './make-tasks.ts';

const peer = '10.0.0.9:5432';
const asks = (name: string, rest: Partial<TaskDraft> = {}): TaskDraft => ({
  name,
  stack: ['db.py:20 ask', 'shop.py:9 order'],
  waits: { kind: 'io', fd: 5, peer },
  ...rest,
});
const wants = (name: string, rest: Partial<TaskDraft> = {}): TaskDraft => ({
  name,
  stack: ['db.py:10 query', 'shop.py:9 order'],
  waits: { kind: 'lock', on: 'connection' },
  for: ['first'],
  ...rest,
});
const shared = (waiters: number, rest: Partial<TaskDraft> = {}) => [
  asks('first', { holds: ['connection'], ...rest }),
  ...Array.from({ length: waiters }, (_, index) => wants(`order ${index}`, { path: `/orders/${index}` })),
];
const watched = (tasks: readonly TaskDraft[], proc: ThreadDraft['proc']) =>
  brief(judged(tasks, [looping(proc === undefined ? {} : { proc })]));

describe('tasks that wait for one that waits for a peer', () => {
  test('make that one the cause, by the function that asked', () => {
    const found = judged(shared(5, { path: '/first' }));
    expect(brief(found)).toEqual(['blocking-io likely: ask of first; 5 behind']);
    expect(found.findings[0]).toMatchObject({
      summary: `task "first" of thread 7 waits in ask (db.py:20) for input or output on descriptor 5, peer ${peer}, without a limit; 5 tasks wait for it`,
      victims: [],
      next: `ask why ${peer} does not answer; give the call in ask a limit (asyncio.wait_for)`,
    });
    expect(found.threads[0]?.role).toBe('application');
  });

  test.each([
    ['stood still', 1, standsStill, ['blocking-io likely: ask of first; 1 behind']],
    ['goes on, with a few waiting', 3, wakesOften, []],
    ['goes on, with many waiting', 5, wakesOften, ['blocking-io suspected: ask of first; 5 behind']],
    ['is at work', 5, { ...wakesOften, cpuPercent: 30 }, []],
  ])('are told as surely as time was seen to pass: the loop %s', (_, waiters, proc, expected) => {
    expect(watched(shared(waiters), proc)).toEqual(expected);
  });

  test('and are no more than suspected by a core alone', () => {
    const { proc: _, ...unseen } = looping();
    expect(brief(judged(shared(1), [unseen]))).toEqual(['blocking-io suspected: ask of first; 1 behind']);
  });

  test.each([
    ['with a short limit', shared(5, { waits: { kind: 'io', limited: true, timeoutSeconds: 5 } })],
    ['with a limit of unknown length', shared(5, { waits: { kind: 'io', limited: true } })],
    ['that is ready to run', shared(5, { state: 'ready' })],
  ])('are in patience behind one %s', (_, tasks) => {
    expect(judged(tasks).findings).toEqual([]);
  });

  test.each([
    [
      'a peer that it asked is suspected',
      { kind: 'io', fd: 5, peer },
      ['blocking-io suspected: query of first; 5 behind'],
    ],
    ['its own client is none', { kind: 'io', fd: 6, peer, isClient: true }, []],
    ['nobody knows whom is none', { kind: 'io', fd: 9 }, []],
  ] as const)('one that stands in the same function, and waits for %s', (_, waits, expected) => {
    const tasks = [
      { ...asks('first'), stack: ['db.py:20 query', 'shop.py:9 order'], waits, holds: ['connection'] },
      ...Array.from({ length: 5 }, (__, index) => wants(`order ${index}`)),
    ];
    expect(brief(judged(tasks))).toEqual(expected);
  });

  test('are told with a limit that is long', () => {
    const [finding] = judged(shared(2, { waits: { kind: 'io', limited: true, timeoutSeconds: 600 } })).findings;
    expect(finding?.summary).toContain(', for up to 600 s; 2 tasks wait for it');
  });

  test('wait for a loop that is blocked instead, which is the cause then', () => {
    const blocked = looping({ frames: [frame('shop.py:50 report')], syscall: call('recvfrom', 5n) });
    const running: TaskDraft = { name: 'careless', state: 'running', stack: ['shop.py:50 report'] };
    expect(brief(judged([running, ...shared(5)], [blocked]))).toEqual(['blocking-io likely: report; 6 behind']);
  });
});

const each = (count: number, rest: Partial<TaskDraft> = {}) =>
  Array.from({ length: count }, (_, index) => asks(`order ${index}`, { path: `/orders/${index}`, ...rest }));

describe('requests that each wait for the same peer', () => {
  test('are one cause', () => {
    expect(brief(judged(each(2)))).toEqual(['blocking-io likely: ask of order 0, ask of order 1; 0 behind']);
  });

  test('and more than can be named stand behind the first of them', () => {
    const [finding] = judged(each(40)).findings;
    expect(finding?.roots).toHaveLength(16);
    expect(finding?.tasks).toHaveLength(24);
    expect(finding?.summary).toMatch(/^40 tasks of thread 7 wait in ask /);
  });

  test('of which a single one may pass on what another service has to say', () => {
    expect(brief(judged(each(1)))).toEqual(['blocking-io suspected: ask of order 0; 0 behind']);
  });

  test('where two peers are silent, are two causes', () => {
    const other = [asks('x', { path: '/x' }), asks('y', { path: '/y' })].map(task => ({
      ...task,
      waits: { kind: 'io', peer: '10.0.0.8:6379' } as const,
    }));
    expect(judged([...each(3), ...other]).findings).toHaveLength(2);
  });
});

const consumer = (name: string, rest: Partial<TaskDraft>): TaskDraft => ({
  name,
  stack: ['shop.py:40 consume'],
  ...rest,
});

const turns = (kind: 'queue' | 'io' | 'sleep'): readonly TaskDraft[] => [
  consumer('first', { waits: { kind, timeoutSeconds: 3600, limited: kind === 'sleep' }, holds: ['turn'] }),
  consumer('second', { waits: { kind: 'lock', on: 'turn' }, for: ['first'] }),
  consumer('third', { waits: { kind: 'lock', on: 'turn' }, for: ['first'] }),
];

describe('who waits for work is no cause', () => {
  test.each([
    ['a connection that is kept alive', [asks('a'), asks('b'), asks('c')]],
    [
      'even with what its last request was',
      ['a', 'b', 'c'].map(name => asks(name, { path: '/last', waits: { kind: 'io', fd: 6 } })),
    ],
    [
      'a web socket',
      [asks('a', { method: 'WEBSOCKET', path: '/ws' }), asks('b', { method: 'WEBSOCKET', path: '/ws' })],
    ],
    ['consumers that take turns at a queue', turns('queue')],
    ['at a connection', turns('io')],
    ['at a timer', turns('sleep')],
    ['a long poll', [{ name: 'a', path: '/news', waits: { kind: 'event', on: 'news' } }] as const],
    [
      'timers that the main task gathers',
      [
        { name: 'main', waits: { kind: 'task' }, for: ['a', 'b'] },
        { name: 'a', waits: { kind: 'sleep', timeoutSeconds: 60, limited: true } },
        { name: 'b', waits: { kind: 'sleep', timeoutSeconds: 3600, limited: true } },
      ] as const,
    ],
    [
      'one that wants a lock that another one took for life',
      [{ name: 'a', waits: { kind: 'lock', on: 'life' } }] as const,
    ],
    ['one of which nothing is known', [{ name: 'a' }, { name: 'b', waits: { kind: 'future' }, path: '/b' }] as const],
  ] as const)('%s', (_, tasks) => {
    expect(judged(tasks).findings).toEqual([]);
  });
});

const order = (name: string): TaskDraft => wants(name, { path: `/${name}`, for: ['first'] });

const holder = (name: string, rest: Partial<TaskDraft> = {}) =>
  asks(name, { path: `/${name}`, holds: ['pool'], ...rest });

describe('who holds a lock that others want', () => {
  test.each([
    ['sleeps long', { kind: 'sleep', timeoutSeconds: 60, limited: true }, 'sleep proven: ask of first; 1 behind'],
    ['waits for an event', { kind: 'event', on: 'set' }, 'wait-notify likely: ask of first; 1 behind'],
    ['waits for a queue', { kind: 'queue', on: 'work' }, 'wait-notify likely: ask of first; 1 behind'],
    ['waits for a future', { kind: 'future' }, 'lock-wait likely: ask of first; 1 behind'],
  ] as const)('and %s is the cause where a request is among them', (_, waits, expected) => {
    const first = asks('first', { waits, holds: ['connection'] });
    expect(brief(judged([first, order('a')]))).toEqual([expected]);
  });

  test('and sleeps for a moment is none', () => {
    const waits = { kind: 'sleep', timeoutSeconds: 2, limited: true } as const;
    expect(judged([asks('first', { waits, holds: ['connection'] }), order('a')]).findings).toEqual([]);
  });

  test('is not known where the lock was taken without a block: several that want it are told', () => {
    const { for: _, ...orphaned } = order('a');
    const found = judged([orphaned, { ...orphaned, name: 'b', path: '/b' }]);
    expect(brief(found)).toEqual(['lock-wait likely: query of a, query of b; 0 behind']);
    expect(found.findings[0]?.summary).toMatch(
      /for lock 0x\w+ in query \(db\.py:10\); memory does not say who holds it$/,
    );
  });

  test('is one of several: who wants a semaphore waits only where all of its holders stand', () => {
    const waiter = wants('c', { waits: { kind: 'semaphore', on: 'pool' }, for: ['a', 'b'], any: true, path: '/c' });
    expect(brief(judged([holder('a'), holder('b'), waiter]))).toEqual([
      'blocking-io likely: ask of a, ask of b; 1 behind',
    ]);
    expect(brief(judged([holder('a'), holder('b', { state: 'ready' }), waiter]))).toEqual([
      'blocking-io suspected: ask of a; 0 behind',
    ]);
  });
});
