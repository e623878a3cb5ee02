import { expect, test } from 'vitest';
import { timesOf } from '../../../src/fleet/schedules.ts';
import { countLimit, missedTimes } from '../../../src/serve/missed-times.ts';

const hourly = { id: 'x', runbook: 'x', host: 'all', cron: '0 * * * *', timezone: 'UTC', params: {} };

test('missed are the times behind the last start, up to now', () => {
  const now = new Date('2026-03-01T13:30:00Z');
  expect(missedTimes(hourly, new Date('2026-03-01T10:00:00.012Z'), now)).toEqual({
    count: 3,
    last: new Date('2026-03-01T13:00:00Z'),
  });
  expect(missedTimes(hourly, new Date('2026-03-01T13:00:00.012Z'), now)).toEqual({ count: 0 });
  expect(missedTimes(hourly, new Date('2026-03-01T13:00:00Z'), new Date('2026-03-01T14:00:00Z'))).toEqual({
    count: 1,
    last: new Date('2026-03-01T14:00:00Z'),
  });
});

test('years of seconds are not counted, and their last one is known', () => {
  const now = new Date('2026-03-01T13:30:00Z');
  expect(missedTimes({ ...hourly, cron: '* * * * * *' }, new Date('2020-01-01'), now)).toEqual({
    count: countLimit,
    last: new Date('2026-03-01T13:30:00Z'),
  });
});

test('a daily time that the clock skips comes right behind, and one that comes twice comes once', () => {
  const daily = timesOf({ cron: '30 2 * * *', timezone: 'Europe/Berlin' });
  const times = (from: string): readonly string[] => daily.nextRuns(2, new Date(from)).map(each => each.toISOString());
  expect(times('2026-03-28T12:00:00Z')).toEqual(['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z']);
  expect(times('2026-10-24T12:00:00Z')).toEqual(['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z']);
});
