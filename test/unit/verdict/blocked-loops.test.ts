import { describe, expect, test } from 'vitest';
import { alwaysRunning, call, frame, futex, standsStill, type ThreadDraft, wakesOften } from './make.ts';
import { brief, judged, looping, type TaskDraft } from './make-tasks.ts';

const careless: TaskDraft = { name: 'careless', state: 'running', stack: ['shop.py:50 report'] };
const others: readonly TaskDraft[] = [
  { name: 'a', state: 'ready', path: '/a' },
  { name: 'b', waits: { kind: 'sleep', timeoutSeconds: 1, limited: true } },
];
const blockedBy = (rest: Partial<ThreadDraft>): ThreadDraft =>
  looping({ frames: [frame('shop.py:50 report')], ...rest });

const greenlets = (isHub: boolean): readonly TaskDraft[] =>
  [{ name: 'hub', isHub, stack: [] }, careless, ...others].map(task => ({ ...task, kind: 'greenlet' }));

describe('a thread that blocks its event loop', () => {
  test('is told with the tasks that it stops, and with what to do instead', () => {
    const found = judged([careless, ...others], [blockedBy({ syscall: call('recvfrom', 5n) })]);
    expect(brief(found)).toEqual(['blocking-io likely: report; 2 behind']);
    expect(found.findings[0]).toMatchObject({
      summary: expect.stringMatching(/; it blocks the event loop of 2 tasks$/),
      victims: [],
      next: expect.stringMatching(/; a coroutine must not block its thread: .*run_in_executor$/),
    });
  });

  test('is a cause where by itself it would be an idle one', () => {
    const waits = { address: 0xen, kind: 'event' } as const;
    const thread = blockedBy({ syscall: futex(), waits });
    // One that could act, so that this is not the last thread of the process.
    const working: ThreadDraft = { lwp: 8, frames: [frame('shop.py:60 work')], proc: standsStill };
    const kinds = (tasks: readonly TaskDraft[]) =>
      judged(tasks, [thread, working]).findings.map(({ class: kind, confidence }) => `${kind} ${confidence}`);
    expect(kinds([careless, ...others])).toContain('wait-notify likely');
    expect(kinds([])).not.toContain('wait-notify likely');
  });

  test('is a cause where by itself it would sleep for a while on purpose', () => {
    const memory = {
      read: (_: bigint, length: number) => {
        const bytes = Buffer.alloc(16);
        bytes.writeBigInt64LE(20n);
        return bytes.subarray(0, length);
      },
    };
    const thread = blockedBy({ syscall: call('clock_nanosleep', 1n, 0n, 0x1000n) });
    expect(brief(judged([careless, ...others], [thread], { memory }))).toEqual(['sleep likely: report; 2 behind']);
    expect(brief(judged([careless], [thread], { memory }))).toEqual([]);
  });

  test('is told of greenlets by their hub, and not of those that none switches', () => {
    const thread = blockedBy({ syscall: call('recvfrom', 5n) });
    expect(judged(greenlets(true), [thread]).findings[0]?.summary).toMatch(/; it blocks the hub of 2 greenlets$/);
    expect(judged(greenlets(false), [thread]).findings[0]?.summary).not.toMatch(/greenlet/);
  });
});

test('a thread that has a lock stops the tasks whose loop wants it', () => {
  const holder: ThreadDraft = {
    lwp: 8,
    frames: [frame('shop.py:60 fetch')],
    syscall: call('recvfrom', 5n),
    holds: [{ address: 0xan }],
    proc: standsStill,
  };
  const loop = blockedBy({ syscall: futex(), waits: { address: 0xan } });
  const found = judged([careless, ...others], [loop, holder]);
  expect(brief(found)).toEqual(['blocking-io likely: fetch; 2 behind']);
  expect(found.findings[0]).toMatchObject({
    victims: [7],
    summary: expect.stringMatching(/; 1 thread waits for it; that stops the event loop of 2 tasks$/),
  });
});

test('a loop that gets the GIL now and then is not stopped by a thread that computes', () => {
  const busy: ThreadDraft = { lwp: 8, frames: [frame('shop.py:60 sum')], gil: true, proc: alwaysRunning };
  const take = ['libc.so.6!pthread_cond_timedwait', 'take_gil', '_PyEval_EvalFrameDefault'];
  const stopped = (proc: NonNullable<ThreadDraft['proc']>) => {
    const loop = blockedBy({ syscall: futex(0x6000n), native: take, proc });
    const [finding] = judged([careless, ...others], [loop, busy]).findings;
    expect(finding).toMatchObject({ class: 'busy-loop', roots: [{ lwp: 8 }], victims: [7] });
    return finding?.tasks ?? [];
  };
  expect(stopped(standsStill)).toHaveLength(2);
  expect(stopped(wakesOften)).toEqual([]);
});

test('a thread of an executor stops the tasks that wait for its work', () => {
  const worker: ThreadDraft = {
    lwp: 8,
    frames: [frame('shop.py:60 fetch')],
    syscall: call('recvfrom', 5n),
    proc: standsStill,
  };
  const tasks: readonly TaskDraft[] = [
    { name: 'a', waits: { kind: 'worker', worker: 8 }, path: '/a' },
    { name: 'b', waits: { kind: 'task' }, for: ['a'] },
    { name: 'c', waits: { kind: 'worker', worker: 9 } },
  ];
  const found = judged(tasks, [looping(), worker]);
  expect(brief(found)).toEqual(['blocking-io likely: fetch; 2 behind']);
  expect(found.findings[0]?.summary).toMatch(/; 2 tasks wait for that work$/);
});

test('of a process that is stopped it says nothing', () => {
  const proc = { states: ['stopped', 'stopped', 'stopped'] as const };
  const [finding, ...more] = judged(
    [careless, ...others],
    [blockedBy({ syscall: call('recvfrom', 5n), proc })],
  ).findings;
  expect(finding).toMatchObject({ class: 'stopped' });
  expect(finding).not.toHaveProperty('tasks');
  expect(more).toEqual([]);
});
