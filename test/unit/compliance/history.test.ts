import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { earlierCompliance, rememberCompliance } from '../../../src/compliance/history.ts';
import { lastKnown, lastSuccess, unreachedChecks } from '../../../src/compliance/last-known.ts';
import { checkOf, complianceOf, hostOf } from './make-compliance.ts';

let state: string;
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'hangar-compliance-'));
});
afterEach(() => rm(state, { recursive: true }));

const folder = () => join(state, 'compliance');
const stored = async () => (await readdir(folder())).toSorted();
const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
const runAt = (at: string) => complianceOf(at, [hostOf('web3', { gdb: 'pass' })]);

test('a run is read again as it was, the newest first, whatever the order in which they were stored', async () => {
  const runs = [runAt(daysAgo(1)), runAt(daysAgo(3)), runAt(daysAgo(2))];
  for (const run of runs) await rememberCompliance(state, run);
  expect(await earlierCompliance(state)).toEqual({ runs: [runs[0], runs[2], runs[1]], damaged: [] });
});

test('nothing was stored yet: no run, and no damage', async () => {
  expect(await earlierCompliance(state)).toEqual({ runs: [], damaged: [] });
});

test('what is stored is for nobody else, also in a folder that was open before', async () => {
  await mkdir(folder(), { mode: 0o755 });
  await chmod(folder(), 0o755);
  await rememberCompliance(state, runAt(daysAgo(0)));
  const [name = ''] = await stored();
  const modes = await Promise.all([folder(), join(folder(), name)].map(async path => (await stat(path)).mode & 0o777));
  expect(modes).toEqual([0o700, 0o600]);
});

test('two processes that store runs at once lose none and leave nothing half', async () => {
  const module = JSON.stringify(join(import.meta.dirname, '../../../src/compliance/history.ts'));
  const at = daysAgo(0);
  const program = `const { rememberCompliance } = await import(${module});
for (let run = 0; run < 20; run++)
  await rememberCompliance(${JSON.stringify(state)}, { ...${JSON.stringify(runAt(at))}, run: process.argv[1] + run });`;
  const writers = ['a', 'b'].map(name =>
    spawn(process.execPath, ['--input-type=module', '-e', program, name], { stdio: 'inherit' }),
  );
  expect(await Promise.all(writers.map(async writer => (await once(writer, 'exit'))[0]))).toEqual([0, 0]);
  const { runs, damaged } = await earlierCompliance(state);
  expect(damaged).toEqual([]);
  expect(new Set(runs.map(({ run }) => run))).toEqual(
    new Set(['a', 'b'].flatMap(name => Array.from({ length: 20 }, (_, run) => `${name}${run}`))),
  );
  expect((await stored()).filter(name => !name.endsWith('.json.zst'))).toEqual([]);
});

test('a damaged file is told and left out, the others are read', async () => {
  const good = runAt(daysAgo(9));
  for (const days of [1, 2, 3, 4]) await rememberCompliance(state, runAt(daysAgo(days)));
  await rememberCompliance(state, good);
  const [, cut, noise, other, wrong] = (await stored()).map(name => join(folder(), name));
  if (!cut || !noise || !other || !wrong) throw new Error('five files');
  await truncate(cut, 40);
  await writeFile(noise, 'no zstd');
  await writeFile(other, zstdCompressSync('{"schema":"hangar.compliance/2"}'));
  await writeFile(wrong, zstdCompressSync('{'));
  const { runs, damaged } = await earlierCompliance(state);
  expect(runs).toEqual([good]);
  expect(damaged.map(({ file }) => file).toSorted()).toEqual([cut, noise, other, wrong].toSorted());
  expect(damaged.find(({ file }) => file === other)?.problem).toMatch(/^no hangar.compliance\/1: schema: /);
});

test('a folder that cannot be read is told, and a run that cannot be stored says where', async () => {
  await writeFile(folder(), '');
  expect((await earlierCompliance(state)).damaged).toMatchObject([{ file: folder() }]);
  await expect(rememberCompliance(state, runAt(daysAgo(0)))).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
});

test('the newest 200 runs are kept, of those only what is younger than 90 days, but always ten', async () => {
  const names = async (count: number, days: (run: number) => number) => {
    await mkdir(folder(), { recursive: true });
    for (let run = 0; run < count; run++) {
      const time = daysAgo(days(run)).replaceAll(/[-:]/g, '');
      await writeFile(join(folder(), `${time}-${run.toString(16).padStart(16, '0')}.json.zst`), '');
    }
  };
  await names(250, run => 1 + run / 10);
  const before = (await stored()).toReversed();
  await rememberCompliance(state, runAt(daysAgo(0)));
  expect((await stored()).toReversed().slice(1)).toEqual(before.slice(0, 199));
  await rm(folder(), { recursive: true });
  await names(30, run => 80 + run);
  const old = (await stored()).toReversed();
  await rememberCompliance(state, runAt(daysAgo(0)));
  expect((await stored()).toReversed().slice(1)).toEqual(old.slice(0, 10));
  await rm(folder(), { recursive: true });
  await names(30, run => 100 + run);
  await rememberCompliance(state, runAt(daysAgo(0)));
  expect(await stored()).toHaveLength(10);
});

