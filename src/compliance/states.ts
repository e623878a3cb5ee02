import type { CheckState, Compliance, HostCompliance } from './schema.ts';

/** From the worst to the best. */
const order: Readonly<Record<CheckState, number>> = {
  fail: 0,
  error: 1,
  unknown: 2,
  warn: 3,
  waived: 4,
  pass: 5,
  'not-applicable': 6,
};

/** The worst of them; of none: there was nothing to check. */
export function worstState(states: readonly CheckState[]): CheckState {
  return states.reduce<CheckState>((worst, state) => (order[state] < order[worst] ? state : worst), 'not-applicable');
}

/** The exit code of a compliance run (contract): the first of 3, 5, 4 that occurred, else 0. */
export function exitCodeOf(
  hosts: readonly Pick<HostCompliance, 'state' | 'checks'>[],
  waiverProblems: Compliance['waivers'] = [],
): 0 | 3 | 4 | 5 {
  const states = new Set<CheckState>([
    ...hosts.flatMap(({ state, checks }) => [state, ...checks.map(check => check.state)]),
    ...waiverProblems.map(({ state }) => state),
  ]);
  if (states.has('fail') || states.has('error')) return 3;
  if (states.has('unknown')) return 5;
  return states.has('warn') ? 4 : 0;
}
