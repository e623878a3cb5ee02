import type { CheckResult, CheckState, HostCompliance } from './schema.ts';

/** The state that a check really has, whether it is waived or not. */
export function realState(check: CheckResult): CheckState {
  return check.state === 'waived' ? (check.actualState ?? 'waived') : check.state;
}

/** False where the host was not reached, so that nobody knows. */
export function isKnown(check: CheckResult): boolean {
  return realState(check) !== 'unknown';
}

/** Whether the host was reached for everything that it was to be asked. */
export function wasAsked(host: HostCompliance): boolean {
  return host.state !== 'unknown' && host.checks.every(isKnown);
}
