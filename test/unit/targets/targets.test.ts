import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Report } from '../../../src/report/schema.ts';
import { prepareInterpreters, pythonVersions, requireInterpreter } from '../../support/interpreters.ts';
import { wrongIn } from '../../support/judge-report.ts';
import { readMarks } from '../../support/marks.ts';
import { runsOn, startTarget, type Truth, targetPrograms } from '../../support/targets.ts';

const programFolder = join(import.meta.dirname, '../../support/programs');

// Each program once, and the one that holds all causes on every version.
const pairs = [
  ...targetPrograms.map((program, at) => {
    const version = pythonVersions[at % pythonVersions.length] ?? '3.11';
    return { program, version: runsOn(program, version) ? version : '3.11' };
  }),
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

test.each(['several', 'orphaned_rlock'])('%s leaves no process behind when it was stopped', async program => {
  const target = await startTarget(program, requireInterpreter('3.11'));
  const { pid } = target;
  const isRunning = () =>
    existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  expect(isRunning()).toBe(true);
  await target.stop();
  expect(isRunning()).toBe(false);
});

test('a mark names the function that it stands in, its line, and how many threads share it', () => {
  const { placesOf, never, since } = readMarks(
    [
      '"""Nothing. SINCE: 3.6. NEVER: deadlock, sleep"""',
      'def outer():',
      '    with a:  # HOLDS: python-lock',
      '        inner()',
      'def inner():',
      '    b.get()  # VICTIM: python-lock of outer x3',
    ].join('\n'),
  );
  expect(placesOf('outer')).toEqual([
    { role: 'holds', what: 'python-lock', function: 'outer', lines: [3], threads: 1 },
    { role: 'victim', what: 'python-lock', of: 'outer', function: 'inner', lines: [6], threads: 3 },
  ]);
  expect(never).toEqual(['deadlock', 'sleep']);
  expect(since).toBe('3.6');
});

test('a program runs on the versions that have what it uses', () => {
  expect(pythonVersions.filter(version => !runsOn('future_wait', version))).toEqual(['2.7']);
  expect(pythonVersions.filter(version => !runsOn('several', version))).toEqual([]);
});

test('a report that names another owner than the program knows is wrong', () => {
  const place = { role: 'victim', what: 'join', of: 'work', function: 'finish', lines: [3], threads: 1 } as const;
  const common = { ident: '0', holds: [] };
  const truth: Truth = {
    file: 'a.py',
    also: [],
    never: [],
    threads: [
      { ...common, lwp: 1, startedFor: '<module>', place },
      { ...common, lwp: 2, startedFor: 'work' },
    ],
  };
  const wrong = (owner: number | undefined) => wrongIn(reportOf(owner), truth);
  expect(wrong(2)).toEqual([]);
  expect(wrong(1)).toEqual(['thread 1 waits for thread 1, expected work: 2']);
  expect(wrong(undefined)).toEqual(['thread 1 waits for thread undefined, expected work: 2']);
});

/** Of two threads, the first of which joins another one. */
function reportOf(owner: number | undefined): Report {
  const thread = { gil: 'none' as const, native: [], stack: [], holds: [] };
  const waits = { kind: 'join', confidence: 'proven', ...(owner !== undefined && { owner }) } as const;
  const python = [{ function: 'finish', file: 'a.py', line: 3, interpreter: 0 }];
  return {
    schema: 'hangar.report/1',
    case: 'test',
    summary: '',
    host: { name: 'test' },
    process: { pid: 1, command: [], executable: 'python3', pythons: [] },
    findings: [],
    threads: [
      { ...thread, lwp: 1, role: 'idle', python, waits },
      { ...thread, lwp: 2, role: 'application', python: [] },
    ],
    modules: [],
    gaps: [],
    timings: [],
  };
}
