import { existsSync, unwatchFile, watchFile } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { renderCompliance } from '../compliance/formats/index.ts';
import { earlierCompliance } from '../compliance/history.ts';
import { HangarError } from '../errors.ts';
import { findFleetFile } from '../fleet/find-fleet-file.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { schedulesOf } from '../fleet/schedules.ts';
import { neutralise } from '../harmless.ts';
import { makePrivateDirectory } from '../private-files.ts';
import { parseDuration } from '../quantity.ts';
import { ExclusiveLock } from '../run/exclusive-lock.ts';
import { foldRun } from '../run/fold-run.ts';
import { sqliteRunStore } from '../run/sqlite-run-store.ts';
import { accessToken } from '../serve/access-token.ts';
import type { Shown } from '../serve/answer.ts';
import { lastRunOf } from '../serve/last-run.ts';
import { parseListenAddress } from '../serve/listen-address.ts';
import { oneLine } from '../serve/one-line.ts';
import { ScheduleRecords } from '../serve/schedule-record.ts';
import { Scheduler, shortTime } from '../serve/scheduler.ts';
import { startRun } from '../serve/start-run.ts';
import { startWebServer } from '../serve/web-server.ts';
import { openFleet } from './fleet.ts';
import type { GlobalOptions, Io } from './io.ts';
import { printJson } from './output.ts';
import { packageRoot } from './package-root.ts';
import { renderRun } from './render-run.ts';
import { printUnits, type SchedulePlace } from './schedule-units.ts';
import { scheduledRunbook } from './scheduled-runbook.ts';

export interface ServeAsked {
  readonly listen: string;
  readonly stopWithin: string;
  readonly printSystemd: boolean;
  readonly userUnit: boolean;
}

/** `runbook serve` as it was typed. Resolves with the exit code. */
export async function serveAsAsked(asked: ServeAsked, options: GlobalOptions, io: Io): Promise<number> {
  const place = placeOf(options, io);
  if (asked.printSystemd) return printUnits(asked.userUnit, place, options, io);
  return serve(asked, place, options, io);
}

/** The launcher, which takes the Node that belongs to the package. */
const bin = join(packageRoot, 'bin', 'runbook');

function placeOf({ fleet, state }: GlobalOptions, { cwd }: Io): SchedulePlace {
  const named = fleet ?? findFleetFile(cwd);
  if (named === undefined)
    throw new HangarError({
      code: 'NO_FLEET_FILE',
      message: 'schedules stand in a fleet file, and there is no fleet.yaml here or above',
      fix: 'name the inventory: --fleet FILE',
      failure: 'usage',
    });
  // `pulumi:STACK` is no path.
  const path = named.startsWith('pulumi:') ? undefined : resolve(cwd, named);
  return { fleet: path ?? named, state: resolve(cwd, state), cwd: path === undefined ? cwd : dirname(path), bin };
}

async function serve(asked: ServeAsked, place: SchedulePlace, options: GlobalOptions, io: Io): Promise<number> {
  const listen = parseListenAddress(asked.listen);
  const stopWithinSeconds = parseStopWithin(asked.stopWithin);
  const tell = teller(options, io);
  const lock = await lockState(place.state);
  try {
    const startedAt = new Date();
    const scheduler = schedulerOf(place, io, tell);
    const token = await accessToken(place.state);
    const shown = shownOf(place, startedAt, scheduler);
    const server = await startWebServer({ listen, token, shown, tell });
    try {
      await scheduler.start();
      tell(`open ${server.url}/?token=${token}`);
      await tellBroken(scheduler, place, tell);
      watchFleet(place, () => scheduler.reload().catch((error: unknown) => tell(oneLine(error))));
      await untilAborted(io.signal);
      unwatchFile(place.fleet);
      // The second signal ends serve at once, and tells the runs to do the same.
      process.once('exit', () => scheduler.stopRuns());
      await scheduler.stop(stopWithinSeconds);
      tell('ended');
      if (options.format === 'json')
        printJson({ schema: 'hangar.serve/1', schedules: scheduler.statuses() }, options, io);
    } finally {
      server.close();
    }
  } finally {
    lock.release();
  }
  return 0;
}

function schedulerOf(place: SchedulePlace, io: Io, tell: (text: string, schedule?: string) => void): Scheduler {
  const store = sqliteRunStore(place.state);
  let fleet: Fleet | undefined;
  return new Scheduler({
    records: new ScheduleRecords(place.state),
    tell,
    async readSchedules() {
      fleet = await openFleet({ fleet: place.fleet }, io);
      return schedulesOf(fleet?.schedules);
    },
    lastKnownStart: async schedule => fleet && lastRunOf(schedule, fleet, store),
    startRun: schedule => startRun(schedule, { ...place, env: io.env }),
  });
}

/** Schedules that will fail each time: better told now than at six in the morning. */
async function tellBroken(
  scheduler: Scheduler,
  place: SchedulePlace,
  tell: (text: string, schedule?: string) => void,
): Promise<void> {
  for (const { schedule } of scheduler.statuses())
    await scheduledRunbook(schedule, place).catch((error: unknown) =>
      tell(`cannot run as it stands: ${oneLine(error)}`, schedule.id),
    );
}

function watchFleet({ fleet }: SchedulePlace, changed: () => Promise<void>): void {
  if (!existsSync(fleet)) return;
  watchFile(fleet, { interval: 1000, persistent: false }, () => void changed());
}

function shownOf({ state }: SchedulePlace, startedAt: Date, scheduler: Scheduler): Shown {
  const store = sqliteRunStore(state);
  return {
    status: () => ({
      startedAt,
      isFleetValid: scheduler.fileProblem === undefined,
      schedules: scheduler.statuses(),
    }),
    async run(id, form) {
      const record = await store.read(id);
      return record && renderRun(foldRun(record), form);
    },
    async compliance(form) {
      // Of the newest one alone.
      const { runs } = await earlierCompliance(state, { maxBytes: 1 });
      const [newest] = runs;
      return newest && renderCompliance(newest, form);
    },
  };
}

/** One line an event, with its time. */
function teller({ quiet }: GlobalOptions, { stderr }: Io): (text: string, schedule?: string) => void {
  return (text, schedule) => {
    if (quiet) return;
    const line = neutralise(text.replaceAll(/\s*\n\s*/g, '; '));
    stderr.write(`${shortTime(new Date())} ${schedule === undefined ? '' : `${schedule}: `}${line}\n`);
  };
}

async function lockState(state: string): Promise<ExclusiveLock> {
  await makePrivateDirectory(join(state, 'serve'));
  const lock = ExclusiveLock.take(join(state, 'serve', 'lock'));
  if (lock) return lock;
  throw new HangarError({
    code: 'SERVE_IS_ACTIVE',
    message: `another serve runs the schedules of "${state}"`,
    fix: 'end that one first, or name another state directory: --state DIR',
    failure: 'usage',
  });
}

function parseStopWithin(text: string): number {
  const seconds = parseDuration(text);
  // Beyond that no timer of Node's reaches.
  if (seconds !== undefined && seconds <= 86_400) return seconds;
  throw new HangarError({
    code: 'USAGE',
    message: `--stop-within: expected a duration up to a day like 1m, found "${text}"`,
    fix: 'use --stop-within 1m',
    failure: 'usage',
  });
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>(done => {
    signal.addEventListener('abort', () => done(), { once: true });
  });
}
