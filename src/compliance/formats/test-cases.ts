import type { CheckResult, CheckState, HostCompliance } from '../schema.ts';
import { detailsOf, messageOf } from './details.ts';

/** A check as test reports know it. */
export interface TestCase {
  readonly name: string;
  readonly state: CheckState;
  readonly outcome: 'passed' | 'failed' | 'error' | 'skipped';
  readonly message: string;
  readonly details: readonly (readonly [name: string, text: string])[];
}

/** One case a check; a host that could not be asked, or has no check, is a case of its own: `host`. */
export function testCasesOf(host: HostCompliance): readonly TestCase[] {
  const checks = host.checks.map(caseOf);
  return host.error === undefined && checks.length > 0 ? checks : [hostCase(host), ...checks];
}

function hostCase({ state, error }: HostCompliance): TestCase {
  if (error === undefined) {
    return { name: 'host', state, outcome: outcomeOf(state), message: `${state}: there is no check`, details: [] };
  }
  const failed = state === 'unknown' ? state : 'error';
  const details = [
    ['code', error.code],
    ['actual', error.message],
    ['fix', error.fix],
  ] as const;
  return { name: 'host', state: failed, outcome: 'error', message: `${failed}: ${error.message}`, details };
}

function caseOf(check: CheckResult): TestCase {
  const { id, state } = check;
  return { name: id, state, outcome: outcomeOf(state), message: messageOf(check), details: detailsOf(check) };
}

/** A warning is a deviation too: test reports know no milder word that people would see. */
function outcomeOf(state: CheckState): TestCase['outcome'] {
  switch (state) {
    case 'pass':
      return 'passed';
    case 'warn':
    case 'fail':
      return 'failed';
    case 'error':
    case 'unknown':
      return 'error';
    case 'not-applicable':
    case 'waived':
      return 'skipped';
    default:
      return state satisfies never;
  }
}
