import { array, assert, asyncProperty, constantFrom } from 'fast-check';
import { expect, test } from 'vitest';
import { HangarError } from '../../../src/errors.ts';
import { runSchema } from '../../../src/run/run.ts';
import { begun, book, execute, failure, makeLog } from '../runbook/fake-kinds.ts';

test('steps run one after the other, each with the outputs of those before', async () => {
  const { log, run } = await execute(
    book(`  - { id: a, uses: say, with: { name: one } }
  - { id: b, uses: say, with: { name: "after \${{ steps.a.said }}" } }
`),
  );
  expect(log.done).toEqual(['one', 'after one']);
  expect(run).toMatchObject({ status: 'succeeded', exitCode: 0 });
  expect(runSchema.parse(JSON.parse(JSON.stringify(run)))).toEqual(run);
});

test('a step starts when all that it needs are done, whatever their order in the file', async () => {
  const { log } = await execute(
    book(`  - { id: c, uses: say, needs: [b], with: { name: c } }
  - { id: b, uses: say, needs: [a], with: { name: b } }
  - { id: a, uses: say, needs: [], with: { name: a } }
`),
  );
  expect(log.done).toEqual(['a', 'b', 'c']);
});

test('a step whose condition is false is skipped, and those that need it run', async () => {
  const { status } = await execute(
    book(
      `  - { id: a, uses: say, when: params.go, with: { name: a } }
  - { id: b, uses: say, with: { name: b } }
`,
      'params: { go: { type: boolean, default: false } }\n',
    ),
    { params: { go: false } },
  );
  expect([status('a'), status('b')]).toEqual(['skipped: when', 'succeeded']);
});

test('finishWhen ends the run of its host there, successfully, and always runs all the same', async () => {
  const { status, run, log } = await execute(
    `${book(`  - { id: a, uses: say, with: { name: a }, finishWhen: steps.a.state == "hung" }
  - { id: b, uses: say, with: { name: b } }
`)}always:
  - { id: z, uses: say, with: { name: z } }
`,
  );
  expect([status('a'), status('b'), status('z')]).toEqual(['succeeded', 'skipped: finished', 'succeeded']);
  expect(run).toMatchObject({ exitCode: 0, hosts: [{ status: 'finished' }] });
  expect(log.done).toEqual(['a', 'z']);
});

test('a failed step blocks what needs it, directly or not, and gives the run its exit code', async () => {
  const log = makeLog();
  log.failures.set('a', [failure('NO_GDB')]);
  const { status, run } = await execute(
    `${book(`  - { id: a, uses: say, with: { name: a } }
  - { id: b, uses: say, with: { name: b } }
  - { id: c, uses: say, with: { name: c } }
  - { id: d, uses: say, needs: [], with: { name: d } }
`)}always: [{ id: z, uses: say, with: { name: z } }]\n`,
    { log },
  );
  expect(['a', 'b', 'c', 'd', 'z'].map(id => status(id))).toEqual([
    'failed',
    'skipped: blocked',
    'skipped: blocked',
    'succeeded',
    'succeeded',
  ]);
  expect(run).toMatchObject({
    exitCode: 3,
    hosts: [{ status: 'failed', error: { code: 'NO_GDB', fix: 'try again' } }],
  });
});

test('continueOnError lets the run go on and succeed, and the failure stays visible', async () => {
  const log = makeLog();
  log.failures.set('a', [failure('NO_GDB')]);
  const { status, run } = await execute(
    book(
      `  - { id: a, uses: say, with: { name: a }, continueOnError: 'params.mode == "soft"' }
  - { id: b, uses: say, with: { name: b }, when: has(steps.a.said) }
  - { id: c, uses: say, with: { name: c } }
`,
      'params: { mode: { type: enum, values: [soft, hard], default: soft } }\n',
    ),
    { log, params: { mode: 'soft' } },
  );
  expect(['a', 'b', 'c'].map(id => status(id))).toEqual(['failed', 'skipped: when', 'succeeded']);
  expect(run.exitCode).toBe(0);
});

test('a step is tried again for the failures that retry names, and for no others', async () => {
  const retry = 'retry: { attempts: 3, delay: 1ms, on: [connection] }';
  const log = makeLog();
  log.failures.set('a', [failure('CONNECTION_LOST', 'unreachable'), failure('UNREACHABLE', 'unreachable')]);
  log.failures.set('b', [failure('GCORE_FAILED')]);
  const { status, run, events } = await execute(
    book(`  - { id: a, uses: say, with: { name: a }, ${retry} }
  - { id: b, uses: say, with: { name: b }, ${retry} }
`),
    { log },
  );
  expect([status('a'), status('b')]).toEqual(['succeeded', 'failed']);
  expect(run.hosts[0]?.steps.map(({ attempts }) => attempts)).toEqual([3, 1]);
  expect(events.filter(({ kind }) => kind === 'step-retried')).toHaveLength(2);
});

