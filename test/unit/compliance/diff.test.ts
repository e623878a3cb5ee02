import { expect, test } from 'vitest';
import { diffCompliance } from '../../../src/compliance/diff.ts';
import type { CheckState, Compliance, ComplianceDiff } from '../../../src/compliance/schema.ts';
import { checkOf, complianceOf, hostOf } from './make-compliance.ts';

const nothing = {
  newlyFailing: [],
  fixed: [],
  flapping: [],
  newlyWaived: [],
  hostsGone: [],
  hostsNew: [],
  notRun: [],
};

/** Runs of host web3 a day apart, oldest first; the last one is compared with the others. */
function diffOf(states: readonly CheckState[]): Partial<ComplianceDiff> {
  return diffOfRuns(states.map((state, day) => complianceOf(atDay(day), [hostOf('web3', { gdb: state })])));
}

function diffOfRuns(runs: readonly Compliance[], inventory = ['web3', 'web4']): Partial<ComplianceDiff> {
  const [current, ...earlier] = runs.toReversed();
  return (current && diffCompliance(current, earlier, { inventory })) ?? {};
}

function atDay(day: number): string {
  return `2026-07-0${day + 1}T06:00:00Z`;
}

function change(from: string, to: string) {
  return { host: 'web3', check: 'gdb', from, to };
}

test('a first run is compared with nothing', () => {
  expect(diffCompliance(complianceOf(atDay(0), [hostOf('web3', {})]), [], { inventory: ['web3'] })).toBeUndefined();
});

test('the same again is no difference', () => {
  expect(diffOf(['fail', 'fail'])).toEqual({ ...nothing, since: atDay(0) });
});

test.each([
  ['pass', 'fail'],
  ['pass', 'warn'],
  ['pass', 'error'],
  ['warn', 'fail'],
  ['not-applicable', 'fail'],
  ['waived', 'fail'],
] as const)('%s that became %s is newly failing', (from, to) => {
  expect(diffOf([from, to])).toEqual({ ...nothing, since: atDay(0), newlyFailing: [change(from, to)] });
});

test.each([
  ['fail', 'error'],
  ['error', 'fail'],
  ['fail', 'warn'],
  ['pass', 'not-applicable'],
] as const)('%s that became %s is neither newly failing nor fixed', (from, to) => {
  expect(diffOf([from, to])).toEqual({ ...nothing, since: atDay(0) });
});

test.each([
  ['fail', 'pass'],
  ['error', 'pass'],
  ['warn', 'pass'],
  ['fail', 'not-applicable'],
] as const)('%s that became %s is fixed', (from, to) => {
  expect(diffOf([from, to])).toEqual({ ...nothing, since: atDay(0), fixed: [change(from, to)] });
});

test('a waiver is told once, and what it covered is told as fixed when it is', () => {
  const waived = hostOf('web3', { gdb: checkOf('gdb', 'waived', { actualState: 'fail' }) });
  const runs = [
    complianceOf(atDay(0), [hostOf('web3', { gdb: 'fail' })]),
    complianceOf(atDay(1), [waived]),
    complianceOf(atDay(2), [waived]),
    complianceOf(atDay(3), [hostOf('web3', { gdb: 'pass' })]),
  ];
  expect(diffOfRuns(runs.slice(0, 2))).toEqual({
    ...nothing,
    since: atDay(0),
    newlyWaived: [change('fail', 'waived')],
  });
  expect(diffOfRuns(runs.slice(0, 3))).toEqual({ ...nothing, since: atDay(1) });
  expect(diffOfRuns(runs)).toEqual({ ...nothing, since: atDay(2), fixed: [change('waived', 'pass')] });
});

test('a host that is not reached is no difference, and afterwards is compared with what was last known', () => {
  expect(diffOf(['pass', 'unknown'])).toEqual({ ...nothing, since: atDay(0) });
  expect(diffOf(['fail', 'unknown', 'fail'])).toEqual({ ...nothing, since: atDay(1) });
  expect(diffOf(['pass', 'unknown', 'fail'])).toEqual({
    ...nothing,
    since: atDay(1),
    newlyFailing: [{ ...change('pass', 'fail'), since: atDay(0) }],
  });
});

test('what was last known is found in a run that only remembers it', () => {
  const lost = checkOf('gdb', 'unknown', { lastKnownState: 'fail', lastKnownAt: '2026-01-01T00:00:00Z' });
  const runs = [
    complianceOf(atDay(0), [hostOf('web3', { gdb: lost })]),
    complianceOf(atDay(1), [hostOf('web3', { gdb: 'pass' })]),
  ];
  expect(diffOfRuns(runs)).toEqual({
    ...nothing,
    since: atDay(0),
    fixed: [{ ...change('fail', 'pass'), since: '2026-01-01T00:00:00Z' }],
  });
});

