import {
  array,
  assert,
  asyncProperty,
  boolean,
  constant,
  constantFrom,
  nat,
  oneof,
  property,
  record,
} from 'fast-check';
import { expect, test } from 'vitest';
import { HangarError } from '../../../src/errors.ts';
import { resumeAction } from '../../../src/run/resume-action.ts';
import type { RunEvent } from '../../../src/run/run.ts';
import { book, execute, failure, makeLog, memoryJournal } from '../runbook/fake-kinds.ts';

const three = book(
  ['a', 'b', 'c']
    .map((id, at) => `  - { id: ${id}, uses: ${at === 1 ? 'change' : 'say'}, with: { name: ${id} } }\n`)
    .join(''),
);

/** The events that are on disk when the controller is killed behind the nth of them. */
async function eventsUpTo(text: string, count: number): Promise<readonly RunEvent[]> {
  const { events } = await execute(text);
  return events.filter(({ kind }) => kind !== 'step-progress').slice(0, count);
}

test('whatever the moment of the crash, a resumed run ends as it would have, and does nothing twice that changes', async () => {
  const whole = await execute(three);
  const total = whole.events.length;
  for (let count = 1; count < total; count++) {
    const history = await eventsUpTo(three, count);
    const log = makeLog();
    const begun = history.some(event => event.kind === 'step-started' && event.step === 'b');
    // What the host says of `b` when it is asked: it had its effect as soon as it was begun.
    if (begun) log.effects.add('b');
    const { run } = await execute(three, { log, journal: memoryJournal(history) });
    expect(run.status, `after ${count} events`).toBe('succeeded');
    expect(run.hosts[0]?.steps.map(({ id, status, outputs }) => [id, status, outputs])).toEqual(
      whole.run.hosts[0]?.steps.map(({ id, status, outputs }) => [id, status, outputs]),
    );
    expect(log.done.filter(name => name === 'b')).toHaveLength(begun ? 0 : 1);
  }
});

test('a step that was begun and had no effect yet is taken up under its old key', async () => {
  const history = await eventsUpTo(three, 5);
  const started = history.findLast(event => event.kind === 'step-started');
  const log = makeLog();
  await execute(three, { log, journal: memoryJournal(history) });
  expect(started?.kind === 'step-started' && started.step).toBe('b');
  expect(log.keys.get('b')).toBe(started?.kind === 'step-started' ? started.key : undefined);
});

test('a failed step runs again when the run is resumed, under a new key, and what succeeded does not', async () => {
  const log = makeLog();
  log.failures.set('b', [failure('NO_GDB')]);
  const first = await execute(three, { log });
  expect(first.status('c')).toBe('skipped: blocked');
  const before = log.keys.get('b');
  const { run } = await execute(three, { log, journal: memoryJournal(first.events) });
  expect(run.exitCode).toBe(0);
  expect(log.done).toEqual(['a', 'b', 'b', 'c']);
  expect(log.keys.get('b')).not.toBe(before);
});

test('a failure that the run passed over stays passed over', async () => {
  const text = book(`  - { id: a, uses: say, with: { name: a }, continueOnError: true }
  - { id: b, uses: say, needs: [], with: { name: b } }
`);
  const log = makeLog();
  log.failures.set('a', [failure('NO_GDB')]);
  log.failures.set('b', [failure('NO_GDB')]);
  const first = await execute(text, { log });
  const { status } = await execute(text, { log, journal: memoryJournal(first.events) });
  expect([status('a'), status('b')]).toEqual(['failed', 'succeeded']);
  expect(log.done.filter(name => name === 'a')).toHaveLength(1);
});

test('a changed input is another step: it runs, whatever stood in its place before', async () => {
  const first = await execute(three);
  const log = makeLog();
  const { run } = await execute(three.replace('name: c', 'name: d'), { log, journal: memoryJournal(first.events) });
  expect(run.exitCode).toBe(0);
  expect(log.done).toEqual(['d']);
});

test('always runs again, whatever it did before', async () => {
  const text = `${three}always: [{ id: z, uses: say, with: { name: z } }]\n`;
  const first = await execute(text);
  const log = makeLog();
  await execute(text, { log, journal: memoryJournal(first.events) });
  expect(log.done).toEqual(['z']);
});

