import { mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { HangarError } from '../errors.ts';
import { schedulesOf } from '../fleet/schedules.ts';
import { everyStep } from '../runbook/every-step.ts';
import type { Runbook } from '../runbook/runbook.ts';
import { type Unit, unitsOf } from '../serve/units.ts';
import { openFleet } from './fleet.ts';
import type { GlobalOptions, Io } from './io.ts';
import { printJson, printResult } from './output.ts';
import { scheduledRunbook } from './scheduled-runbook.ts';

export interface SchedulePlace {
  /** As `--fleet` takes it, wherever a run starts. */
  readonly fleet: string;
  /** Absolute. */
  readonly state: string;
  /** Relative paths of schedules begin there. */
  readonly cwd: string;
  /** Path of the launcher. */
  readonly bin: string;
}

/**
 * The units of every schedule, on stdout or as files of the folder that `--output` names.
 * @throws HangarError `NO_SCHEDULES`, `OUTPUT_UNWRITABLE`, or as `unitsOf` and `scheduledRunbook`
 */
export async function printUnits(
  isUser: boolean,
  place: SchedulePlace,
  options: GlobalOptions,
  io: Io,
): Promise<number> {
  const fleet = await openFleet({ fleet: place.fleet }, io);
  const schedules = schedulesOf(fleet?.schedules);
  if (schedules.length === 0) throw noSchedules(place);
  const user = isUser ? {} : { user: userInfo().username };
  const units: Unit[] = [];
  for (const schedule of schedules) {
    const runbook = await scheduledRunbook(schedule, place);
    units.push(...unitsOf(schedule, { ...place, ...user }, becomesRootHere(runbook)));
  }
  const { output } = options;
  if (output !== undefined) writeUnits(resolve(io.cwd, output), units);
  else if (options.format === 'json') printJson({ schema: 'hangar.units/1', units }, options, io);
  else printResult(units.map(({ name, text }) => `# ${name}\n${text}`).join('\n'), options, io);
  return 0;
}

/** Whether a step becomes root on this machine. */
function becomesRootHere<Context>(runbook: Runbook<Context>): boolean {
  return everyStep(runbook).some(({ where, with: { become }, include }) => {
    if (include !== undefined && becomesRootHere(include)) return true;
    if (where !== 'controller' || become === undefined) return false;
    return become.kind !== 'literal' || become.value === true;
  });
}

/** Readable for all, as systemd wants it: secrets stand there as references only. */
function writeUnits(folder: string, units: readonly Unit[]): void {
  try {
    mkdirSync(folder, { recursive: true });
    for (const { name, text } of units) writeFileSync(join(folder, name), text, { mode: 0o644 });
  } catch (cause) {
    throw new HangarError({
      code: 'OUTPUT_UNWRITABLE',
      message: `cannot write the units into "${folder}"`,
      fix: 'name a directory that you may write: --output DIR',
      failure: 'usage',
      cause,
    });
  }
}

function noSchedules({ fleet }: SchedulePlace): HangarError {
  return new HangarError({
    code: 'NO_SCHEDULES',
    message: `the fleet file "${fleet}" has no schedules`,
    fix: 'add one there: schedules: [{ runbook: NAME, host: all, cron: "0 6 * * *" }]',
    failure: 'usage',
  });
}