test('a check that fails the first time that it is made or known is newly failing', () => {
  const added = [hostOf('web3', { zstd: 'pass' }), hostOf('web3', { zstd: 'pass', gdb: 'fail' })];
  expect(diffOfRuns(added.map((host, day) => complianceOf(atDay(day), [host]))).newlyFailing).toEqual([
    change('absent', 'fail'),
  ]);
  const reached = [hostOf('web3', {}, { state: 'unknown' }), hostOf('web3', { gdb: 'fail' })];
  expect(diffOfRuns(reached.map((host, day) => complianceOf(atDay(day), [host]))).newlyFailing).toEqual([
    change('unknown', 'fail'),
  ]);
});

test('three changes within the last six runs that knew the state are flapping, two or older ones are not', () => {
  expect(diffOf(['pass', 'fail', 'pass', 'fail']).flapping).toEqual([{ ...change('pass', 'fail'), changes: 3 }]);
  expect(diffOf(['fail', 'pass', 'fail', 'fail', 'fail', 'pass']).flapping).toEqual([
    { ...change('fail', 'pass'), changes: 3 },
  ]);
  expect(diffOf(['pass', 'fail', 'pass']).flapping).toEqual([]);
  expect(diffOf(['fail', 'pass', 'fail', 'fail', 'fail', 'fail', 'pass']).flapping).toEqual([]);
  expect(diffOf(['pass', 'unknown', 'pass', 'unknown', 'pass', 'unknown', 'pass']).flapping).toEqual([]);
});

test('a check that the last run of the host made and this one did not is told, unless the host was not reached', () => {
  const before = complianceOf(atDay(0), [hostOf('web3', { gdb: 'pass', zstd: 'pass' })]);
  const now = (host: ReturnType<typeof hostOf>) => diffOfRuns([before, complianceOf(atDay(1), [host])]).notRun;
  expect(now(hostOf('web3', { zstd: 'pass' }))).toEqual([{ host: 'web3', check: 'gdb' }]);
  expect(now(hostOf('web3', {}, { state: 'unknown' }))).toEqual([]);
  const lost = complianceOf(atDay(1), [hostOf('web3', {}, { state: 'unknown' })]);
  const back = complianceOf(atDay(2), [hostOf('web3', { zstd: 'pass' })]);
  expect(diffOfRuns([before, lost, back]).notRun).toEqual([{ host: 'web3', check: 'gdb' }]);
});

test('a run over some hosts makes no other host look gone, new or different', () => {
  const both = [hostOf('web3', { gdb: 'pass' }), hostOf('web4', { gdb: 'pass' })];
  const all = complianceOf(atDay(0), both);
  const some = complianceOf(atDay(1), [hostOf('web3', { gdb: 'fail' })]);
  expect(diffOfRuns([all, some])).toEqual({ ...nothing, since: atDay(0), newlyFailing: [change('pass', 'fail')] });
  const again = complianceOf(atDay(2), [hostOf('web3', { gdb: 'fail' }), hostOf('web4', { gdb: 'fail' })]);
  expect(diffOfRuns([all, some, again])).toEqual({
    ...nothing,
    since: atDay(1),
    newlyFailing: [{ ...change('pass', 'fail'), host: 'web4', since: atDay(0) }],
  });
});

test('a host that no run had asked is new, and none of its checks is newly failing', () => {
  const runs = [
    complianceOf(atDay(0), [hostOf('web3', { gdb: 'pass' })]),
    complianceOf(atDay(1), [hostOf('web3', { gdb: 'pass' }), hostOf('web4', { gdb: 'fail' })]),
  ];
  expect(diffOfRuns(runs)).toEqual({ ...nothing, since: atDay(0), hostsNew: ['web4'] });
});

test('a host that the fleet lacks is gone once, in the next run over the hosts that it was asked with', () => {
  const [web3, web4, db7] = ['web3', 'web4', 'db7'].map(name => hostOf(name, { gdb: 'pass' }));
  if (!web3 || !web4 || !db7) throw new Error('three hosts');
  const all = complianceOf(atDay(0), [web3, web4, db7]);
  const some = complianceOf(atDay(1), [web3]);
  const later = complianceOf(atDay(2), [web3, web4]);
  const last = complianceOf(atDay(3), [web3, web4]);
  expect(diffOfRuns([all, some]).hostsGone).toEqual([]);
  expect(diffOfRuns([all, some, later]).hostsGone).toEqual(['db7']);
  expect(diffOfRuns([all, some, later, last]).hostsGone).toEqual([]);
  expect(diffOfRuns([all, some, later], ['web3', 'web4', 'db7']).hostsGone).toEqual([]);
});

test('a run from the future, made with a wrong clock, is not what is compared with', () => {
  const wrong = complianceOf('2099-01-01T00:00:00Z', [hostOf('web3', { gdb: 'fail' })]);
  const right = complianceOf(atDay(0), [hostOf('web3', { gdb: 'pass' })]);
  const now = complianceOf(atDay(1), [hostOf('web3', { gdb: 'pass' })]);
  expect(diffCompliance(now, [wrong, right], { inventory: ['web3'] })).toEqual({ ...nothing, since: atDay(0) });
});
