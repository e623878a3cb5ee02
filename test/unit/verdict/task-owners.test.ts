import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../../src/verdict/judge.ts';
import { alwaysRunning, call, frame, futex, standsStill, type ThreadDraft, wakesOften } from './make.ts';
import { brief, judged, looping, type TaskDraft } from './make-tasks.ts';

/** Second name of the drafts here, which make-tasks.ts numbers: what the first task holds. */
const lock = 0x2000n;

const holder = (waits: NonNullable<TaskDraft['waits']>, rest: Partial<TaskDraft> = {}): TaskDraft => ({
  name: 'sync',
  stack: ['db.py:20 pull', 'shop.py:9 sync_state'],
  waits,
  holds: ['state lock'],
  ...rest,
});
const silent = { kind: 'io', fd: 5, peer: '10.0.0.9:5432' } as const;

const waiter = (lwp: number, rest: Partial<ThreadDraft> = {}): ThreadDraft => ({
  lwp,
  frames: [frame('shop.py:30 worker')],
  syscall: futex(),
  waits: { address: lock },
  proc: standsStill,
  ...rest,
});
/** The thread of the event loop, which itself waits for the lock. */
const blocked = (rest: Partial<ThreadDraft> = {}) => waiter(7, { frames: [frame('shop.py:12 load')], ...rest });

const first = ({ findings }: Verdict) => {
  const [finding] = findings;
  if (finding === undefined) throw new Error('no finding');
  return finding;
};

describe('a thread that waits for a lock which a suspended task holds', () => {
  test('is a deadlock, proven, where it is the only one that can run the task', () => {
    const verdict = judged([holder({ kind: 'sleep', timeoutSeconds: 0.05, limited: true })], [blocked()]);
    expect(brief(verdict)).toEqual(['deadlock proven: load; 1 behind']);
    const { summary, evidence, next } = first(verdict);
    expect(summary).toBe(
      'thread 7 waits in load (shop.py:12) for a lock that task "sync" holds, which only this thread can run; it blocks the event loop of 1 task',
    );
    expect(evidence.map(({ text }) => text)).toContain(
      'thread 7: 0x2000 is held, since shop.py:3, by task "sync" 0x1000, which thread 7 runs',
    );
    expect(evidence).toContainEqual({
      text: 'thread 7: task "sync" 0x1000: inside the block',
      address: 0x40n,
      value: lock,
      bytes: 8,
    });
    expect(next).toMatch(/^do not hold a threading lock across an await: /);
  });

  test('is none where it gives up by itself', () => {
    const limited = blocked({
      waits: { address: lock, timeoutSeconds: 5 },
      syscall: call('futex', 0x7000n, 128n, 0n, 1n),
    });
    expect(judged([holder(silent)], [limited]).findings.map(({ class: kind }) => kind)).not.toContain('deadlock');
  });

  test('is a part of the circle of its threads where the one that runs the task waits for another', () => {
    const loop = blocked({ waits: { address: 0x9000n } });
    const other = waiter(8, { holds: [{ address: 0x9000n }] });
    const verdict = judged([holder(silent)], [loop, other]);
    expect(brief(verdict)).toEqual(['deadlock proven: load, worker; 1 behind']);
    expect(first(verdict).summary).toContain('; task "sync" holds one of these; ');
  });

  test('is stopped by what the thread of the task does instead of running it', () => {
    const asleep = looping({
      frames: [frame('shop.py:50 handler')],
      syscall: call('clock_nanosleep', 0n, 0n, 0x6000n),
      proc: standsStill,
    });
    const others = [{ name: 'careless', state: 'running' as const, stack: ['shop.py:50 handler'] }];
    const verdict = judged([holder(silent), ...others], [asleep, waiter(8)]);
    expect(first(verdict)).toMatchObject({ class: 'sleep', roots: [{ lwp: 7, function: 'handler' }], victims: [8] });
  });

  test('is a victim of what the task waits for, where its thread is free', () => {
    const verdict = judged([holder(silent)], [looping(), waiter(8), waiter(9)]);
    expect(brief(verdict)).toEqual(['blocking-io likely: pull of sync; 0 behind']);
    expect(first(verdict)).toMatchObject({ victims: [8, 9], roots: [{ lwp: 7 }] });
    expect(first(verdict).summary).toMatch(/, without a limit; 2 threads wait for a lock that it holds$/);
    expect(first(verdict).next).toContain('do not hold a threading lock across an await');
    expect(verdict.threads.find(({ lwp }) => lwp === 8)?.waits).toMatchObject({ ownerTask: 0x1000n });
  });

  test('is one of those behind a chain of tasks that end at another', () => {
    const tasks = [
      holder({ kind: 'task' }, { for: ['asks'] }),
      { name: 'asks', stack: ['db.py:20 ask'], waits: { kind: 'sleep', timeoutSeconds: 3600, limited: true } as const },
    ];
    const verdict = judged(tasks, [looping(), waiter(8)]);
    expect(brief(verdict)).toEqual(['sleep proven: ask of asks; 1 behind']);
    expect(first(verdict).summary).toMatch(/; 1 task waits for it; 1 thread waits for a lock that task "sync" holds$/);
  });

  test.each([
    ['goes on with other tasks', wakesOften],
    ['does nothing else', standsStill],
  ])('is no more than suspected where the task goes on soon and its loop %s; the task is told', (_, proc) => {
    const soon = holder({ kind: 'sleep', timeoutSeconds: 0.1, limited: true });
    const verdict = judged([soon], [looping({ proc }), waiter(8)]);
    expect(brief(verdict)).toEqual(['lock-wait suspected: worker; 0 behind']);
    const { summary, next } = first(verdict);
    expect(summary).toBe(
      'thread 8 waits for python-lock 0x2000 in worker (shop.py:30); task "sync" of thread 7 holds it, taken at shop.py:3, and is suspended',
    );
    expect(next).not.toContain('bare acquire');
  });

  test('that was given it meanwhile is no cause', () => {
    expect(judged([holder(silent)], [looping(), waiter(8, { proc: wakesOften })]).findings).toEqual([]);
  });

  test('and does the work that the task waits for is a deadlock, unless the task gives up', () => {
    const work = { kind: 'worker', worker: 8 } as const;
    const verdict = judged([holder(work)], [looping(), waiter(8)]);
    expect(brief(verdict)).toEqual(['deadlock proven: worker; 1 behind']);
    expect(first(verdict).summary).toContain('task "sync" holds, which waits for the work of this very thread');
    const limited = judged([holder({ ...work, timeoutSeconds: 60, limited: true })], [looping(), waiter(8)]);
    expect(brief(limited)).toEqual(['lock-wait likely: worker; 1 behind']);
  });

  test('is not told of two that cannot both have it, but as suspected', () => {
    const two = [holder(silent), holder(silent, { name: 'other' })];
    expect(brief(judged(two, [blocked()]))).toEqual(['deadlock suspected: load; 2 behind']);
  });
});

