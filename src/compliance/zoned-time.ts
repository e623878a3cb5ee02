/** A moment as people write it: in a time zone, or with its offset from UTC. */
export type ZonedTime = { readonly at: Date; readonly text: string };

/** Why a text is no moment: what is wrong with it, or with the time zone. */
export type NoTime = { readonly problem: string; readonly of: 'time' | 'timezone' };

/**
 * `2026-12-24 18:00` in a time zone of the IANA database, or ISO 8601 with an offset (`2026-12-24T18:00:00+01:00`).
 * In the hour that the end of summer time repeats, the first one counts; a time that its beginning leaves out is as
 * long after midnight as the clocks had run (02:30 is 03:30).
 */
export function parseZonedTime(text: string, timezone: string | undefined): ZonedTime | NoTime {
  const found = pattern.exec(text);
  const local = found === null ? undefined : localMilliseconds(found.slice(1, 7));
  if (found === null || local === undefined) return notATime(text);
  const offset = found[7] === undefined ? undefined : parseOffset(found[7]);
  if (found[7] !== undefined && offset === undefined) return notATime(text);
  if (offset !== undefined && timezone !== undefined)
    return { of: 'timezone', problem: `"${text}" has its offset already: leave \`timezone\` out` };
  if (offset !== undefined) return zoned(local - offset, offset);
  if (timezone === undefined)
    return {
      of: 'time',
      problem: `"${text}" has no time zone: add \`timezone: Europe/Berlin\`, or an offset (+01:00)`,
    };
  if (!isTimeZone(timezone)) return { of: 'timezone', problem: `there is no time zone "${timezone}"` };
  const at = instantOf(local, timezone);
  return zoned(at, offsetAt(at, timezone));
}

const pattern = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s?(Z|[+-]\d\d:?\d\d)?$/;

function notATime(text: string): NoTime {
  return { of: 'time', problem: `expected a time like 2026-12-24 18:00 (with \`timezone\`), found "${text}"` };
}

/** As if it were UTC; undefined where the calendar has no such day. */
function localMilliseconds(fields: readonly (string | undefined)[]): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = fields.map(each => Number(each ?? 0));
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const isSame = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  return isSame && minute < 60 && second < 60 ? date.getTime() : undefined;
}

/** Milliseconds east of UTC. */
function parseOffset(text: string): number | undefined {
  if (text === 'Z') return 0;
  const [hours, minutes] = [Number(text.slice(1, 3)), Number(text.slice(-2))];
  if (hours > 23 || minutes > 59) return undefined;
  return (text.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** ECMA-402 takes offsets (`+01:00`) for time zones too: they are none here. */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions();
    return true;
  } catch {
    return false;
  }
}

function instantOf(local: number, timezone: string): number {
  const day = 86_400_000;
  const before = offsetAt(local - day, timezone);
  const candidates = [local - before, local - offsetAt(local + day, timezone)];
  const right = candidates.filter(each => each + offsetAt(each, timezone) === local);
  return right.length > 0 ? Math.min(...right) : local - before;
}

/** Milliseconds east of UTC at that moment. */
function offsetAt(at: number, timezone: string): number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: timezone, timeZoneName: 'longOffset' });
  const name = format.formatToParts(at).find(part => part.type === 'timeZoneName')?.value ?? '';
  const found = /^GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(name);
  if (found === null) return 0;
  const [, sign, hours, minutes, seconds = '0'] = found;
  return (sign === '-' ? -1 : 1) * ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

function zoned(at: number, offset: number): ZonedTime {
  const minutes = Math.round(Math.abs(offset) / 60_000);
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60].map(each => String(each).padStart(2, '0'));
  const local = new Date(at + offset).toISOString().slice(0, 19);
  return { at: new Date(at), text: `${local}${offset < 0 ? '-' : '+'}${hours}:${rest}` };
}
