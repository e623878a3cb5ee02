import {
  type CheckResult,
  type CheckState,
  type Compliance,
  type HostCompliance,
} from '../../../src/compliance/schema.ts';

export function checkOf(id: string, state: CheckState, rest: Partial<CheckResult> = {}): CheckResult {
  return {
    id,
    state,
    severity: state === 'warn' ? 'warning' : 'error',
    expected: `${id} as the profile says`,
    actual: `${id} as found`,
    why: `without ${id} no frame is named`,
    fix: state === 'pass' ? '' : `runbook prepare --host web3 --only ${id}`,
    origin: 'profile',
    ...rest,
  };
}

/** As `web3: { 'package:gdb': 'pass' }`; the host's state is the worst of them. */
export function hostOf(
  host: string,
  checks: Readonly<Record<string, CheckState | CheckResult>>,
  rest: Partial<HostCompliance> = {},
): HostCompliance {
  const results = Object.entries(checks).map(([id, each]) => (typeof each === 'string' ? checkOf(id, each) : each));
  const worst = (['unknown', 'error', 'fail', 'warn', 'waived', 'pass'] as const).find(state =>
    results.some(check => check.state === state),
  );
  return { host, state: worst ?? 'not-applicable', checkedAt: '2026-07-30T06:00:01Z', checks: results, ...rest };
}

export function complianceOf(at: string, hosts: readonly HostCompliance[], rest: Partial<Compliance> = {}): Compliance {
  const found = hosts.flatMap(({ checks }) => checks.map(({ state }) => state));
  const count = (state: CheckState) => found.filter(each => each === state).length;
  return {
    schema: 'hangar.compliance/1',
    at,
    exitCode: 0,
    counts: {
      pass: count('pass'),
      warn: count('warn'),
      fail: count('fail'),
      error: count('error'),
      unknown: count('unknown'),
      'not-applicable': count('not-applicable'),
      waived: count('waived'),
    } satisfies Record<CheckState, number>,
    hosts: [...hosts],
    waivers: [],
    ...rest,
  };
}
