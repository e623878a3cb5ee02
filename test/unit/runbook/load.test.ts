import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadRunbook } from '../../../src/runbook/load-runbook.ts';
import { parseParams } from '../../../src/runbook/params.ts';
import { planRun, renderPlan } from '../../../src/runbook/plan-run.ts';
import { stepKinds } from '../../../src/steps/index.ts';
import { book, hostNamed, load, makeLog } from './fake-kinds.ts';

const params = (text: string): string => book('  - { id: a, uses: say, with: { name: a } }\n', `params:\n  ${text}\n`);

test('what a condition has asked for may be read behind it', async () => {
  const runbook = await load(
    book(`  - { id: a, uses: say, when: run.id == "x", with: { name: a } }
  - { id: b, uses: say, when: has(steps.a.said), with: { name: "\${{ steps.a.said }}" } }
  - { id: c, uses: say, with: { name: '\${{ has(steps.a.said) ? steps.a.said : "none" }}' } }
`),
  );
  expect(runbook.steps).toHaveLength(3);
});

test.each(['hang', 'capture'])('the packaged runbook %s is valid and its plan covers every step once', async name => {
  const runbook = await loadRunbook(join(import.meta.dirname, '../../../runbooks', `${name}.yaml`), stepKinds);
  expect(runbook.name).toBe(name);
});

test('params are read from texts, with all problems at once', async () => {
  const runbook = await load(
    params(`n: { type: integer, min: 2, required: true }
  pause: { type: duration, default: 30s }
  size: { type: size, required: false }
  list: { type: list, required: false }`),
  );
  expect(parseParams(runbook, { n: '7', size: '4GiB', list: 'a,b' })).toEqual({
    n: 7,
    pause: 30,
    size: 2 ** 32,
    list: ['a', 'b'],
  });
  expect(() => parseParams(runbook, { size: 'big', pause: 'long' })).toThrow(
    /--n is missing[\s\S]*--pause: expected a duration[\s\S]*--size: expected a size/,
  );
});

test('a plan has every step of every host once, with what is known and <…> for what is not', async () => {
  const runbook = await load(
    `${book(
      `  - { id: a, uses: say, with: { name: "\${{ params.who }}" } }
  - { id: b, uses: say, with: { name: "\${{ steps.a.said }}" } }
  - { id: c, uses: say, when: params.who == "nobody", with: { name: c } }
`,
      'params: { who: { type: string, default: me } }\n',
    )}always: [{ id: z, uses: say, with: { name: z } }]\n`,
  );
  const plan = planRun(runbook, { who: 'me' }, ['web1', 'web2'].map(hostNamed), makeLog);
  expect(plan.hosts.map(({ name, steps }) => [name, steps.map(({ id }) => id)])).toEqual([
    ['web1', ['a', 'b', 'c', 'z']],
    ['web2', ['a', 'b', 'c', 'z']],
  ]);
  expect(plan.hosts[0]?.steps.map(({ commands, skipped }) => [skipped, ...commands])).toEqual([
    [false, 'say me'],
    [false, 'say <name>'],
    [true],
    [false, 'say z'],
  ]);
  expect(plan.hosts[0]?.steps[1]?.with).toEqual({ name: '<steps.a.said>' });
  expect(renderPlan(plan)).toContain('nothing has been run');
});

test('a list is asked about its elements, whose names are known there only', async () => {
  const runbook = await load(
    book(
      `  - id: a
    uses: say
    with: { name: a }
    when: params.names.exists(each, each == "x") && params.names.all(steps, steps != "")
`,
      'params: { names: { type: list, default: [x] } }\n',
    ),
  );
  expect(runbook.steps[0]?.when?.reads).toEqual(['params.names']);
});

test('whether an item failed is asked of what this item gave', async () => {
  const runbook = await load(
    book(`  - id: a
    uses: say
    foreach: '["x"]'
    with: { name: "\${{ item }}" }
    failedWhen: steps.a.said == item
    finishWhen: size(steps.a.results) == 1
`),
  );
  expect(runbook.steps[0]?.failedWhen?.text).toBe('steps.a.said == item');
});

test('a condition may be true or false', async () => {
  const runbook = await load(
    book('  - { id: a, uses: say, with: { name: a }, when: true, failedWhen: false, changedWhen: false }\n'),
  );
  expect(runbook.steps[0]?.failedWhen?.evaluate({})).toBe(false);
});
