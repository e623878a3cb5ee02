import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { prepareInterpreters, pythonVersions, requireInterpreter } from '../../support/interpreters.ts';
import { readMarks } from '../../support/marks.ts';
import { startTarget, targetPrograms } from '../../support/targets.ts';

const programFolder = join(import.meta.dirname, '../../support/programs');

// Each program once, and the one that holds all causes on every version.
const pairs = [
  ...targetPrograms.map((program, at) => ({ program, version: pythonVersions[at % pythonVersions.length] ?? '3.11' })),
  ...pythonVersions.map(version => ({ program: 'several', version })),
];

beforeAll(() => prepareInterpreters());

test.each(pairs)(
  '$program reaches every place that its source marks, on CPython $version',
  async ({ version, program }) => {
    await using target = await startTarget(program, requireInterpreter(version));
    const { places } = readMarks(readFileSync(join(programFolder, `${program}.py`), 'utf8'));
    const standing = target.truth.threads.map(({ place }) => place);
    for (const place of places.filter(({ role }) => role !== 'holds'))
      expect(standing.filter(other => JSON.stringify(other) === JSON.stringify(place))).toHaveLength(place.threads);
    for (const { lwp } of target.truth.threads) expect(existsSync(`/proc/${target.pid}/task/${lwp}`)).toBe(true);
  },
);

test('a target that was stopped leaves no process behind', async () => {
  const target = await startTarget('several', requireInterpreter('3.11'));
  expect(existsSync(`/proc/${target.pid}`)).toBe(true);
  await target.stop();
  expect(existsSync(`/proc/${target.pid}`)).toBe(false);
});

test('a mark names the function that it stands in, its line, and how many threads share it', () => {
  const { placesOf, never } = readMarks(
    [
      '"""Nothing. NEVER: deadlock, sleep"""',
      'def outer():',
      '    with a:  # HOLDS: python-lock',
      '        inner()',
      'def inner():',
      '    b.get()  # VICTIM: python-lock x3',
    ].join('\n'),
  );
  expect(placesOf('outer')).toEqual([
    { role: 'holds', what: 'python-lock', function: 'outer', lines: [3], threads: 1 },
    { role: 'victim', what: 'python-lock', function: 'inner', lines: [6], threads: 3 },
  ]);
  expect(never).toEqual(['deadlock', 'sleep']);
});
