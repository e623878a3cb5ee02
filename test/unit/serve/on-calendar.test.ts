import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { timesOf } from '../../../src/fleet/schedules.ts';
import { onCalendar } from '../../../src/serve/on-calendar.ts';

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

interface Case {
  readonly cron: string;
  readonly events: readonly string[];
  readonly timezone?: string;
}

const expressions: readonly Case[] = [
  { cron: '0 6 * * *', events: ['*-*-* 06:00:00 Europe/Berlin'], timezone: 'Europe/Berlin' },
  { cron: '30 18 * * *', events: ['*-*-* 18:30:00 America/New_York'], timezone: 'America/New_York' },
  { cron: '*/15 * * * *', events: ['*-*-* *:00,15,30,45:00'] },
  { cron: '*/20 * * * * *', events: ['*-*-* *:*:00,20,40'] },
  {
    cron: '0 9-17 * * 1-5',
    events: ['Mon,Tue,Wed,Thu,Fri *-*-* 09..17:00:00 Europe/Berlin'],
    timezone: 'Europe/Berlin',
  },
  { cron: '0 0 * * 7', events: ['Sun *-*-* 00:00:00'] },
  { cron: '0 0 1,15 * *', events: ['*-*-01,15 00:00:00'] },
  { cron: '0 0 1 1,7 *', events: ['*-01,07-01 00:00:00'] },
  { cron: '5 4 * FEB *', events: ['*-02-* 04:05:00'] },
  { cron: '0 0 L * *', events: ['*-*~01 00:00:00'] },
  { cron: '0 0 1,L * *', events: ['*-*-01 00:00:00', '*-*~01 00:00:00'] },
  { cron: '0 0 13 * 5', events: ['*-*-13 00:00:00', 'Fri *-*-* 00:00:00'] },
  { cron: '0 0 13 * +5', events: ['Fri *-*-13 00:00:00'] },
  { cron: '0 3 * * FRI#2', events: ['Fri *-*-08..14 03:00:00'] },
  { cron: '0 3 * * TUE#1,THU', events: ['Thu *-*-* 03:00:00', 'Tue *-*-01..07 03:00:00'] },
  { cron: '0 3 * * SUN#5', events: ['Sun *-*-29..31 03:00:00'] },
  { cron: '0 3 * * 5L', events: ['Fri *-*~07/1 03:00:00'] },
  { cron: '0 0 29 2 *', events: ['*-02-29 00:00:00'] },
  { cron: '@weekly', events: ['Sun *-*-* 00:00:00'] },
  { cron: '@hourly', events: ['*-*-* *:00:00'] },
];

test.each(expressions)('$cron is $events', ({ cron, events, timezone }) => {
  expect(onCalendar(schedule(cron, timezone))).toEqual(events);
});

describe.skipIf(!hasSystemd)('what systemd makes of it', () => {
  test.each(expressions)('$cron comes at the same times', ({ cron, timezone }) => {
    const base = new Date('2026-01-15T10:07:00Z');
    const ours = timesOf(schedule(cron, timezone ?? 'UTC')).nextRuns(6, base);
    expect(systemdTimes(onCalendar(schedule(cron, timezone)), 6)).toEqual(ours.map(time => time.toISOString()));
  });
});

test.each([
  ['0 0 15W * *', undefined, 'nearest working day'],
  ['0 0 LW * *', undefined, 'nearest working day'],
  ['0 0 1 * +5#1', undefined, 'a certain one of its weekdays'],
  ['0 6 * * *', '+02:00', 'is no name of a zone'],
])('%s in zone %s is refused: systemd has no words for it', (cron, timezone, why) => {
  expect(() => onCalendar(schedule(cron, timezone))).toThrow(why);
});

function schedule(cron: string, timezone: string | undefined) {
  return { id: 'x', cron, ...(timezone !== undefined && { timezone }) };
}

/** The first times of several events together. */
function systemdTimes(events: readonly string[], count: number): readonly string[] {
  const shown = execFileSync(
    'systemd-analyze',
    ['calendar', `--iterations=${count}`, '--base-time=2026-01-15 10:07:00 UTC', ...events],
    { encoding: 'utf8', env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' } },
  );
  const found = shown.matchAll(/(?:Next elapse|Iter\. #\d+): \w+ (\d+-\d+-\d+) (\d+:\d+:\d+) UTC/g);
  const times = [...found].map(([, date, time]) => new Date(`${date}T${time}Z`).toISOString());
  return [...new Set(times)].toSorted().slice(0, count);
}
