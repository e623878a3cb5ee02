import { assert, constantFrom, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import type { CheckState, HostCompliance } from '../../../src/compliance/schema.ts';
import { exitCodeOf, worstState } from '../../../src/compliance/states.ts';
import { type Waiver, waive } from '../../../src/compliance/waive.ts';
import { fits } from '../../../src/compliance/wildcards.ts';
import { parseZonedTime } from '../../../src/compliance/zoned-time.ts';

function complianceOf(host: string, states: Readonly<Record<string, CheckState>>): HostCompliance {
  const checks = Object.entries(states).map(([id, state]) => ({
    id,
    state,
    severity: 'error' as const,
    expected: '',
    actual: '',
    why: '',
    fix: '',
    origin: 'profile' as const,
  }));
  return { host, state: worstState(Object.values(states)), checkedAt: '', checks };
}

function waiver(check: string, host: string, expires: string, timezone?: string): Waiver {
  const time = parseZonedTime(expires, timezone);
  if ('problem' in time) throw new Error(time.problem);
  return {
    check,
    host,
    isFor: name => fits(host, name),
    reason: 'new disk ordered',
    owner: 'web team',
    expires: time.at,
    expiresText: time.text,
  };
}

const at = new Date('2026-11-25T12:00:00Z');
const later = '2027-06-01T00:00:00Z';

test('what is waived is told as such, with what it really is, and no longer decides', () => {
  const hosts = [
    complianceOf('web3', { 'free-disk': 'fail', clock: 'warn', 'package:gdb': 'error', zstd: 'pass' }),
    complianceOf('db1', { 'free-disk': 'fail' }),
  ];
  const result = waive(hosts, [waiver('*', 'web*', later)], at);
  expect(result.problems).toEqual([]);
  expect(result.hosts[0]?.checks.map(({ state, actualState }) => [state, actualState])).toEqual([
    ['waived', 'fail'],
    ['waived', 'warn'],
    ['waived', 'error'],
    ['pass', undefined],
  ]);
  expect(result.hosts[0]?.checks[0]?.waiver).toEqual({
    reason: 'new disk ordered',
    owner: 'web team',
    expires: '2027-06-01T00:00:00+00:00',
  });
  expect(result.hosts.map(({ state }) => state)).toEqual(['waived', 'fail']);
  expect(exitCodeOf(result.hosts, result.problems)).toBe(3);
  expect(exitCodeOf(result.hosts.slice(0, 1), result.problems)).toBe(0);
});

test('a waiver is over at its very second: the check keeps its state, and the waiver is a failure of its own', () => {
  const hosts = [complianceOf('web3', { clock: 'warn' })];
  const mine = [waiver('clock', 'web3', '2026-11-25 13:00', 'Europe/Berlin')];
  const before = waive(hosts, mine, new Date(at.getTime() - 1000));
  expect(before.hosts[0]?.state).toBe('waived');
  const after = waive(hosts, mine, at);
  expect(after.hosts[0]?.state).toBe('warn');
  expect(after.problems).toEqual([
    {
      check: 'clock',
      host: 'web3',
      state: 'fail',
      problem: 'it expired at 2026-11-25T13:00:00+01:00: mend what it waives, or renew it',
    },
  ]);
  expect(exitCodeOf(after.hosts, after.problems)).toBe(3);
});

test('a waiver that ends within two weeks, or waives nothing, is a warning', () => {
  const hosts = [complianceOf('web3', { clock: 'fail', zstd: 'pass' })];
  const problemsOf = (check: string, expires: string): unknown =>
    waive(hosts, [waiver(check, 'web3', expires)], at).problems.map(({ state, problem }) => [state, problem]);
  expect(problemsOf('clock', '2026-12-09T12:00:01Z')).toEqual([]);
  expect(problemsOf('clock', '2026-12-09T11:00:00Z')).toEqual([
    ['warn', 'it expires at 2026-12-09T11:00:00+00:00, in 14 days'],
  ]);
  expect(problemsOf('zstd', later)).toEqual([['warn', 'nothing deviates that it would waive: take it out']]);
  expect(problemsOf('no-such-check', later)).toEqual([['warn', 'nothing deviates that it would waive: take it out']]);
  expect(
    exitCodeOf([complianceOf('web3', { zstd: 'pass' })], waive(hosts, [waiver('zstd', 'web3', later)], at).problems),
  ).toBe(4);
});

test('a waiver is not unused where its host was not asked, or not reached', () => {
  const reached = complianceOf('web3', { clock: 'pass' });
  const unreached = complianceOf('web4', { clock: 'unknown' });
  expect(waive([reached], [waiver('clock', 'web4', later)], at).problems).toEqual([]);
  expect(waive([reached, unreached], [waiver('clock', 'web*', later)], at).problems).toEqual([]);
  expect(waive([unreached], [waiver('*', 'web4', later)], at).hosts[0]?.state).toBe('unknown');
});

test.each([
  ['2026-12-24 18:00', 'Europe/Berlin', '2026-12-24T17:00:00.000Z', '2026-12-24T18:00:00+01:00'],
  ['2026-07-24T18:00:30', 'Europe/Berlin', '2026-07-24T16:00:30.000Z', '2026-07-24T18:00:30+02:00'],
  ['2026-12-24 18:00', 'Asia/Kathmandu', '2026-12-24T12:15:00.000Z', '2026-12-24T18:00:00+05:45'],
  ['2026-12-24 18:00', 'America/St_Johns', '2026-12-24T21:30:00.000Z', '2026-12-24T18:00:00-03:30'],
  ['2026-12-24 18:00', 'UTC', '2026-12-24T18:00:00.000Z', '2026-12-24T18:00:00+00:00'],
  // Clocks go from 02:00 to 03:00 on 29 March, and from 03:00 back to 02:00 on 25 October.
  ['2026-03-29 02:30', 'Europe/Berlin', '2026-03-29T01:30:00.000Z', '2026-03-29T03:30:00+02:00'],
  ['2026-03-29 03:00', 'Europe/Berlin', '2026-03-29T01:00:00.000Z', '2026-03-29T03:00:00+02:00'],
  ['2026-10-25 02:30', 'Europe/Berlin', '2026-10-25T00:30:00.000Z', '2026-10-25T02:30:00+02:00'],
  ['2026-10-25 03:00', 'Europe/Berlin', '2026-10-25T02:00:00.000Z', '2026-10-25T03:00:00+01:00'],
  // Half an hour of summer time.
  ['2026-10-04 02:15', 'Australia/Lord_Howe', '2026-10-03T15:45:00.000Z', '2026-10-04T02:45:00+11:00'],
  ['2026-12-24T18:00:00+01:00', undefined, '2026-12-24T17:00:00.000Z', '2026-12-24T18:00:00+01:00'],
  ['2026-12-24T18:00Z', undefined, '2026-12-24T18:00:00.000Z', '2026-12-24T18:00:00+00:00'],
])('%s in %s is %s', (text, timezone, utc, shown) => {
  expect(parseZonedTime(text, timezone)).toEqual({ at: new Date(utc), text: shown });
});

test.each([
  ['2026-12-24 18:00', undefined, 'time', /no time zone/],
  ['2026-12-24 18:00', 'Europe/Atlantis', 'timezone', /no time zone "Europe\/Atlantis"/],
  ['2026-12-24 18:00', '+01:00', 'timezone', /no time zone "\+01:00"/],
  ['2026-12-24T18:00+01:00', 'Europe/Berlin', 'timezone', /leave `timezone` out/],
  ['2026-02-30 18:00', 'Europe/Berlin', 'time', /expected a time/],
  ['2026-12-24 24:30', 'Europe/Berlin', 'time', /expected a time/],
  ['2026-12-24T18:00+25:00', undefined, 'time', /expected a time/],
  ['2026-12-24', 'Europe/Berlin', 'time', /expected a time/],
  ['tomorrow', 'Europe/Berlin', 'time', /expected a time/],
] as const)('"%s" in %s is no moment', (text, timezone, of, problem) => {
  expect(parseZonedTime(text, timezone)).toEqual({ of, problem: expect.stringMatching(problem) });
});

test('a moment is what it was when it is read again from what is shown', () => {
  const zones = constantFrom(
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kathmandu',
    'Australia/Lord_Howe',
    'Pacific/Apia',
    'UTC',
  );
  const minutes = integer({ min: Date.UTC(2024, 0) / 60_000, max: Date.UTC(2032, 0) / 60_000 });
  assert(
    property(zones, minutes, (zone, minute) => {
      const local = new Date(minute * 60_000).toISOString().slice(0, 16);
      const read = parseZonedTime(local, zone);
      if ('problem' in read) throw new Error(read.problem);
      expect(parseZonedTime(read.text, undefined)).toEqual(read);
    }),
    { numRuns: 200 },
  );
});

function hostsIn(...states: CheckState[]): readonly HostCompliance[] {
  return states.map((state, index) => complianceOf(`h${index}`, { x: state }));
}

test('the worst state of a host, and the first exit code that occurred', () => {
  expect(worstState(['pass', 'warn', 'waived'])).toBe('warn');
  expect(worstState(['unknown', 'error', 'fail'])).toBe('fail');
  expect(worstState(['not-applicable', 'pass'])).toBe('pass');
  expect(worstState([])).toBe('not-applicable');
  expect(exitCodeOf(hostsIn('pass', 'not-applicable', 'waived'))).toBe(0);
  expect(exitCodeOf(hostsIn('pass', 'warn'))).toBe(4);
  expect(exitCodeOf(hostsIn('warn', 'unknown'))).toBe(5);
  expect(exitCodeOf(hostsIn('unknown', 'error'))).toBe(3);
  expect(exitCodeOf(hostsIn('warn', 'fail', 'unknown'))).toBe(3);
  expect(exitCodeOf([{ state: 'unknown', checks: [] }])).toBe(5);
  expect(exitCodeOf([])).toBe(0);
});
