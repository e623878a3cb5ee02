import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunMessage } from '../../../src/run/run-store.ts';
import { begun, book, execute, failure, makeLog, memoryJournal } from '../runbook/fake-kinds.ts';

test('foreach runs a step for each item, in order, and gives out what each of them gave', async () => {
  const { log, run } = await execute(
    book(
      `  - { id: a, uses: say, foreach: params.names, with: { name: "\${{ item }}" } }
  - { id: b, uses: say, with: { name: "\${{ steps.a.results.map(r, r.said) }}" } }
`.replace('steps.a.results.map(r, r.said)', 'steps.a.results[1].said'),
      'params: { names: { type: list, default: [x, y] } }\n',
    ),
    { params: { names: ['x', 'y'] } },
  );
  expect(log.done).toEqual(['x', 'y', 'y']);
  expect(run.hosts[0]?.steps[0]).toMatchObject({
    attempts: 2,
    items: [
      { item: 'x', status: 'succeeded' },
      { item: 'y', status: 'succeeded' },
    ],
    outputs: { results: [{ said: 'x' }, { said: 'y' }] },
  });
});

test('the first item that fails fails the step, and no further one begins', async () => {
  const log = makeLog();
  log.failures.set('x', [failure('NO_GDB')]);
  const { status } = await execute(
    book('  - { id: a, uses: say, foreach: \'["x", "y"]\', with: { name: "${{ item }}" } }\n'),
    { log },
  );
  expect(status('a')).toBe('failed');
  expect(log.done).toEqual(['x']);
});

test('items that were done before a crash are not done again', async () => {
  const text = book('  - { id: a, uses: change, foreach: \'["x", "y", "z"]\', with: { name: "${{ item }}" } }\n');
  const { events } = await execute(text);
  const log = makeLog();
  const { run } = await execute(text, { log, journal: memoryJournal(events.slice(0, 4)) });
  expect(log.done).toEqual(['y', 'z']);
  expect(run.hosts[0]?.steps[0]?.items).toHaveLength(3);
});

test('rescue runs when its step failed, knows what failed, and lets the run go on', async () => {
  const log = makeLog();
  log.failures.set('a', [failure('NO_GDB')]);
  const { status, run } = await execute(
    book(`  - { id: a, uses: say, with: { name: a }, rescue: [{ id: r, uses: say, with: { name: "\${{ failure.code }} in \${{ failure.step }}" } }] }
  - { id: b, uses: say, with: { name: b } }
`),
    { log },
  );
  expect(log.done).toEqual(['a', 'NO_GDB in a', 'b']);
  expect(['a', 'r', 'b'].map(id => status(id))).toEqual(['failed', 'succeeded', 'succeeded']);
  expect(run).toMatchObject({
    exitCode: 0,
    hosts: [{ steps: [{ id: 'a', rescued: true }, { id: 'r' }, { id: 'b' }] }],
  });
});

test('a rescue that fails leaves its step failed, and ends at its first failure', async () => {
  const log = makeLog();
  log.failures.set('a', [failure('NO_GDB')]);
  log.failures.set('r', [failure('NO_NET')]);
  const { status, run } = await execute(
    book(`  - id: a
    uses: say
    with: { name: a }
    rescue: [{ id: r, uses: say, with: { name: r } }, { id: q, uses: say, with: { name: q } }]
    always: [{ id: z, uses: say, with: { name: z } }]
  - { id: b, uses: say, with: { name: b } }
`),
    { log },
  );
  expect(['a', 'r', 'q', 'z', 'b'].map(id => status(id))).toEqual([
    'failed',
    'failed',
    'skipped: blocked',
    'succeeded',
    'skipped: blocked',
  ]);
  expect(run).toMatchObject({ exitCode: 3, hosts: [{ error: { code: 'NO_GDB' } }] });
});

test.for(['step', 'STEP_TIMEOUT', 'unreachable', 'cancelled'] as const)(
  'rescue and always of a runbook run after a failure of kind %s',
  async kind => {
    const log = makeLog();
    const controller = new AbortController();
    const isWaiting = kind === 'cancelled' || kind === 'STEP_TIMEOUT';
    if (kind === 'step' || kind === 'unreachable') log.failures.set('a', [failure('FAILED', kind)]);
    const text = `${book(`  - { id: a, uses: ${isWaiting ? 'wait' : 'say'}, with: { name: a }${kind === 'STEP_TIMEOUT' ? ', timeout: 50ms' : ''} }\n`)}rescue: [{ id: r, uses: say, with: { name: "\${{ failure.code }}" } }]
always: [{ id: z, uses: say, with: { name: z } }]
`;
    const running = execute(text, { log, signal: controller.signal });
    await begun(log, 'a');
    if (kind === 'cancelled') controller.abort(failure('CANCELLED', 'cancelled'));
    const { status, run } = await running;
    expect(log.done).toEqual(['a', isWaiting ? (kind === 'cancelled' ? 'CANCELLED' : 'STEP_TIMEOUT') : 'FAILED', 'z']);
    expect([status('r'), status('z')]).toEqual(['succeeded', 'succeeded']);
    expect(run.exitCode).toBe({ step: 3, STEP_TIMEOUT: 6, unreachable: 5, cancelled: 6 }[kind]);
  },
);

