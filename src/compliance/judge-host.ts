import type { Requirement } from '../fleet/host-profile.ts';
import { builtInChecks } from './built-in-checks.ts';
import { judgeRequirement } from './judge-requirement.ts';
import { type Question, toResult } from './judgement.ts';
import type { CheckResult } from './schema.ts';
import type { Situation } from './situation.ts';

/** One check for each requirement of the host's profile, in its order, then those that every host has. Pure. */
export function judgeHost(situation: Situation): readonly CheckResult[] {
  const { profile, received } = situation;
  return [
    ...profile.requirements.map(each => toResult({ ...questionOf(each) }, judgeRequirement(each, situation), received)),
    ...builtInChecks.map(({ judge, ...question }) => toResult(question, judge(situation), received)),
  ];
}

/** What is not as it should be (`fail`, `warn`), in words, one line each. */
export function deviations(results: readonly CheckResult[]): readonly string[] {
  return results
    .filter(({ state }) => state === 'fail' || state === 'warn')
    .map(({ id, actual, expected }) => `${id}: ${actual}; expected ${expected}`);
}

function questionOf({ id, severity, why }: Requirement): Question {
  return { id, severity, why, origin: 'profile' };
}
