import type { Cron } from 'croner';
import { type Schedule, timesOf } from '../fleet/schedules.ts';
import { countLimit, missedTimes } from './missed-times.ts';
import { oneLine } from './one-line.ts';
import type { ScheduleRecord, ScheduleRecords } from './schedule-record.ts';
import type { RunEnd, StartedRun } from './start-run.ts';

export interface SchedulerOptions {
  readonly records: ScheduleRecords;
  /** The schedules as they stand in the fleet file now. @throws what makes the file invalid */
  readonly readSchedules: () => Promise<readonly Schedule[]>;
  /** When it ran last, as far as the runs of this controller say; ISO 8601 UTC. */
  readonly lastKnownStart: (schedule: Schedule) => Promise<string | undefined>;
  readonly startRun: (schedule: Schedule) => Promise<StartedRun>;
  /** Says one line about a schedule, or (without one) about all. */
  readonly tell: (text: string, schedule?: string) => void;
}

/** A schedule as it is now. */
export interface ScheduleStatus {
  readonly schedule: Schedule;
  /** Absent: it never ran. */
  readonly last?: ScheduleRecord;
  /** The last run that ended: `last`, or while that is at work the one before. */
  readonly ended?: ScheduleRecord;
  readonly isRunning: boolean;
  /** Absent where no time comes any more. */
  readonly next?: Date;
  /** Times that were skipped because a run was still at work, since serve started. */
  readonly skipped: number;
}