test.for([
  ['ask', true, ['blind'], 'succeeded'],
  ['ask', false, [], 'failed'],
  ['rerun', undefined, ['blind'], 'succeeded'],
  ['skip', undefined, [], 'skipped: unknown'],
  ['fail', undefined, [], 'failed'],
] as const)(
  'of a step of which nobody can say whether it was done, onUnknown: %s (answer %s) decides',
  async ([onUnknown, answer, done, state]) => {
    const text = book(`  - { id: a, uses: blind, with: { name: blind }, onUnknown: ${onUnknown} }\n`);
    const history = await eventsUpTo(text, 3);
    const log = makeLog();
    const { status } = await execute(text, { log, journal: memoryJournal(history), ask: async () => answer });
    expect(status('a')).toBe(state);
    expect(log.done).toEqual(done);
  },
);

test('a connection that is lost in a step is retried under the same key, another failure under a new one', async () => {
  const text = book('  - { id: a, uses: change, with: { name: a }, retry: { attempts: 3, delay: 1ms } }\n');
  const log = makeLog();
  log.failures.set('a', [failure('CONNECTION_LOST', 'unreachable'), failure('NO_GDB')]);
  const { events } = await execute(text, { log });
  const keys = events.flatMap(event => (event.kind === 'step-started' ? [event.key] : []));
  expect(keys).toHaveLength(3);
  expect(keys[0]).toBe(keys[1]);
  expect(keys[2]).not.toBe(keys[1]);
});

const state = constantFrom('started', 'succeeded', 'failed', 'skipped', 'cancelled', 'interrupted' as const);
const past = record({
  state,
  result: record({ forgiven: boolean(), rescued: boolean(), uncertain: boolean() }),
});
const about = record({
  risk: constantFrom('read', 'write', 'disruptive' as const),
  hasProbe: boolean(),
  onUnknown: constantFrom('ask', 'rerun', 'skip', 'fail' as const),
});

test('the state table: what was done is never done again, and what may have been done only by somebody’s word', () => {
  assert(
    property(oneof(constant(undefined), past), about, (before, of) => {
      const result = before && {
        state: before.state,
        result: { id: 'a', status: 'failed' as const, attempts: 1, seconds: 0, ...before.result },
      };
      const { kind } = resumeAction(result, of);
      if (before === undefined) return kind === 'run';
      if (before.state === 'succeeded') return kind === 'reuse';
      const { forgiven, rescued, uncertain } = before.result;
      if (before.state === 'failed' && (forgiven || rescued)) return kind === 'reuse';
      const mayBeDone =
        before.state === 'started' ||
        before.state === 'interrupted' ||
        (uncertain && (before.state === 'failed' || before.state === 'cancelled'));
      if (!mayBeDone) return kind === 'run';
      if (of.hasProbe) return kind === 'probe';
      return of.risk === 'read' ? kind === 'run' : kind === of.onUnknown;
    }),
  );
});

test('any sequence of crashes ends in the same result, with each effect once', async () => {
  const whole = await execute(three);
  await assert(
    asyncProperty(array(nat(12), { maxLength: 4 }), async crashes => {
      const log = makeLog();
      let history: readonly RunEvent[] = [];
      for (const after of crashes) {
        const stop = new HangarError({ code: 'CRASH', message: 'killed', fix: '', failure: 'step' });
        const kept: RunEvent[] = [...history];
        const journal = {
          ...memoryJournal(history),
          append: async (event: RunEvent) => {
            if (kept.length - history.length >= after) throw stop;
            kept.push(event);
          },
        };
        await execute(three, { log, journal }).catch(() => undefined);
        history = kept;
      }
      const { run } = await execute(three, { log, journal: memoryJournal(history) });
      expect(run.hosts[0]?.steps.map(({ outputs }) => outputs)).toEqual(
        whole.run.hosts[0]?.steps.map(({ outputs }) => outputs),
      );
      expect(log.done.filter(name => name === 'b')).toHaveLength(1);
    }),
    { numRuns: 60 },
  );
});

test('a host whose turn does not come in a resumed run stays what it was, and can be taken up again', async () => {
  const text = book(
    '  - { id: a, uses: say, with: { name: "${{ host.name }}" } }\n',
    'fanout: { concurrency: 1, maxFailures: 1 }\n',
  );
  const log = makeLog();
  log.failures.set('web1', [failure('NO_GDB')]);
  const gone = { code: 'UNREACHABLE', message: 'gone', fix: 'look' };
  const { run } = await execute(text, {
    log,
    hosts: ['web1', 'web2', 'web3'],
    earlier: [{ name: 'web2', status: 'unreachable', error: gone, steps: [] }],
  });
  expect(run.hosts.map(({ name, status, error }) => `${name} ${status} ${error?.code}`)).toEqual([
    'web1 failed NO_GDB',
    'web2 unreachable UNREACHABLE',
    'web3 not-started TOO_MANY_FAILURES',
  ]);
});
