import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { assert, property } from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, TestRunner, test } from 'vitest';
import { findInterpreter as findWithDwarf, interpreterIn } from '../../../scripts/layout/interpreter.ts';
import { makeGcLayout, makeGreenletTable } from '../../../scripts/layout/make-greenlet-layout.ts';
import { gcLayouts, greenletLayouts } from '../../../src/python/greenlets/greenlet-layouts.ts';
import { renderText } from '../../../src/report/render-text.ts';
import { analyzeTarget, misquoted, takeCore } from '../../support/analyze-target.ts';
import { changesOf } from '../../support/changed-memory.ts';
import {
  findInterpreter,
  type Interpreter,
  type PythonVersion,
  prepareInterpreters,
  pythonVersions,
  requireInterpreter,
} from '../../support/interpreters.ts';
import { type OpenedTarget, openTarget } from '../../support/open-target.ts';
import { pythonPackages } from '../../support/python-packages.ts';
import { startTaskTarget } from '../../support/task-target.ts';

/** Each CPython with a release of greenlet that is had for it; each shape of their tables is used by one of them. */
const releases: readonly (readonly [PythonVersion, string])[] = [
  ['2.7', '1.1.3'],
  ['3.6', '1.1.3'],
  ['3.7', '2.0.2'],
  ['3.8', '3.1.1'],
  ['3.9', '3.2.4'],
  ['3.10', '3.3.2'],
  ['3.11', '3.5.6'],
  ['3.12', '3.0.3'],
  ['3.12', '3.5.6'],
  ['3.13', '3.5.6'],
  ['3.14', '3.5.6'],
];

// The only version that may have to be built; packages come once.
beforeAll(() => prepareInterpreters(['3.14']));

test.each(releases)(
  'on CPython %s the greenlets of greenlet %s stand where it says itself',
  async (version, release) => {
    const interpreter = requireInterpreter(version);
    const packages = await pythonPackages(interpreter, [`greenlet==${release}`]);
    await using target = await startTaskTarget('greenlets/plain', interpreter, [], { packages });
    const { report, remove } = await analyzeTarget(target, analysisOf(interpreter));
    remove();
    expect(report.gaps.filter(({ what }) => what === 'greenlets')).toEqual([]);
    const tasks = report.tasks ?? [];
    // The program's own, the one that is not started, and the main ones of two threads: not the one that has ended.
    expect(tasks).toHaveLength(target.tasks.length + 3);
    for (const { name, stack } of target.tasks) {
      const same = tasks.filter(task => JSON.stringify(task.stack) === JSON.stringify(stack));
      expect(same.length, `${name}: ${JSON.stringify(stack)}`).toBeGreaterThan(0);
      for (const task of same) expect(task).toMatchObject({ kind: 'greenlet', state: 'waiting' });
    }
    const [other] = report.threads.filter(({ lwp }) => lwp !== target.lwp);
    const threadsOf = (state: string) => tasks.filter(task => task.state === state).map(({ lwp }) => lwp);
    expect(new Set(threadsOf('running'))).toEqual(new Set([target.lwp, other?.lwp]));
    expect(threadsOf('ready')).toEqual([target.lwp]);
    expect(threadsOf('waiting').filter(lwp => lwp === other?.lwp)).toHaveLength(1);
    for (const task of tasks.filter(({ state }) => state === 'running')) {
      const thread = report.threads.find(({ lwp }) => lwp === task.lwp);
      expect(task.stack.map(({ line }) => line)).toEqual(thread?.python.map(({ line }) => line));
    }
    const table = greenletLayouts.find(
      ({ minor, source }) => minor === version && source.versions.some(known => sameMinor(known, release)),
    );
    const made = makeGreenletTable(version, extensionIn(packages));
    expect(table).toMatchObject(made);
  },
);