test('a step that runs once is run on one host, and all have its outputs', async () => {
  const { log, status, run } = await execute(
    book(`  - { id: a, uses: say, once: true, with: { name: "\${{ host.name }}" } }
  - { id: b, uses: say, with: { name: "\${{ steps.a.said }}!" } }
`),
    { hosts: ['web1', 'web2', 'web3'] },
  );
  expect(log.done.filter(name => !name.endsWith('!'))).toEqual(['web1']);
  expect(log.done.filter(name => name === 'web1!')).toHaveLength(3);
  expect(['web1', 'web2', 'web3'].map(host => status('b', host))).toEqual(['succeeded', 'succeeded', 'succeeded']);
  expect(run.exitCode).toBe(0);
});

test('a step whose check succeeds, or whose path is there, is done already; one that needs it runs', async () => {
  const { log, status } = await execute(
    book(`  - { id: a, uses: change, check: "true", with: { name: a } }
  - { id: b, uses: change, check: "false", with: { name: b } }
  - { id: c, uses: change, creates: "/srv/\${{ host.name }}", with: { name: c } }
`),
  );
  expect([status('a'), status('b'), status('c')]).toEqual(['skipped: done', 'succeeded', 'succeeded']);
  expect(log.done).toEqual(['shell true', 'shell false', 'b', 'shell test -e "$CREATES" {"CREATES":"/srv/web1"}', 'c']);
});

const oddStep = (rest: string): string => book(`  - { id: a, uses: odd, with: { name: a, count: 3 }, ${rest} }\n`);

test('failedWhen decides instead of the kind, and reads the output of its own step; changedWhen marks it', async () => {
  const strict = await execute(oddStep('changedWhen: "true"'));
  expect(strict.run.hosts[0]).toMatchObject({
    status: 'failed',
    error: { code: 'ODD' },
    steps: [{ outputs: { count: 3 } }],
  });
  const lax = await execute(
    oddStep('failedWhen: has(steps.a.count) && steps.a.count > 3, changedWhen: has(steps.a.count)'),
  );
  expect(lax.run.hosts[0]?.steps[0]).toMatchObject({ status: 'succeeded', changed: true });
  const failed = await execute(oddStep('failedWhen: has(steps.a.count) && steps.a.count > 2'));
  expect(failed.run.hosts[0]?.error?.code).toBe('STEP_FAILED_WHEN');
});

test('an include runs the steps of another runbook with its params, and has their outputs', async () => {
  const { log, run } = await withFiles(
    {
      'inner.yaml': book(
        '  - { id: x, uses: say, with: { name: "${{ params.name }}" } }\n',
        'params: { name: { type: string, required: true } }\n',
      ).replace('name: book', 'name: inner'),
    },
    folder =>
      execute(
        book(`  - { id: a, uses: include, with: { runbook: ${folder}/inner.yaml, params: { name: "from \${{ host.name }}" } } }
  - { id: b, uses: say, with: { name: "\${{ has(steps.a.x.said) ? steps.a.x.said : 'nothing' }}" } }
`),
      ),
  );
  expect(log.done).toEqual(['from web1', 'from web1']);
  expect(run.hosts[0]?.steps.map(({ id }) => id)).toEqual(['a', 'a/x', 'b']);
});

test('a step of an included runbook that fails fails the include', async () => {
  const log = makeLog();
  log.failures.set('x', [failure('NO_GDB')]);
  const { status } = await withFiles(
    { 'inner.yaml': book('  - { id: x, uses: say, with: { name: x } }\n').replace('name: book', 'name: inner') },
    folder => execute(book(`  - { id: a, uses: include, with: { runbook: ${folder}/inner.yaml } }\n`), { log }),
  );
  expect([status('a'), status('a/x')]).toEqual(['failed', 'failed']);
});