test('what a writer left when it was ended goes after a day; files of others are left alone', async () => {
  await mkdir(folder());
  const [old, fresh, alien] = ['.0123456789abcdef.part', '.fedcba9876543210.part', 'README'].map(name =>
    join(folder(), name),
  );
  if (!old || !fresh || !alien) throw new Error('three files');
  for (const path of [old, fresh, alien]) await writeFile(path, 'x');
  const long = new Date(daysAgo(200));
  for (const path of [old, alien]) await utimes(path, long, long);
  await rememberCompliance(state, runAt(daysAgo(0)));
  await expect(stat(old)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await Promise.all([fresh, alien].map(path => readFile(path, 'utf8')))).toEqual(['x', 'x']);
});

test('no more is read than was asked for, the newest first', async () => {
  const runs = [1, 2, 3].map(days => runAt(daysAgo(days)));
  for (const run of runs) await rememberCompliance(state, run);
  expect((await earlierCompliance(state, { maxBytes: 1 })).runs).toEqual(runs.slice(0, 1));
});

const reached = complianceOf('2026-07-01T06:00:00Z', [
  hostOf('web3', { gdb: 'pass', zstd: 'fail' }, { checkedAt: '2026-07-01T06:00:09Z' }),
]);
const lost = complianceOf('2026-07-02T06:00:00Z', [hostOf('web3', { gdb: 'unknown', zstd: 'unknown' })]);

test('an unknown check says what was last known of it, through runs that did not know either', () => {
  const now = { ...lost, at: '2026-07-03T06:00:00Z' };
  const expected = [
    { id: 'gdb', state: 'unknown', lastKnownState: 'pass', lastKnownAt: '2026-07-01T06:00:09Z' },
    { id: 'zstd', state: 'unknown', lastKnownState: 'fail', lastKnownAt: '2026-07-01T06:00:09Z' },
  ];
  expect(lastKnown(now, [lost, reached]).hosts[0]?.checks).toMatchObject(expected);
  expect(lastKnown(now, [lastKnown(lost, [reached])]).hosts[0]?.checks).toMatchObject(expected);
  expect(lastKnown(now, [lost])).toEqual(now);
  expect(lastKnown(reached, [lost])).toBe(reached);
});

test('a host that is not reached has the checks that it had, all of them unknown', () => {
  const checks = unreachedChecks('web3', [lost, reached]);
  expect(checks.map(each => [each.id, each.state, each.lastKnownState, each.fix])).toEqual([
    ['gdb', 'unknown', 'pass', ''],
    ['zstd', 'unknown', 'fail', ''],
  ]);
  const waived = { actualState: 'fail', waiver: { reason: 'r', owner: 'o', expires: 'e' } } as const;
  const before = complianceOf('2026-07-01T06:00:00Z', [hostOf('web3', { gdb: checkOf('gdb', 'waived', waived) })]);
  expect(unreachedChecks('web3', [before])).toMatchObject([{ state: 'unknown', lastKnownState: 'waived' }]);
  expect(unreachedChecks('web3', [before])[0]).not.toHaveProperty('waiver');
  expect(unreachedChecks('web4', [reached])).toEqual([]);
});

test('the last success is the last run that reached every host, whatever it found there', () => {
  expect(lastSuccess(reached, [])).toBe(reached.at);
  expect(lastSuccess(lost, [reached])).toBe(reached.at);
  expect(lastSuccess(lost, [])).toBeUndefined();
  const cut = complianceOf('2026-07-04T06:00:00Z', [hostOf('web3', {}, { state: 'unknown' })]);
  expect(lastSuccess(cut, [lost, reached])).toBe(reached.at);
});

test('a run over some hosts is no success for the others', () => {
  const web4 = hostOf('web4', { gdb: 'pass' });
  const both = complianceOf('2026-07-01T06:00:00Z', [...reached.hosts, web4]);
  const some = complianceOf('2026-07-02T06:00:00Z', [web4]);
  const now = complianceOf('2026-07-03T06:00:00Z', [...lost.hosts, web4]);
  expect(lastSuccess(now, [some, both])).toBe(both.at);
});
