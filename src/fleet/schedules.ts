import { Cron } from 'croner';
import { messageOf } from '../errors.ts';
import type { FleetFile } from './fleet.ts';
import { selectHosts } from './select-hosts.ts';
import type { YamlFile } from './yaml-problems.ts';

type ScheduleParam = string | number | boolean | readonly string[];

/** A runbook that runs by itself, again and again. */
export interface Schedule {
  /** Unique in the fleet file; lower case, digits, `.`, `_`, `-`: names the schedule's files, metrics and units. */
  readonly id: string;
  readonly runbook: string;
  /** A host selector, as `--host` takes it. */
  readonly host: string;
  /** Five fields, or six of which the first is the second; or `@daily` and its like. */
  readonly cron: string;
  /** IANA name; absent: that of the machine. */
  readonly timezone?: string;
  /** By param name, as the command line takes them. */
  readonly params: Readonly<Record<string, ScheduleParam>>;
}

/** The schedules of a fleet file, each with an id: its own, else `RUNBOOK-HOST`, numbered where that is taken. */
export function schedulesOf(schedules: FleetFile['schedules'] = []): readonly Schedule[] {
  const taken = new Set(schedules.flatMap(({ id }) => id ?? []));
  return schedules.map(({ id, timezone, params, ...rest }) => ({
    ...rest,
    id: id ?? freeId(rest, taken),
    params: params ?? {},
    ...(timezone !== undefined && { timezone }),
  }));
}

/** What is wrong with the schedules of a fleet file: expression, time zone, selector, id. */
export function checkSchedules(file: YamlFile, fleet: FleetFile): void {
  const seen = new Set<string>();
  for (const [index, { id, host, cron, timezone }] of (fleet.schedules ?? []).entries()) {
    const at = ['schedules', index];
    if (id !== undefined && seen.has(id)) file.add([...at, 'id'], `two schedules have the id "${id}"`);
    if (id !== undefined) seen.add(id);
    const isZone = timezone === undefined || isTimezone(timezone);
    if (!isZone) file.add([...at, 'timezone'], `there is no time zone "${timezone}": use a name like Europe/Berlin`);
    const cronProblem = whyNoCron(cron);
    if (cronProblem !== undefined) file.add([...at, 'cron'], cronProblem);
    const hostProblem = whyNoHosts(host, file.path, fleet.hosts);
    if (hostProblem !== undefined) file.add([...at, 'host'], hostProblem);
  }
}

/** The times of a schedule; nothing is started by it. @throws TypeError where the expression or the zone is none */
export function timesOf({ cron, timezone }: Pick<Schedule, 'cron' | 'timezone'>): Cron {
  return new Cron(cron, { paused: true, mode: '5-or-6-parts', ...(timezone !== undefined && { timezone }) });
}

function freeId({ runbook, host }: Pick<Schedule, 'runbook' | 'host'>, taken: Set<string>): string {
  const base = `${runbook.replace(/^.*\//, '').replace(/\.ya?ml$/, '')}-${host}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9._]+/g, '-')
    .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  let id = base === '' ? 'schedule' : base;
  for (let number = 2; taken.has(id); number++) id = `${base}-${number}`;
  taken.add(id);
  return id;
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function whyNoCron(cron: string): string | undefined {
  try {
    const times = timesOf({ cron, timezone: 'UTC' });
    // A date is a cron expression to the library: one that comes once.
    if (times.getPattern() === undefined) return `"${cron}" is a date, not a cron expression like "0 6 * * *"`;
    return times.nextRun() === null ? `"${cron}" never comes` : undefined;
  } catch (error) {
    const why = messageOf(error)
      .replace(/^CronPattern: /, '')
      .replace(/\.$/, '');
    return `"${cron}" is not a cron expression like "0 6 * * *": ${why.charAt(0).toLowerCase()}${why.slice(1)}`;
  }
}

function whyNoHosts(selector: string, path: string, hosts: FleetFile['hosts']): string | undefined {
  const known = Object.entries(hosts).map(
    ([name, host]) => [name, { name, become: 'none', labels: host?.labels ?? {}, services: [] }] as const,
  );
  try {
    selectHosts(
      { path, hosts: new Map(known), approvals: undefined, profiles: new Map(), schedules: undefined },
      { host: [selector], except: [] },
    );
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
