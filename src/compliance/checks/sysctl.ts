import { profilePaths } from '../../fleet/host-profile.ts';
import type { Judgement } from '../judgement.ts';
import { onHost, prepareOnly, type Situation, untold } from '../situation.ts';
import type { RequirementOf } from './requirement-of.ts';

/** A kernel setting has the value that is wanted, and keeps it beyond the next boot. */
export function judgeSysctl(requirement: RequirementOf<'sysctl'>, situation: Situation): Judgement {
  const { id, name, value, orLess } = requirement;
  const { sysctls } = situation.facts;
  const expected = `${name} = ${value}${orLess ? ' or less' : ''}`;
  if (!sysctls.has(name)) return untold(situation, expected, name);
  const found = sysctls.get(name);
  if (found === undefined) return judgeMissing(requirement, situation, expected);
  const isMet = orLess ? Number(found) <= Number(value) : words(found) === words(value);
  const actual = `${name} = ${words(found)}`;
  const fix = prepareOnly(situation, id);
  if (!isMet) return { is: 'deviating', expected, actual, fix };
  if (!orLess && words(situation.facts.keptSysctls.get(name) ?? '') !== words(value))
    return { is: 'deviating', expected, actual: `${actual}, but ${profilePaths.sysctls} does not keep it`, fix };
  return { is: 'met', expected, actual };
}

/** A limit that the kernel does not have is none. */
function judgeMissing({ name, orLess }: RequirementOf<'sysctl'>, situation: Situation, expected: string): Judgement {
  const actual = `this kernel has no ${name}`;
  if (orLess) return { is: 'not-applicable', expected, actual };
  return {
    is: 'deviating',
    expected,
    actual,
    fix: `take it out of the profile's sysctls, or load the kernel module that brings it (${onHost(situation, 'modprobe NAME')})`,
  };
}

/** sysctl(8) writes several values with tabs between. */
function words(text: string): string {
  return text.trim().split(/\s+/).join(' ');
}
