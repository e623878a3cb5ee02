import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HangarError } from '../../../src/errors.ts';
import { loadRunbook } from '../../../src/runbook/load-runbook.ts';
import { parseParams } from '../../../src/runbook/params.ts';
import { planRun, renderPlan } from '../../../src/runbook/plan-run.ts';
import { stepKinds } from '../../../src/steps/index.ts';
import { book, hostNamed, load, makeLog } from './fake-kinds.ts';

const step = (rest: string): string => book(`  - { id: a, uses: say, with: { name: a }, ${rest} }\n`);
const params = (text: string): string => book('  - { id: a, uses: say, with: { name: a } }\n', `params:\n  ${text}\n`);

/** The file, and where and what the message says; `line:column: message`. */
const wrong: readonly (readonly [string, string, string])[] = [
  ['an unknown key', step('retrys: 3'), '5:44: "retrys" is not known here'],
  [
    'an unknown step kind',
    book('  - { id: a, uses: sai }\n'),
    '5:20: there is no step kind "sai"; did you mean "say"?',
  ],
  ['a missing input', book('  - { id: a, uses: say }\n'), '5:5: say needs the input "name"'],
  [
    'an unknown input',
    book('  - { id: a, uses: say, with: { name: a, nam: b } }\n'),
    '5:42: "nam" is no input of say; did you mean "name"?',
  ],
  ['an input of another type', book('  - { id: a, uses: say, with: { name: 3 } }\n'), '5:39: expected a text, found 3'],
  [
    'an expression of another type',
    book('  - { id: a, uses: say, with: { name: "${{ 3 }}" } }\n'),
    '5:39: expected string, the expression gives int',
  ],
  ['an unknown param', step('when: params.gone == 1'), '5:50: there is no "gone" in params'],
  ['an unknown param inside has()', step('when: has(params.gone)'), '5:54: there is no "gone" in params'],
  ['an unknown step', step('when: has(steps.b.said)'), '5:54: there is no "b" in steps'],
  [
    'an unknown output',
    step('finishWhen: steps.a.sad == "x"'),
    '5:56: there is no "sad" in steps.a; did you mean "said"?',
  ],
  [
    'a value that an output never has',
    step('finishWhen: steps.a.state == "helthy"'),
    '5:73: steps.a.state is never "helthy"; did you mean "healthy"?',
  ],
  [
    'an output of a step that has not run',
    book(
      '  - { id: a, uses: say, needs: [], with: { name: "${{ steps.b.said }}" } }\n  - { id: b, uses: say, with: { name: b } }\n',
    ),
    '5:55: step "b" may not have run: ask has(steps.b.said) first',
  ],
  [
    'an output of a step with a condition',
    book(
      '  - { id: a, uses: say, when: run.id == "x", with: { name: a } }\n  - { id: b, uses: say, with: { name: "${{ steps.a.said }}" } }\n',
    ),
    '6:44: step "a" may not have run: ask has(steps.a.said) first',
  ],
  [
    'a condition that is no condition',
    step('when: run.id'),
    '5:50: expected true or false, the expression gives string',
  ],
  ['an expression that is none', step('when: "params ="'), '5:'],
  ['braces in a bare expression', step('when: "${{ true }}"'), '5:50: a bare expression stands here: no ${{ }}'],
  ['an unknown need', step('needs: [b]'), '5:52: there is no step "b"'],
  [
    'a circle',
    book('  - { id: a, uses: say, needs: [b], with: { name: a } }\n  - { id: b, uses: say, with: { name: b } }\n'),
    '5:33: "a" and "b" need each other',
  ],
  [
    'two steps of one name',
    book('  - { id: a, uses: say, with: { name: a } }\n  - { id: a, uses: say, with: { name: b } }\n'),
    '6:11: there are two steps "a"',
  ],
  [
    'a step name that CEL cannot read',
    book('  - { id: a-b, uses: say, with: { name: a } }\n'),
    '5:11: "a-b" is no name: use camelCase',
  ],
  ['a reserved param', params('host: { type: string }'), '5:3: "host" is an option of the command line itself'],
  ['an enum without values', params('mode: { type: enum }'), '5:9: an enum needs values: [a, b]'],
  [
    'a default that is no value',
    params('mode: { type: enum, values: [x], default: y }'),
    '5:45: expected one of x, found "y"',
  ],
  ['a default out of bounds', params('n: { type: integer, min: 2, default: 1 }'), '5:40: expected at least 2, found 1'],
  ['a time-out that is none', step('timeout: soon'), '5:53: a duration is "30s", "5m", "1m30s"'],
  [
    'a reserved runbook name',
    book('  - { id: a, uses: say, with: { name: a } }\n').replace('name: book', 'name: list'),
    '2:7: "list" is a command of the command line',
  ],
];

test.each(wrong)('%s is refused with its place', async (_what, text, message) => {
  const problem = await problemOf(text);
  expect(problem.code).toBe('INVALID_RUNBOOK');
  expect(problem.message).toContain(`book.yaml:${message}`);
});

test('all problems of a file are told at once, in its order', async () => {
  const { message } = await problemOf(
    book(`  - { id: a, uses: sai }
  - { id: b, uses: say, needs: [x], with: { name: "\${{ steps.q.said }}" } }
`),
  );
  expect(message).toMatch(/has 3 problems/);
  expect(message.match(/book\.yaml:\d+/g)?.map(each => each.split(':')[1])).toEqual(['5', '6', '6']);
});

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

async function problemOf(text: string): Promise<HangarError> {
  const error: unknown = await load(text).then(
    () => undefined,
    thrown => thrown,
  );
  if (error instanceof HangarError) return error;
  throw new Error('the runbook was accepted', { cause: error });
}