test('a step that takes longer than its limit is aborted and fails as out of time', async () => {
  const { run, log } = await execute(
    `${book('  - { id: a, uses: wait, with: { name: a }, timeout: 20ms }\n')}always: [{ id: z, uses: say, with: { name: z } }]\n`,
  );
  expect(run).toMatchObject({ exitCode: 6, hosts: [{ error: { code: 'STEP_TIMEOUT' } }] });
  expect(log.done).toEqual(['a', 'z']);
});

test('a cancelled run aborts its step, starts no other, and still cleans up', async () => {
  const controller = new AbortController();
  const reason = new HangarError({ code: 'CANCELLED', message: 'Ctrl-C', fix: 'again', failure: 'cancelled' });
  const log = makeLog();
  const running = execute(
    `${book(`  - { id: a, uses: wait, with: { name: a } }
  - { id: b, uses: say, with: { name: b } }
`)}always: [{ id: z, uses: say, with: { name: z } }]\n`,
    { log, signal: controller.signal },
  );
  await begun(log, 'a');
  controller.abort(reason);
  const { run, status } = await running;
  expect(['a', 'b', 'z'].map(id => status(id))).toEqual(['cancelled', 'skipped: cancelled', 'succeeded']);
  expect(run).toMatchObject({ status: 'cancelled', exitCode: 6 });
});

test('an unreachable host is told as such, beside those that were reached', async () => {
  const logs = new Map(['web1', 'web2'].map(name => [name, makeLog()]));
  logs.get('web1')?.failures.set('a', [failure('UNREACHABLE', 'unreachable')]);
  const { run } = await execute(book('  - { id: a, uses: say, with: { name: a } }\n'), {
    hosts: ['web1', 'web2'],
    logOf: name => logs.get(name) ?? makeLog(),
  });
  expect(run.hosts.map(({ status }) => status)).toEqual(['unreachable', 'succeeded']);
  expect(run.exitCode).toBe(5);
});

test('a step that succeeds with a warning ends its run with 4, blocks nothing and is no failure of its host', async () => {
  const steps = book(
    '  - { id: a, uses: hint, with: { name: a, count: 3 } }\n  - { id: b, uses: hint, with: { name: b, count: 2 } }\n',
    'fanout: { concurrency: 1, maxFailures: 1 }\n',
  );
  const { run, status } = await execute(steps, { hosts: ['web1', 'web2'] });
  expect(run).toMatchObject({ status: 'succeeded', exitCode: 4 });
  expect(run.hosts.map(host => host.status)).toEqual(['succeeded', 'succeeded']);
  expect(run.hosts[0]?.steps.map(({ warning }) => warning)).toEqual(['3 is odd', undefined]);
  expect(status('b', 'web2')).toBe('succeeded');
});

test('no host is begun any more once maxFailures of them have failed', async () => {
  const log = makeLog();
  log.failures.set('a', [failure('X'), failure('X'), failure('X')]);
  const { run } = await execute(
    book('  - { id: a, uses: say, with: { name: a } }\n', 'fanout: { concurrency: 1, maxFailures: 2 }\n'),
    { hosts: ['web1', 'web2', 'web3'], log },
  );
  expect(run.hosts.map(({ status }) => status)).toEqual(['failed', 'failed', 'not-started']);
});

test('always runs whatever happens to the steps, and needs are respected', async () => {
  const outcome = constantFrom('ok', 'step', 'unreachable');
  await assert(
    asyncProperty(array(outcome, { minLength: 1, maxLength: 5 }), async outcomes => {
      const log = makeLog();
      for (const [at, each] of outcomes.entries())
        if (each !== 'ok') log.failures.set(`s${at}`, [failure('X', each === 'step' ? 'step' : 'unreachable')]);
      const steps = outcomes.map((_, at) => `  - { id: s${at}, uses: say, with: { name: s${at} } }\n`).join('');
      const { run } = await execute(`${book(steps)}always: [{ id: z, uses: say, with: { name: z } }]\n`, { log });
      const first = outcomes.findIndex(each => each !== 'ok');
      const reached = first < 0 ? outcomes.length : first + 1;
      expect(log.done).toEqual([...Array.from({ length: reached }, (_, at) => `s${at}`), 'z']);
      expect(run.exitCode === 0).toBe(first < 0);
    }),
    { numRuns: 25 },
  );
});
