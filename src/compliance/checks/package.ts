import type { PackageFact } from '../../host/facts.ts';
import type { Judgement } from '../judgement.ts';
import { prepareOnly, type Situation, untold } from '../situation.ts';
import type { RequirementOf } from './requirement-of.ts';

/** A package is wholly installed, in the version of the program that it belongs to. */
export function judgePackage(requirement: RequirementOf<'package'>, situation: Situation): Judgement {
  const { id, name, ifOffered } = requirement;
  const version = wantedVersion(requirement, situation);
  const expected = version === undefined ? `${name} is installed` : `${name} ${version.text} is installed`;
  const fact = situation.facts.packages.get(name);
  if (fact === undefined) return untold(situation, expected, name);
  const deviating = (actual: string, fix = prepareOnly(situation, id)): Judgement => ({
    is: 'deviating',
    expected,
    actual,
    fix,
  });
  switch (fact.status) {
    case 'absent':
      if (ifOffered && fact.offered === null)
        return { is: 'not-applicable', expected, actual: `no apt source of the host offers ${name}` };
      if (ifOffered && fact.offered === undefined)
        return {
          is: 'unseen',
          expected,
          actual: `nobody knows whether an apt source offers ${name}: the host never fetched their lists`,
          fix: prepareOnly(situation, id),
        };
      return deviating(`${name} is not installed`, installFix(requirement, situation, fact, version?.text));
    case 'half':
      return deviating(`${name} is not wholly installed`);
    case 'installed':
      if (version !== undefined && fact.version !== version.text)
        return deviating(`${name} is ${fact.version ?? 'of no version'}, but ${version.of} is ${version.text}`);
      return { is: 'met', expected, actual: `${name} ${fact.version ?? ''}`.trim() };
    default:
      return fact.status satisfies never;
  }
}

function wantedVersion(
  { versionOf }: RequirementOf<'package'>,
  { facts }: Situation,
): { readonly of: string; readonly text: string } | undefined {
  for (const of of versionOf) {
    const fact = facts.packages.get(of);
    if (fact?.status === 'installed' && fact.version !== undefined) return { of, text: fact.version };
  }
  return undefined;
}

function installFix(
  { id, name }: RequirementOf<'package'>,
  situation: Situation,
  { offered }: PackageFact,
  version: string | undefined,
): string {
  const prepare = prepareOnly(situation, id);
  if (offered === null) return `no apt source of the host offers ${name}: add one that does, then: ${prepare}`;
  if (version === undefined || offered === undefined || offered === version || situation.profile.allowUpgrades)
    return prepare;
  return `the host's apt sources offer ${name} ${offered} only: set \`allowUpgrades: true\` in the profile, then: ${prepare}`;
}