describe('a reentrant lock that names the thread of a suspended task as its owner', () => {
  const reentrant = waiter(8, { waits: { address: lock, kind: 'python-rlock', ownerThreadId: 0x70000n } });

  test("is the task's, whose thread is free", () => {
    const verdict = judged([holder(silent)], [looping(), reentrant]);
    expect(brief(verdict)).toEqual(['blocking-io likely: pull of sync; 0 behind']);
  });

  test('is not, where another thread has it', () => {
    const elsewhere = waiter(8, { waits: { address: lock, kind: 'python-rlock', ownerThreadId: 0x90000n } });
    const busy = { lwp: 9, frames: [frame('shop.py:40 counts')], proc: alwaysRunning };
    const verdict = judged([holder(silent)], [looping(), elsewhere, busy]);
    expect(verdict.threads.find(({ lwp }) => lwp === 8)?.waits).toMatchObject({ owner: 9 });
    expect(verdict.threads.find(({ lwp }) => lwp === 8)?.waits).not.toHaveProperty('ownerTask');
  });
});

test("what a running task holds is its thread's, as before", () => {
  const running = holder(silent, { state: 'running' });
  const verdict = judged([running], [looping({ holds: [{ address: lock }] }), waiter(8)]);
  expect(verdict.threads.find(({ lwp }) => lwp === 8)?.waits).toMatchObject({ owner: 7 });
  expect(verdict.threads.find(({ lwp }) => lwp === 8)?.waits).not.toHaveProperty('ownerTask');
});
