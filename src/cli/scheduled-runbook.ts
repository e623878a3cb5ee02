import { existsSync } from 'node:fs';
import { HangarError } from '../errors.ts';
import type { Schedule } from '../fleet/schedules.ts';
import { suggestion } from '../runbook/names.ts';
import { parseParams } from '../runbook/params.ts';
import type { Runbook } from '../runbook/runbook.ts';
import type { Incident } from '../steps/incident.ts';
import { findRunbook } from './runbooks.ts';

/**
 * The runbook that a schedule names, which takes its params.
 * @throws HangarError `NO_SUCH_RUNBOOK`, `INVALID_RUNBOOK`, `INVALID_PARAMS`
 */
export async function scheduledRunbook(
  { id, runbook: name, params }: Schedule,
  { fleet, cwd }: { readonly fleet: string; readonly cwd: string },
): Promise<Runbook<Incident>> {
  const { runbook } = await findRunbook(name, { cwd, commands: [], ...(existsSync(fleet) && { fleetPath: fleet }) });
  const unknown = Object.keys(params).find(each => !runbook.params.has(each));
  if (unknown !== undefined)
    throw new HangarError({
      code: 'INVALID_PARAMS',
      message: `schedule "${id}": ${runbook.name} has no param "${unknown}"${suggestion(unknown, runbook.params.keys())}`,
      fix: `see what it takes: runbook ${runbook.name} --help`,
      failure: 'usage',
    });
  parseParams(runbook, Object.fromEntries(Object.entries(params).map(([each, value]) => [each, asTyped(value)])));
  return runbook;
}

function asTyped(value: Schedule['params'][string]): string | boolean | readonly string[] {
  return typeof value === 'number' ? String(value) : value;
}
