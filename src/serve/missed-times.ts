import { type Schedule, timesOf } from '../fleet/schedules.ts';

export interface Missed {
  /** At most `countLimit`. */
  readonly count: number;
  /** Absent where none was missed. */
  readonly last?: Date;
}

/** Of a schedule with seconds, years would be counted. */
export const countLimit = 1000;

/** The times of a schedule behind its last start that have passed. */
export function missedTimes(schedule: Schedule, lastStart: Date, now: Date): Missed {
  const times = timesOf(schedule);
  let count = 0;
  for (const time of times.enumerate(lastStart)) {
    if (time > now || count === countLimit) break;
    count++;
  }
  // Only what lies before a time counts as previous to it.
  const [last] = count === 0 ? [] : times.previousRuns(1, new Date(now.getTime() + 1));
  return { count, ...(last && { last }) };
}
