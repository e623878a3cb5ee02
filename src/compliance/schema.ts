import { z } from 'zod';

/** `hangar.compliance/1` (contract). Readers accept fields that they do not know. */

export const states = ['pass', 'warn', 'fail', 'error', 'unknown', 'not-applicable', 'waived'] as const;

export const checkSchema = z.looseObject({
  id: z.string().describe('as `package:gdb`; what `runbook prepare --only` takes'),
  state: z
    .enum(states)
    .describe(
      'error: it could not be judged; unknown: the host was not reached; waived: see `waiver` and `actualState`',
    ),
  severity: z.enum(['error', 'warning']).describe('a deviation of severity `warning` is `warn`, else `fail`'),
  expected: z.string(),
  actual: z.string(),
  why: z.string().describe('what goes wrong without it'),
  fix: z.string().describe('what to do, with the command to type; empty where nothing is wrong'),
  lastKnownAt: z.string().optional().describe('ISO 8601 UTC: when its state was last known'),
  lastKnownState: z.enum(states).optional().describe('of a check that is unknown now'),
  actualState: z.enum(states).optional().describe('of a check that is waived'),
  waiver: z
    .looseObject({ reason: z.string(), owner: z.string(), expires: z.string().describe('ISO 8601 with offset') })
    .optional(),
  origin: z.enum(['profile', 'built-in', 'own']).describe('from the profile, for every host, or from a checks file'),
});
export type CheckResult = z.infer<typeof checkSchema>;
export type CheckState = CheckResult['state'];

export const hostComplianceSchema = z.looseObject({
  host: z.string(),
  state: z.enum(states).describe('the worst of its checks'),
  profile: z.string().optional(),
  checkedAt: z.string().describe('ISO 8601 UTC'),
  error: z.looseObject({ code: z.string(), message: z.string(), fix: z.string() }).optional(),
  checks: z.array(checkSchema),
});
export type HostCompliance = z.infer<typeof hostComplianceSchema>;

const change = z.looseObject({
  host: z.string(),
  check: z.string(),
  from: z.string().describe('state that was last known before; `absent`: there was no such check'),
  to: z.string(),
  since: z
    .string()
    .optional()
    .describe('ISO 8601 UTC: when `from` was known, where that is not the run of `since` above'),
});
export const diffSchema = z.looseObject({
  since: z.string().describe('ISO 8601 UTC of the run that is compared with'),
  newlyFailing: z.array(change),
  fixed: z.array(change),
  flapping: z.array(change.extend({ changes: z.int().describe('of state in the last runs') })),
  newlyWaived: z.array(change),
  hostsGone: z.array(z.string()),
  hostsNew: z.array(z.string()),
  notRun: z.array(z.looseObject({ host: z.string(), check: z.string() })),
});
export type ComplianceDiff = z.infer<typeof diffSchema>;

export const complianceSchema = z.looseObject({
  schema: z.literal('hangar.compliance/1'),
  at: z.string().describe('ISO 8601 UTC'),
  run: z.string().optional(),
  exitCode: z.int(),
  counts: z.record(z.enum(states), z.int()),
  hosts: z.array(hostComplianceSchema),
  waivers: z
    .array(z.looseObject({ check: z.string(), host: z.string(), problem: z.string(), state: z.enum(['warn', 'fail']) }))
    .describe('waivers that are unused, expired, or soon will be'),
  lastSuccess: z
    .string()
    .optional()
    .describe('ISO 8601 UTC of the last run in which every host was asked, whatever it found'),
  diff: diffSchema.optional(),
});
export type Compliance = z.infer<typeof complianceSchema>;

/** JSON Schema of a compliance result (draft 2020-12). */
export function complianceJsonSchema(): unknown {
  return z.toJSONSchema(complianceSchema);
}
