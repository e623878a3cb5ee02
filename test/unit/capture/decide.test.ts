import { array, assert, boolean, constantFrom, integer, property, record } from 'fast-check';
import { expect, test } from 'vitest';
import { decide } from '../../../src/capture/decide.ts';
import type { CheckOutcome, Watched } from '../../../src/host/watched.ts';

interface Shape {
  readonly busy: boolean;
  readonly moves: boolean;
  readonly waiting: number;
  readonly outcome: CheckOutcome;
}

/** A process of one thread, watched four times over a second. */
function watched({ busy, moves, waiting, outcome }: Shape): Watched {
  const looks = [0, 1, 2, 3].map(at => ({
    at: at / 3,
    state: busy ? ('running' as const) : ('sleeping' as const),
    cpuTicks: busy ? Math.round(at * 33.4) : 0,
    ranNanoseconds: busy ? Math.round((at / 3) * 1e9) : 0,
    voluntarySwitches: moves ? at * 40 : 0,
    involuntarySwitches: 0,
  }));
  return {
    ticksPerSecond: 100,
    how: 'pid 7',
    processes: [
      {
        pid: 7,
        parentPid: 1,
        startTicks: 1,
        startedAt: '2026-11-24T00:00:00.000Z',
        user: 'www-data',
        command: 'python3 serve.py',
        executable: '/usr/bin/python3',
        threads: [{ tid: 7, name: 'python3', looks }],
      },
    ],
    check: { outcome, seconds: outcome === 'silent' ? 5 : 0.1, detail: 'as asked' },
    queues: [{ local: '0100007F:0050', waiting: [waiting, waiting, waiting, waiting] }],
  };
}

const outcomes = ['answered', 'failed', 'silent', 'refused', 'unknown'] as const;
const shape = record({
  busy: boolean(),
  moves: boolean(),
  waiting: integer({ min: 0, max: 3 }),
  outcome: constantFrom(...outcomes),
});

test('a service that answers is never called hung', () => {
  assert(property(shape, each => decide(watched({ ...each, outcome: 'answered' }))?.state !== 'hung'));
});

test('a service that does not answer is hung only with a sign in a process', () => {
  assert(
    property(shape, each => {
      const state = decide(watched({ ...each, outcome: 'silent' }))?.state;
      expect(state === 'hung').toBe(each.busy || !each.moves);
    }),
  );
});

test('without a check only threads before a queue that nobody empties are proof', () => {
  assert(
    property(shape, each => {
      const state = decide(watched({ ...each, outcome: 'unknown' }))?.state;
      return state !== 'healthy' && (state !== 'hung' || each.waiting > 0);
    }),
  );
});

test('a short look that leaves a doubt is followed by a longer one', () => {
  assert(
    property(shape, each => {
      const decision = decide(watched(each));
      const isClear = decision?.state === 'hung' || (decision?.state === 'healthy' && !each.busy);
      expect(decision?.lookLonger).toBe(!isClear);
    }),
  );
});

test('without candidates there is no decision, and each candidate is accounted for', () => {
  assert(
    property(array(shape, { minLength: 1, maxLength: 4 }), shapes => {
      const processes = shapes.flatMap((each, at) =>
        watched(each).processes.map(process => ({ ...process, pid: at + 10 })),
      );
      const [first] = shapes;
      if (first === undefined) return;
      const decision = decide({ ...watched(first), processes });
      expect(decision?.candidates.map(({ pid }) => pid).sort((a, b) => a - b)).toEqual(processes.map(({ pid }) => pid));
      expect(decision?.candidates.filter(({ chosen }) => chosen)).toHaveLength(1);
    }),
  );
  const none = watched({ busy: false, moves: false, waiting: 0, outcome: 'silent' });
  expect(decide({ ...none, processes: [] })).toBeUndefined();
});
