import type { CheckResult } from '../schema.ts';

/** What is to be told of a check: name and text; nothing empty. */
export function detailsOf(check: CheckResult): readonly (readonly [name: string, text: string])[] {
  const details = [
    ['waived', check.state === 'waived' ? waiverOf(check) : ''],
    ['last known', check.state === 'unknown' ? lastKnownOf(check) : ''],
    ['expected', check.expected],
    ['actual', check.actual],
    ['why', check.why],
    ['fix', check.fix],
  ] as const;
  return details.filter(([, text]) => text !== '');
}

/** As `really fail, by ops until 2026-09-01T00:00:00+02:00: the new kernel comes in August`. */
export function waiverOf({ actualState, waiver }: CheckResult): string {
  const state = `really ${actualState ?? 'unknown'}`;
  return waiver === undefined ? state : `${state}, by ${waiver.owner} until ${waiver.expires}: ${waiver.reason}`;
}

/** As `pass at 2026-07-29T06:00:00Z`; `never`. */
export function lastKnownOf({ lastKnownState, lastKnownAt }: CheckResult): string {
  if (lastKnownState === undefined) return 'never';
  return lastKnownAt === undefined ? lastKnownState : `${lastKnownState} at ${lastKnownAt}`;
}

/** What a check found, in one sentence. */
export function messageOf(check: CheckResult): string {
  switch (check.state) {
    case 'pass':
      return check.actual;
    case 'warn':
    case 'fail':
      return `expected ${check.expected}, found ${check.actual}`;
    case 'error':
      return `could not be judged: ${check.actual}`;
    case 'unknown':
      return `unknown: ${check.actual}; last known: ${lastKnownOf(check)}`;
    case 'not-applicable':
      return `not applicable: ${check.actual}`;
    case 'waived':
      return `waived: ${waiverOf(check)}`;
    default:
      return check.state satisfies never;
  }
}
