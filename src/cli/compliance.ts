import { findChecksFile, loadChecks } from '../compliance/checks-file.ts';
import { diffCompliance } from '../compliance/diff.ts';
import { earlierCompliance, rememberCompliance } from '../compliance/history.ts';
import { realState } from '../compliance/known.ts';
import { lastKnown, lastSuccess, unreachedChecks } from '../compliance/last-known.ts';
import { type CheckState, type Compliance, type HostCompliance, hostComplianceSchema } from '../compliance/schema.ts';
import { exitCodeOf, worstState } from '../compliance/states.ts';
import { type Waiver, waive } from '../compliance/waive.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { HostRun, Run } from '../run/run.ts';
import { everyStep } from '../runbook/every-step.ts';
import type { ParamValues, Runbook } from '../runbook/runbook.ts';
import { checkComplianceStep } from '../steps/check-compliance.ts';
import type { Incident } from '../steps/incident.ts';
import { preparedSchema } from '../steps/prepare-host.ts';

/** Whether it checks hosts, and whether that is all that it does. */
export function checksOf(runbook: Runbook<Incident>): 'none' | 'some' | 'only' {
  const kinds = everyStep(runbook).map(({ kind }) => kind.name);
  if (!kinds.includes(checkComplianceStep.name)) return 'none';
  return kinds.every(name => name === checkComplianceStep.name) ? 'only' : 'some';
}

/** The record of a host with what the last check of it found, unless that is how it was before something was changed. */
export function withCompliance(host: HostRun): HostRun {
  const results = host.steps.map(({ outputs }) => hostComplianceSchema.safeParse(outputs).data);
  const last = results.findLastIndex(each => each !== undefined);
  const found = results[last];
  if (found === undefined || host.steps.slice(last + 1).some(mayHaveChanged)) return host;
  const { mendable: _, ...compliance } = found;
  return { ...host, compliance };
}

function mayHaveChanged({ status, outputs }: HostRun['steps'][number]): boolean {
  if (status === 'succeeded') return preparedSchema.safeParse(outputs).success;
  return status !== 'skipped';
}

/** What a run found on its hosts, as one result; of a host that was not reached nothing is known. */
export function complianceOf(
  run: Run,
  earlier: readonly Compliance[] = [],
  waivers: readonly Waiver[] = [],
): Compliance {
  const at = new Date();
  const bare = run.hosts.map(host => hostCompliance(host, earlier, at));
  const { hosts, problems } = waive(bare, waivers, at);
  const known = lastKnown(
    {
      schema: 'hangar.compliance/1',
      at: at.toISOString(),
      run: run.run,
      exitCode: exitCodeOf(hosts, problems),
      counts: countsOf(hosts),
      hosts: [...hosts],
      waivers: [...problems],
    },
    earlier,
  );
  const success = lastSuccess(known, earlier);
  return { ...known, ...(success !== undefined && { lastSuccess: success }) };
}

export interface Kept {
  readonly compliance: Compliance;
  /** Earlier results that could not be read. */
  readonly damaged: readonly { readonly file: string; readonly problem: string }[];
}

/** The same with what was known before: the difference, what was last known of hosts that are silent now. Remembered, unless only some checks were made. */
export async function keepCompliance(
  run: Run,
  { state, fleet, params }: { readonly state: string; readonly fleet: Fleet | undefined; readonly params: ParamValues },
): Promise<Kept> {
  const { runs, damaged } = await earlierCompliance(state);
  const now = complianceOf(run, runs, await waiversOf(params, fleet));
  const diff = diffCompliance(now, runs, { inventory: [...(fleet?.hosts.keys() ?? [])] });
  const compliance = { ...now, ...(diff && { diff }) };
  if (params['only'] === undefined) await rememberCompliance(state, compliance);
  return { compliance, damaged };
}

async function waiversOf({ checks }: ParamValues, fleet: Fleet | undefined): Promise<readonly Waiver[]> {
  const path = typeof checks === 'string' ? checks : fleet && (await findChecksFile(fleet));
  return path === undefined ? [] : (await loadChecks(path, fleet)).waivers;
}

/** As it was before anybody waived anything. */
function hostCompliance(host: HostRun, earlier: readonly Compliance[], at: Date): HostCompliance {
  const { compliance } = withCompliance(host);
  const found = hostComplianceSchema.safeParse(compliance).data;
  const error = host.error && { error: host.error };
  if (found === undefined)
    return {
      host: host.name,
      state: host.status === 'unreachable' ? 'unknown' : 'error',
      checkedAt: at.toISOString(),
      ...error,
      checks: [...unreachedChecks(host.name, earlier)],
    };
  const checks = found.checks.map(check => {
    const { waiver: _, actualState: __, ...rest } = check;
    return { ...rest, state: realState(check) };
  });
  return { ...found, checks, state: worstState(checks.map(({ state }) => state)) };
}

function countsOf(hosts: readonly HostCompliance[]): Record<CheckState, number> {
  const all = hosts.flatMap(({ checks }) => checks.map(({ state }) => state));
  const count = (state: CheckState): number => all.filter(each => each === state).length;
  return {
    pass: count('pass'),
    warn: count('warn'),
    fail: count('fail'),
    error: count('error'),
    unknown: count('unknown'),
    'not-applicable': count('not-applicable'),
    waived: count('waived'),
  };
}
