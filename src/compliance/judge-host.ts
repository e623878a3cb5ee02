import type { HangarError } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
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

/** What is known of a host that could not be asked: nothing, of each check that it would have. */
export function unreachable(
  host: Host,
  error: HangarError,
  { requirements = [], ownChecks = [] }: KnownChecks = {},
): readonly CheckResult[] {
  const questions = [...requirements.map(questionOf), ...builtInChecks, ...ownChecks];
  return questions.map(({ id, severity, why, origin }) => ({
    id,
    state: 'unknown',
    severity,
    expected: `an answer from ${host.name}`,
    actual: `not reached: ${error.message}`,
    why,
    fix: error.fix,
    origin,
  }));
}

export interface KnownChecks {
  /** As they were when the host was last reached, or as its profile says without its facts. */
  readonly requirements?: readonly Requirement[];
  readonly ownChecks?: readonly Question[];
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
