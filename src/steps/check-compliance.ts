import { z } from 'zod';
import { checkHost, checkHostCommands } from '../compliance/check-host.ts';
import { type ChecksFile, findChecksFile, loadChecks } from '../compliance/checks-file.ts';
import { type CheckResult, hostComplianceSchema } from '../compliance/schema.ts';
import { worstState } from '../compliance/states.ts';
import { waive } from '../compliance/waive.ts';
import { HangarError } from '../errors.ts';
import type { HostProfile } from '../fleet/host-profile.ts';
import type { StepKind } from '../runbook/step-kind.ts';
import type { Incident } from './incident.ts';

const input = z.strictObject({
  only: z.array(z.string()).optional().describe('ids of the checks that count, as `package:gdb`; default: all'),
  checks: z
    .string()
    .optional()
    .describe('file with checks and waivers of your own; default: checks.yaml beside the fleet file'),
  counts: z
    .enum(['all', 'failures', 'beyondRepair'])
    .default('all')
    .describe(
      '`failures`: warnings are no warnings of the run; `beyondRepair`: a failure counts only where preparing the host would mend nothing',
    ),
});
const output = hostComplianceSchema.extend({
  mendable: z.array(z.string()).describe('ids of the deviations that preparing the host would mend'),
});

type Input = z.infer<typeof input>;
type Output = z.infer<typeof output>;

/** Whether a host has what its profile says; what somebody answers for is told as waived. */
export const checkComplianceStep: StepKind<Incident, Input, Output> = {
  name: 'check-compliance',
  summary: 'checks whether the host has what its profile says',
  risk: 'read',
  input,
  output,
  commands: (_asked, { host, profile }) => checkHostCommands(host, profile),
  async run(asked, incident, { signal }) {
    const { profile } = incident;
    const file = await checksFile(asked, incident);
    const own = file?.checks ?? [];
    const checked = await incident.withSession(session => checkHost(session, profile, { own, signal }), signal);
    const { host } = incident;
    const whole = {
      host: host.name,
      profile: profile.name,
      checkedAt: checked.checkedAt,
      checks: among(checked.checks, asked.only, host.name),
    };
    const [waived = { ...whole, state: 'error' as const }] = waive(
      [{ ...whole, state: worstState(whole.checks.map(({ state }) => state)) }],
      file?.waivers ?? [],
      new Date(checked.checkedAt),
    ).hosts;
    return { ...waived, mendable: mendable(waived.checks, checked.profile, asked.only) };
  },
  failure: ({ checks, mendable: repairs }, { counts }, { host }) => {
    const failed = checks.filter(({ state }) => state === 'fail' || state === 'error');
    const [first, ...others] = failed;
    if (first === undefined || (counts === 'beyondRepair' && repairs.length > 0)) return undefined;
    const more = others.length === 0 ? '' : `, and ${others.map(({ id }) => id).join(', ')}`;
    return new HangarError({
      code: 'CHECKS_FAILED',
      message: `"${host.name}": ${first.id}: ${first.actual}; expected ${first.expected}${more}`,
      fix: first.fix,
      failure: 'step',
    });
  },
  warning: ({ checks, mendable: repairs }, { counts, only = [] }) => {
    // What preparing is asked for by name and does not mend is told, even where it only warns.
    const isLeft = (id: string): boolean => only.includes(id) && !(counts === 'beyondRepair' && repairs.includes(id));
    const warned = checks.filter(({ id, state }) => state === 'warn' && (counts === 'all' || isLeft(id)));
    return warned.length > 0 ? `${warned.map(({ id }) => id).join(', ')} not as expected` : undefined;
  },
};

/** The file that is named, else the one beside the fleet file; undefined where there is none. */
async function checksFile({ checks }: Input, { fleet }: Incident): Promise<ChecksFile | undefined> {
  const path = checks ?? (fleet && (await findChecksFile(fleet)));
  return path === undefined ? undefined : loadChecks(path, fleet);
}

/** @throws HangarError `NO_SUCH_CHECK` */
function among(checks: readonly CheckResult[], only: Input['only'], host: string): CheckResult[] {
  if (only === undefined) return [...checks];
  const unknown = only.filter(id => !checks.some(check => check.id === id));
  if (unknown.length === 0) return checks.filter(({ id }) => only.includes(id));
  throw new HangarError({
    code: 'NO_SUCH_CHECK',
    message: `"${host}" has no check ${unknown.map(id => `"${id}"`).join(', ')}`,
    fix: `see which it has: runbook compliance --host ${host} --format tap`,
    failure: 'usage',
  });
}

/** What the profile asks for can be given, but a repository that is down; of what only warns that which is named. */
function mendable(checks: readonly CheckResult[], { requirements }: HostProfile, only: Input['only']): string[] {
  const mended = new Set(requirements.filter(({ kind }) => kind !== 'symbol-repository').map(({ id }) => id));
  return checks
    .filter(({ id, state }) => mended.has(id) && (state === 'fail' || (state === 'warn' && only?.includes(id))))
    .map(({ id }) => id);
}