test.each([
  ['2.7', '22.10.2'],
  ['3.8', '24.2.1'],
  ['3.11', '26.9.0'],
  ['3.14', '26.9.0'],
] as const)(
  'on CPython %s it is told what each greenlet of gevent %s waits for, and who has it',
  async (version, release) => {
    const interpreter = requireInterpreter(version);
    const packages = await pythonPackages(interpreter, [`gevent==${release}`]);
    await using target = await startTaskTarget('greenlets/waits', interpreter, [], { packages });
    const { report, remove } = await analyzeTarget(target, analysisOf(interpreter));
    remove();
    expect(report.gaps.filter(({ what }) => what === 'greenlets')).toEqual([]);
    // Two that want each other's lock, and one that sleeps while others want its locks.
    expect(report.findings).toMatchObject([
      { class: 'deadlock', confidence: 'proven', roots: [{ function: 'cross' }, { function: 'cross' }] },
      { class: 'sleep', roots: [{ function: 'hold' }] },
    ]);
    const tasks = report.tasks ?? [];
    for (const { name, stack } of target.tasks) {
      const [same] = tasks.filter(task => JSON.stringify(task.stack) === JSON.stringify(stack));
      expect(same, name).toMatchObject({ kind: 'greenlet', lwp: target.lwp, state: 'waiting' });
    }
    const awaits = (name: string) => tasks.find(({ stack }) => stack.at(-1)?.function === name)?.awaits;
    expect(awaits('recv')).toMatch(/^gevent\.socket\.recv \(descriptor \d+, peer 127\.0\.0\.1:\d+\)$/);
    expect(awaits('accept')).toMatch(/^gevent\.socket\.accept \(descriptor \d+\)$/);
    expect(awaits('sleep')).toBe('gevent.sleep (4000.5 s)');
    expect(awaits('take_lock')).toMatch(/, held by greenlet "holder"$/);
    expect(awaits('take_rlock')).toMatch(/, held by greenlet "holder"$/);
    expect(awaits('take_semaphore')).toBe('gevent BoundedSemaphore, held by greenlet "holder"');
    expect(awaits('join')).toBe('greenlet "holder"');
    expect(awaits('await_event')).toBe('gevent Event');
    expect(awaits('get')).toMatch(/^gevent \w*Queue$/);
    expect(tasks.find(({ stack }) => stack.some(({ function: name }) => name === 'thread'))?.name).toBe(
      'Greenlet a thread',
    );
    expect(tasks.filter(({ inCycle }) => inCycle === true).map(({ name }) => name)).toEqual([
      'Greenlet cross',
      'Greenlet cross',
    ]);
    expect(report.summary).toMatch(/^deadlock: 2 greenlets of thread \d+ wait for each other's locks: cross \(/);
    const text = renderText(report);
    expect(text).toContain(`greenlets of thread ${target.lwp}: ${tasks.length} greenlets`);
    expect(text).toContain('2 greenlets wait for each other');
  },
);

/** Analyses a program with greenlets of gevent, whose evidence must be what the core holds. */
async function analyzeGreenlets(version: PythonVersion, release: string, mode: string) {
  const interpreter = requireInterpreter(version);
  const packages = await pythonPackages(interpreter, [`gevent==${release}`]);
  await using target = await startTaskTarget('greenlets/held', interpreter, [mode], { packages });
  const { report, core, remove } = await analyzeTarget(target, analysisOf(interpreter));
  try {
    expect(await misquoted(report, core)).toEqual([]);
  } finally {
    remove();
  }
  const { tasks = [], findings } = report;
  const [finding] = findings;
  /** Of the requests that some of them serve. */
  const paths = (addresses: readonly (string | undefined)[] = []) =>
    tasks.flatMap(({ address, request }) => (addresses.includes(address) && request ? [request.path] : [])).toSorted();
  const roots = finding?.roots.map(({ function: name, lwp }) => `${name} ${lwp}`);
  return { findings, finding, roots, paths, lwp: target.lwp };
}

test.each([
  ['2.7', '22.10.2'],
  ['3.8', '24.2.1'],
  ['3.11', '26.9.0'],
  ['3.14', '26.9.0'],
] as const)('on CPython %s, gevent %s, a circle and a chain of greenlets are causes', async (version, release) => {
  const circle = await analyzeGreenlets(version, release, 'circle');
  expect(circle.findings).toMatchObject([{ class: 'deadlock', confidence: 'proven', victims: [] }]);
  expect(circle.roots).toEqual(Array(3).fill(`take ${circle.lwp}`));
  expect(circle.paths(circle.finding?.roots.map(({ task }) => task?.address))).toEqual(['/bill', '/cart', '/stock']);
  expect(circle.paths(circle.finding?.tasks)).toEqual(['/list', '/show']);
  const chain = await analyzeGreenlets(version, release, 'peer');
  expect(chain.findings).toMatchObject([{ class: 'blocking-io', confidence: 'likely', victims: [] }]);
  expect(chain.roots).toEqual([`query ${chain.lwp}`]);
  expect(chain.paths(chain.finding?.tasks)).toHaveLength(5);
  expect(chain.finding?.summary).toMatch(/, peer 127\.0\.0\.1:\d+, without a limit; 5 greenlets wait for it$/);
});

test.each([
  ['2.7', '22.10.2'],
  ['3.11', '26.9.0'],
  ['3.14', '26.9.0'],
] as const)(
  'on CPython %s, gevent %s, one that blocks on a lock of threads which another holds is a deadlock',
  async (version, release) => {
    const { findings, finding, roots, lwp } = await analyzeGreenlets(version, release, 'native');
    expect(findings).toMatchObject([{ class: 'deadlock', confidence: 'proven', victims: [] }]);
    expect(roots).toEqual([`take ${lwp}`]);
    expect(finding?.summary).toMatch(
      / for a lock that greenlet ".*" holds, which only this thread can run; it blocks the hub/,
    );
    expect(finding?.next).toMatch(/^do not hold a lock of threads while other greenlets have their turn/);
  },
);

test('a greenlet that blocks the hub stops the others; a server of greenlets without work is silent', async () => {
  const blocked = await analyzeGreenlets('3.11', '26.9.0', 'blocked');
  expect(blocked.findings).toMatchObject([{ class: 'sleep' }]);
  expect(blocked.roots).toEqual([`careless ${blocked.lwp}`]);
  expect(blocked.paths(blocked.finding?.tasks)).toEqual([0, 1, 2, 3, 4].map(number => `/orders/${number}`));
  expect(blocked.finding?.summary).toMatch(/; it blocks the hub of 7 greenlets$/);
  expect((await analyzeGreenlets('3.11', '26.9.0', 'idle')).findings).toEqual([]);
});

describe('a core of CPython 3.11 with greenlets, and damage', () => {
  let core: OpenedTarget | undefined;
  const opened = () => {
    if (core === undefined) throw new Error('no core');
    return core;
  };
  beforeAll(async () => {
    const interpreter = findInterpreter('3.11');
    if (interpreter === undefined) return;
    const packages = await pythonPackages(interpreter, ['greenlet==3.5.6']);
    await using target = await startTaskTarget('greenlets/plain', interpreter, [], { packages });
    const { path, remove } = await takeCore(target.pid, interpreter);
    core = await openTarget(path, remove);
  });
  afterAll(() => core?.close());
  beforeEach(() => void requireInterpreter('3.11'));

  test('a list of the collector that is cut ends there, and a gap says so', () => {
    const whole = opened().read();
    const [task] = whole.tasks ?? [];
    // What stands before the object leads to the next one.
    const damaged = opened().read([[(task?.address ?? 0n) - 16n, 0x10n]]);
    expect(damaged.tasks?.length ?? 0).toBeLessThan(whole.tasks?.length ?? 0);
    expect(damaged.gaps.filter(({ what }) => what === 'greenlets')).toMatchObject([
      { why: expect.stringContaining('no memory at 0x') },
    ]);
    expect(damaged.threads).toEqual(whole.threads);
  });

  test('a greenlet whose state is that of another is left out, and a gap says so', () => {
    const whole = opened().read();
    const [first] = (whole.tasks ?? []).filter(({ name }) => name?.startsWith('Worker'));
    const [second] = (whole.tasks ?? []).filter(({ state }) => state === 'waiting');
    const layout = greenletLayouts.findLast(({ minor }) => minor === '3.11');
    const pointer = BigInt(layout?.state ?? 0);
    const other = opened()
      .target.memory.read((second?.address ?? 0n) + pointer, 8)
      .readBigUInt64LE();
    const damaged = opened().read([[(first?.address ?? 0n) + pointer, other]]);
    expect(damaged.tasks).toHaveLength((whole.tasks?.length ?? 0) - 1);
    expect(damaged.gaps.map(({ why }) => why).join()).toMatch(/1 of \d+ could not be read: .* the layout does not fit/);
  });

  test('a release that is not known is refused by its number', () => {
    const { memory } = opened().target;
    const version = Buffer.from('3.5.6');
    const seen = {
      read: (address: bigint, length: number) => {
        const bytes = Buffer.from(memory.read(address, length));
        if (bytes.indexOf(version) === 0) bytes.write('9');
        return bytes;
      },
    };
    const read = opened().readWith(seen);
    expect(read.tasks).toBeUndefined();
    expect(read.gaps.map(({ why }) => why)).toContain('there is no layout of greenlet 9.5.6 for Python 3.11');
  });

  test('whatever word of what was read is another one, reading ends', () => {
    const read = opened().addresses();
    assert(
      property(changesOf(read), changes => {
        const { tasks = [] } = opened().read(changes);
        expect(tasks.length).toBeLessThanOrEqual(1000);
      }),
      { numRuns: 60, seed: 7 },
    );
  });

  test('without the files of its modules the greenlets are the same', () => {
    expect(told(opened().readBare().tasks)).toEqual(told(opened().read().tasks));
  });
});

function told(tasks: ReturnType<OpenedTarget['read']>['tasks'] = []) {
  return tasks.map(({ name, state, stack, awaits }) => ({ name, state, stack, awaits }));
}

test('of very many greenlets the first thousand are read, among very many other objects, and the rest is a gap', async () => {
  const interpreter = requireInterpreter('3.11');
  const packages = await pythonPackages(interpreter, ['greenlet==3.5.6']);
  await using target = await startTaskTarget('greenlets/many', interpreter, ['1500', '100000'], { packages });
  const { report, remove } = await analyzeTarget(target, { native: false });
  remove();
  expect(report.tasks).toHaveLength(1000);
  expect(report.gaps).toContainEqual({
    what: 'greenlets',
    why: 'there are more than 1000: the others were left out',
  });
  expect(renderText(report)).toMatch(/\d{3} greenlets \(greenlet handler, …\): handler \(many\.py:\d+\) waits/);
});

test.each(pythonVersions)('the table of what the collector of CPython %s tracks is what its DWARF says', version => {
  const { root } = requireInterpreter(version);
  const interpreter = root === undefined ? findWithDwarf(version) : interpreterIn(root, version);
  if (interpreter === undefined) return TestRunner.getCurrentTest()?.context.skip(`no CPython ${version} with DWARF`);
  return expect(gcLayouts.find(({ minor }) => minor === version)).toEqual(makeGcLayout(interpreter));
});

function analysisOf({ root }: Interpreter) {
  return { native: false, ...(root !== undefined && { root }) };
}

function sameMinor(left: string, right: string): boolean {
  return left.replace(/\.\d+$/, '') === right.replace(/\.\d+$/, '');
}

function extensionIn(packages: string): string {
  const folder = join(packages, 'greenlet');
  const name = readdirSync(folder).find(each => /^_greenlet.*\.so$/.test(each));
  if (name === undefined) throw new Error(`no extension module in ${folder}`);
  return join(folder, name);
}
