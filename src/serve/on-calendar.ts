import { CronPattern } from 'croner';
import { HangarError } from '../errors.ts';
import { type Schedule, timesOf } from '../fleet/schedules.ts';

/**
 * A cron expression as systemd says it (systemd.time(7), Calendar Events): one event, or several of which each counts,
 * as cron means a day of the month beside a day of the week.
 * @throws HangarError `NO_CALENDAR_EVENT` for what only cron can say
 */
export function onCalendar(schedule: Pick<Schedule, 'id' | 'cron' | 'timezone'>): readonly string[] {
  const { cron, timezone } = schedule;
  if (timezone !== undefined && /^[+-]/.test(timezone)) throw unsayable(schedule, `"${timezone}" is no name of a zone`);
  // The library has resolved `@daily` and its like there.
  const pattern = new CronPattern(timesOf(schedule).getPattern() ?? cron, timezone, { mode: '5-or-6-parts' });
  const month = listOf(pattern.month, 1);
  const time = [pattern.hour, pattern.minute, pattern.second].map(each => listOf(each, 0)).join(':');
  const zone = timezone === undefined ? '' : ` ${timezone}`;
  return dates(schedule, pattern).map(
    ({ weekdays, days }) => `${weekdays === '' ? '' : `${weekdays} `}*-${month}${days} ${time}${zone}`,
  );
}

interface Dates {
  /** `Mon..Fri,Sun`; empty: every day. */
  readonly weekdays: string;
  /** With the sign before it: `-01`, or `~01` where it counts from the end of the month. */
  readonly days: string;
}

function dates(schedule: Pick<Schedule, 'id' | 'cron'>, pattern: CronPattern): readonly Dates[] {
  if (pattern.lastWeekday || pattern.nearestWeekdays.some(isSet))
    throw unsayable(schedule, 'systemd has no nearest working day ("W")');
  const ofMonth = pattern.starDOM ? [] : daysOfMonth(pattern);
  const ofWeek = pattern.starDOW ? [] : daysOfWeek(pattern);
  if (ofMonth.length === 0 && ofWeek.length === 0) return [{ weekdays: '', days: '-*' }];
  if (!pattern.useAndLogic || ofMonth.length === 0 || ofWeek.length === 0) return [...ofMonth, ...ofWeek];
  const [whole, ...others] = ofWeek;
  if (whole?.days !== '-*' || others.length > 0)
    throw unsayable(schedule, 'systemd cannot say a day of the month that is also a certain one of its weekdays ("#")');
  return ofMonth.map(({ days }) => ({ weekdays: whole.weekdays, days }));
}

function daysOfMonth({ day, lastDayOfMonth }: CronPattern): readonly Dates[] {
  return [
    ...(day.some(isSet) ? [{ weekdays: '', days: `-${listOf(day, 1)}` }] : []),
    ...(lastDayOfMonth ? [{ weekdays: '', days: '~01' }] : []),
  ];
}

/** Each day of the week has bits: its first to fifth one in a month, and its last one. */
function daysOfWeek({ dayOfWeek }: CronPattern): readonly Dates[] {
  const whole = dayOfWeek.map(mask => (mask === everyOne ? 1 : 0));
  const single = dayOfWeek.flatMap((mask, day) =>
    mask === everyOne ? [] : certainOnes(mask, weekdayNames[day] ?? ''),
  );
  return [...(whole.some(isSet) ? [{ weekdays: weekdayList(whole), days: '-*' }] : []), ...single];
}

const everyOne = 0b111111;
const lastOne = 0b100000;

function certainOnes(mask: number, weekdays: string): readonly Dates[] {
  const counted = [1, 2, 3, 4, 5].filter(nth => (mask & (1 << (nth - 1))) !== 0);
  return [
    ...counted.map(nth => ({ weekdays, days: `-${twoDigits(nth * 7 - 6)}..${twoDigits(Math.min(nth * 7, 31))}` })),
    // From the seventh last day of the month on.
    ...((mask & lastOne) === 0 ? [] : [{ weekdays, days: '~07/1' }]),
  ];
}

const weekdayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

function weekdayList(set: readonly number[]): string {
  return weekdayNames.filter((_, day) => isSet(set[day] ?? 0)).join(',');
}

/** `*`, or the numbers that are set, with ranges. */
function listOf(set: readonly number[], first: number): string {
  if (set.every(isSet)) return '*';
  const numbers = set.flatMap((each, index) => (isSet(each) ? [index + first] : []));
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? twoDigits(from) : `${twoDigits(from)}..${twoDigits(to)}`)).join(',');
}

function isSet(each: number): boolean {
  return each !== 0;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}

function unsayable({ id, cron }: Pick<Schedule, 'id' | 'cron'>, why: string): HangarError {
  return new HangarError({
    code: 'NO_CALENDAR_EVENT',
    message: `schedule "${id}": "${cron}" cannot be a systemd timer: ${why}`,
    fix: 'change the expression, or let `runbook serve` run this schedule',
    failure: 'usage',
  });
}