/** Runs schedules at their times, never one of them twice at once, until it is stopped. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #atWork = new Set<Promise<void>>();
  readonly #runs = new Set<StartedRun>();
  #isStopping = false;
  #fileProblem: string | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Why the fleet file cannot be used now; undefined: it can. */
  get fileProblem(): string | undefined {
    return this.#fileProblem;
  }

  statuses(): readonly ScheduleStatus[] {
    return [...this.#entries.values()].map(({ schedule, job, last, ended, isRunning, skipped }) => {
      const next = job.nextRun();
      return { schedule, isRunning, skipped, ...(last && { last }), ...(ended && { ended }), ...(next && { next }) };
    });
  }

  /** Says what was missed, and begins. @throws what makes the fleet file invalid */
  async start(): Promise<void> {
    const schedules = await this.#options.readSchedules();
    await this.#take(schedules);
    for (const { schedule, last, job } of this.#entries.values())
      this.#options.tell(await this.#describeStart(schedule, last, job), schedule.id);
    if (schedules.length === 0) this.#options.tell('the fleet file has no schedules yet');
  }

  /** Takes the fleet file as it is now; one that is invalid is told, and the schedules stay as they are. */
  async reload(): Promise<void> {
    if (this.#isStopping) return;
    const before = [...this.#entries.values()].map(({ schedule }) => JSON.stringify(schedule));
    const schedules = await this.#readTold();
    if (schedules === undefined) return;
    await this.#take(schedules);
    for (const { schedule, job } of this.#entries.values())
      if (!before.includes(JSON.stringify(schedule)))
        this.#options.tell(`the fleet file has changed: ${describeNext(job)}`, schedule.id);
  }

  /** No run begins any more; those at work are asked to end, and ended once `limitSeconds` have passed. */
  async stop(limitSeconds: number): Promise<void> {
    this.#isStopping = true;
    for (const { job } of this.#entries.values()) job.stop();
    this.stopRuns();
    const limit = setTimeout(() => {
      for (const run of this.#runs) run.kill();
    }, limitSeconds * 1000);
    while (this.#atWork.size > 0) await Promise.all(this.#atWork);
    clearTimeout(limit);
  }

  /** Asks the runs at work to end; who was asked before ends at once. */
  stopRuns(): void {
    for (const run of this.#runs) run.stop();
  }

  async #readTold(): Promise<readonly Schedule[] | undefined> {
    try {
      const schedules = await this.#options.readSchedules();
      if (this.#fileProblem !== undefined) this.#options.tell('the fleet file is valid again');
      this.#fileProblem = undefined;
      return schedules;
    } catch (error) {
      const problem = oneLine(error);
      if (problem !== this.#fileProblem) this.#options.tell(problem);
      this.#fileProblem = problem;
      return undefined;
    }
  }

  async #take(schedules: readonly Schedule[]): Promise<void> {
    const ids = new Set(schedules.map(({ id }) => id));
    for (const [id, { job }] of this.#entries) {
      if (ids.has(id)) continue;
      job.stop();
      this.#entries.delete(id);
      this.#options.tell('is no longer in the fleet file', id);
    }
    for (const schedule of schedules) {
      const known = this.#entries.get(schedule.id);
      if (known === undefined) await this.#add(schedule);
      else this.#change(known, schedule);
    }
  }

  async #add(schedule: Schedule): Promise<void> {
    const last = await this.#options.records.read(schedule.id);
    const ended = last?.exitCode === undefined ? undefined : last;
    const entry: Entry = { schedule, job: timesOf(schedule), last, ended, isRunning: false, skipped: 0 };
    this.#arm(entry);
    this.#entries.set(schedule.id, entry);
  }

  #change(entry: Entry, schedule: Schedule): void {
    const { cron, timezone } = entry.schedule;
    entry.schedule = schedule;
    if (cron === schedule.cron && timezone === schedule.timezone) return;
    entry.job.stop();
    entry.job = timesOf(schedule);
    this.#arm(entry);
  }

  #arm(entry: Entry): void {
    entry.job.schedule(() => this.#fire(entry));
    entry.job.resume();
  }

  async #describeStart(schedule: Schedule, last: ScheduleRecord | undefined, job: Cron): Promise<string> {
    const known = await this.#options.lastKnownStart(schedule);
    const [start] = [last?.startedAt, known].flatMap(each => each ?? []).sort((a, b) => (a < b ? 1 : -1));
    if (start === undefined) return `never ran; ${describeNext(job)}`;
    const { count, last: missed } = missedTimes(schedule, new Date(start), new Date());
    const often = count === countLimit ? `${count} times or more` : count === 1 ? 'once' : `${count} times`;
    const told = missed === undefined ? '' : `; missed ${often}, the last time ${shortTime(missed)}: not caught up`;
    return `ran last ${shortTime(new Date(start))}${told}; ${describeNext(job)}`;
  }

  #fire(entry: Entry): void {
    if (this.#isStopping) return;
    if (entry.isRunning) {
      entry.skipped++;
      this.#options.tell(`skipped: the run of ${startOf(entry)} is still at work`, entry.schedule.id);
      return;
    }
    entry.isRunning = true;
    const work = this.#run(entry)
      .catch((error: unknown) => this.#options.tell(oneLine(error), entry.schedule.id))
      .finally(() => {
        entry.isRunning = false;
        this.#atWork.delete(work);
      });
    this.#atWork.add(work);
  }

  async #run(entry: Entry): Promise<void> {
    const { id } = entry.schedule;
    const startedAt = new Date();
    const schedules = await this.#readTold();
    if (schedules === undefined) {
      const problem = this.#fileProblem ?? 'the fleet file is invalid';
      await this.#keep(entry, startedAt, { kind: 'ended', exitCode: 2, problem: firstLine(problem) });
      return;
    }
    await this.#take(schedules);
    if (this.#entries.get(id) !== entry || this.#isStopping) return;
    const { lastSuccessAt } = entry.last ?? {};
    const before = entry.last;
    await this.#write(entry, {
      startedAt: startedAt.toISOString(),
      ...(lastSuccessAt !== undefined && { lastSuccessAt }),
    });
    const { runbook, host } = entry.schedule;
    this.#options.tell(`started: ${runbook} on ${host}`, id);
    const run = await this.#options.startRun(entry.schedule);
    this.#runs.add(run);
    // A signal may have come while it was being started.
    if (this.#isStopping) run.stop();
    const end = await run.ended.finally(() => this.#runs.delete(run));
    if (end.kind === 'busy') {
      entry.skipped++;
      if (before) await this.#write(entry, before);
      this.#options.tell('skipped: a run that an earlier serve started is still at work', id);
    } else await this.#keep(entry, startedAt, end);
  }

  async #keep(entry: Entry, startedAt: Date, end: Exclude<RunEnd, { kind: 'busy' }>): Promise<void> {
    const now = new Date();
    const exitCode = end.kind === 'ended' ? end.exitCode : brokenCode;
    const isGood = exitCode === 0 || exitCode === warningsCode;
    const lastSuccessAt = isGood ? now.toISOString() : entry.last?.lastSuccessAt;
    const run = end.kind === 'ended' ? end.run : undefined;
    await this.#write(entry, {
      startedAt: startedAt.toISOString(),
      seconds: (now.getTime() - startedAt.getTime()) / 1000,
      exitCode,
      ...(run !== undefined && { run }),
      ...(!isGood && end.problem !== undefined && { problem: end.problem }),
      ...(lastSuccessAt !== undefined && { lastSuccessAt }),
    });
    this.#options.tell(describeEnd(entry.last, isGood), entry.schedule.id);
  }

  /** What cannot be kept is told, and does not end serve. */
  async #write(entry: Entry, record: ScheduleRecord): Promise<void> {
    entry.last = record;
    if (record.exitCode !== undefined) entry.ended = record;
    try {
      await this.#options.records.write(entry.schedule.id, record);
    } catch (error) {
      this.#options.tell(`its record cannot be written: ${oneLine(error)}`, entry.schedule.id);
    }
  }
}

/** What a run without an exit code of its own counts as: an internal error. */
const brokenCode = 1;
/** Warnings only (contract, `Exit codes`). */
const warningsCode = 4;

interface Entry {
  schedule: Schedule;
  job: Cron;
  last: ScheduleRecord | undefined;
  ended: ScheduleRecord | undefined;
  isRunning: boolean;
  skipped: number;
}

function describeNext(job: Cron): string {
  const next = job.nextRun();
  return next === null ? 'no time comes any more' : `next ${shortTime(next)}`;
}

function describeEnd(last: ScheduleRecord | undefined, isGood: boolean): string {
  const { seconds = 0, exitCode, run, problem } = last ?? {};
  const what = isGood ? 'ended' : 'failed';
  const why = problem === undefined ? '' : `: ${problem}`;
  const where = run === undefined ? '' : `; runbook show ${run}`;
  return `${what} after ${seconds.toFixed(1)} s with ${exitCode}${why}${where}`;
}

function startOf({ last }: Entry): string {
  return last === undefined ? 'before' : shortTime(new Date(last.startedAt));
}

/** To the second, UTC. */
export function shortTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}

function firstLine(text: string): string {
  return text.split('; ')[0] ?? text;
}