async function withFiles<T>(files: Readonly<Record<string, string>>, act: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'hangar-include-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return await act(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const disruptive = book('  - { id: a, uses: blind, with: { name: a } }\n');

test('a risk that the fleet file asks for waits for somebody, and the record says who agreed', async () => {
  const messages: RunMessage[] = [];
  const asked: string[] = [];
  const ask = async (question: string) => {
    asked.push(question);
    return undefined;
  };
  const running = execute(disruptive, { askFrom: 'disruptive', ask, journal: memoryJournal([], messages) });
  while (asked.length === 0) await new Promise(resolve => setTimeout(resolve, 2));
  messages.push({ kind: 'answer', by: 'eve', step: 'a', approved: true });
  const { run, events } = await running;
  expect(run.exitCode).toBe(0);
  expect(asked[0]).toMatch(/^web1: a: run this step \(disruptive\) of "book"\? blind: blind a$/);
  expect(events.find(({ kind }) => kind === 'approval-answered')).toMatchObject({ answer: 'approved', by: ['eve'] });
});

test('an early answer counts, a refusal ends the run with 7, and what does less than asked for does not wait', async () => {
  const early = [{ kind: 'answer', by: 'eve', step: 'a', host: 'web1', approved: true }] as const;
  expect((await execute(disruptive, { askFrom: 'write', journal: memoryJournal([], [...early]) })).run.exitCode).toBe(
    0,
  );
  const refused = await execute(disruptive, { askFrom: 'disruptive', ask: async () => false });
  expect(refused.run).toMatchObject({ exitCode: 7, hosts: [{ error: { code: 'APPROVAL_DENIED' } }] });
  const reading = await execute(book('  - { id: a, uses: say, with: { name: a } }\n'), { askFrom: 'write' });
  expect(reading.run.exitCode).toBe(0);
});

test('a secret is in no event, record, output or error, however it is written', async () => {
  const secret = 'Zu"geh/eim+42';
  const log = makeLog();
  log.failures.set('b', [failure('LEAK')]);
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
  ];
  const { events, run } = await execute(
    book(
      `  - { id: a, uses: say, with: { name: "x \${{ params.token }} y" } }
  - { id: b, uses: say, with: { name: b } }
`,
      'params: { token: { type: secret, required: true } }\n',
    ),
    { log, params: { token: secret }, secrets: [secret] },
  );
  expect(log.done[0]).toBe(`x ${secret} y`);
  const text = JSON.stringify([events, run]);
  for (const form of forms) expect(text).not.toContain(form);
  expect(text).toContain('x <masked> y');
});

test('a probe runs what only reads, tells what else would run, and takes no step as failed for that', async () => {
  const { log, run } = await execute(
    book(`  - { id: a, uses: say, with: { name: a } }
  - { id: b, uses: change, with: { name: "\${{ steps.a.said }}" } }
  - { id: c, uses: change, check: "true", with: { name: c } }
  - { id: d, uses: say, needs: [b], with: { name: "\${{ steps.b.said }}" } }
`),
    { isProbe: true },
  );
  expect(log.done).toEqual(['a', 'shell true']);
  expect(run.hosts[0]?.steps.map(({ id, status, reason }) => [id, reason ?? status])).toEqual([
    ['a', 'succeeded'],
    ['b', 'probe'],
    ['c', 'done'],
    ['d', 'probe'],
  ]);
  expect(run.hosts[0]?.steps[1]?.commands).toEqual(['change a']);
});

test('an optional that is not given leaves its variable out; one that is given comes through env', async () => {
  const text = book(
    '  - { id: a, run: "true", env: { MORE: "${{ params.more }}" } }\n',
    'params: { more: { type: string } }\n',
  );
  expect((await execute(text)).log.done).toEqual(['shell true {}']);
  expect((await execute(text, { params: { more: 'x' } })).log.done).toEqual(['shell true {"MORE":"x"}']);
});

const conditional = (key: string): string =>
  book(
    `  - { id: a, uses: say, with: { name: a }, ${key} }\n  - { id: b, uses: say, with: { name: b } }\n`,
    'params: { names: { type: list, default: [] } }\n',
  );

test('an expression that cannot be evaluated fails its step, with what stands there', async () => {
  for (const key of [`when: 'params.names[2] == "x"'`, `finishWhen: 'params.names[2] == "x"'`]) {
    const { run, status } = await execute(conditional(key), { params: { names: [] } });
    expect(run.hosts[0]).toMatchObject({ status: 'failed', error: { code: 'EXPRESSION_FAILED' } });
    expect([status('a'), status('b')]).toEqual(['failed', 'skipped: blocked']);
  }
});
