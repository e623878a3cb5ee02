import { describe, expect, test } from 'vitest';
import { brief, judged, type TaskDraft } from './make-tasks.ts';

const wants = (name: string, lock: string, holder: string, rest: Partial<TaskDraft> = {}): TaskDraft => ({
  name,
  waits: { kind: 'lock', on: lock },
  for: [holder],
  ...rest,
});
const pair = (first: Partial<TaskDraft> = {}, second: Partial<TaskDraft> = {}): readonly TaskDraft[] => [
  wants('a', 'stock', 'b', { holds: ['cart'], inCycle: true, stack: ['shop.py:20 charge'], ...first }),
  wants('b', 'cart', 'a', { holds: ['stock'], inCycle: true, stack: ['shop.py:30 reserve'], ...second }),
];

describe('tasks that wait for each other', () => {
  test('are the roots of a deadlock; who waits for them stands behind', () => {
    const found = judged([...pair(), wants('c', 'stock', 'b'), wants('d', 'c', 'c', { waits: { kind: 'task' } })]);
    expect(brief(found)).toEqual(['deadlock proven: charge of a, reserve of b; 2 behind']);
    const [finding] = found.findings;
    expect(finding).toMatchObject({
      summary:
        'tasks "a" and "b" of thread 7 wait for each other\'s locks: charge (shop.py:20) and reserve (shop.py:30); 2 tasks wait for them',
      victims: [],
      signature: 'deadlock charge@shop.py reserve@shop.py',
      next: expect.stringContaining('same order'),
    });
    expect(finding?.evidence.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^task "a" 0x\w+ waits for lock 0x\w+, held by task "b" 0x\w+, taken at shop\.py:3$/),
      expect.stringMatching(/^task "a" 0x\w+: waits here$/),
      expect.stringMatching(/^task "b" 0x\w+: inside the block$/),
      expect.stringMatching(/^task "b" 0x\w+ waits for lock 0x\w+, held by task "a" 0x\w+, taken at shop\.py:3$/),
      expect.stringMatching(/^task "b" 0x\w+: waits here$/),
      expect.stringMatching(/^task "a" 0x\w+: inside the block$/),
    ]);
  });

  test('or one for itself', () => {
    const [finding] = judged([wants('a', 'stock', 'a', { holds: ['stock'], inCycle: true })]).findings;
    expect(finding?.summary).toBe('task "a" of thread 7 waits in order (shop.py:9) for a lock that it holds itself');
  });

  test('are proven to do so only where each edge is', () => {
    const semaphore = pair({ waits: { kind: 'semaphore', on: 'stock' } });
    expect(judged(semaphore).findings[0]?.confidence).toBe('likely');
    const unread = pair({ waits: { kind: 'lock', on: 'stock', confidence: 'likely' } });
    expect(judged(unread).findings[0]?.confidence).toBe('likely');
  });

  test.each([
    ['one gives up by itself', pair({ waits: { kind: 'lock', on: 'stock', limited: true, timeoutSeconds: 4000 } })],
    [
      'another one that waits for one of them cancels it',
      [...pair(), wants('c', 'a', 'a', { waits: { kind: 'task', limited: true, timeoutSeconds: 60 } })],
    ],
    ['another holder of a semaphore would do', pair({ any: true, for: ['b', 'c'] }).concat({ name: 'c' })],
    ['it is not known which thread runs them', pair({ lwp: null }, { lwp: null })],
  ])('are no cause where %s', (_, tasks) => {
    expect(judged(tasks).findings).toEqual([]);
  });

  test('are one all the same where who waits for them, with a limit, goes on without them', () => {
    const watched = wants('c', 'a', 'a', { waits: { kind: 'task', limited: true, timeoutSeconds: 1 }, any: true });
    expect(brief(judged([...pair(), watched]))).toEqual(['deadlock proven: charge of a, reserve of b; 1 behind']);
  });

  test('are one finding a knot, whatever else its members wait for', () => {
    const gathered = [
      wants('a', 'stock', 'b', { waits: { kind: 'task' }, for: ['b', 'c'], inCycle: true }),
      wants('b', 'a', 'a', { waits: { kind: 'task' }, inCycle: true }),
      wants('c', 'a', 'a', { waits: { kind: 'task' }, inCycle: true }),
    ];
    const others = pair({ name: 'x', for: ['y'] }, { name: 'y', for: ['x'] });
    expect(brief(judged([...gathered, ...others]))).toEqual([
      'deadlock proven: order of a, order of b; 1 behind',
      'deadlock proven: charge of x, reserve of y; 0 behind',
    ]);
  });
});

test('a circle of a thousand tasks is found in time', () => {
  const size = 1000;
  const tasks = Array.from({ length: size }, (_, index) =>
    wants(`${index}`, `lock ${index}`, `${(index + 1) % size}`, {
      holds: [`lock ${(index + size - 1) % size}`],
      inCycle: true,
    }),
  );
  const started = performance.now();
  const [finding, ...others] = judged(tasks).findings;
  expect(finding?.roots).toHaveLength(size);
  expect(others).toEqual([]);
  expect(performance.now() - started).toBeLessThan(2000);
});
