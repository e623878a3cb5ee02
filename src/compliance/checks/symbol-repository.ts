import type { Judgement } from '../judgement.ts';
import { onHost, type Situation, untold } from '../situation.ts';
import { listText, saidText } from '../units.ts';
import { judgePackage } from './package.ts';
import { ofKind, type RequirementOf } from './requirement-of.ts';

/** Symbols can be fetched now. */
export function judgeSymbolRepository(
  { url, suites }: RequirementOf<'symbol-repository'>,
  situation: Situation,
): Judgement {
  const expected = `${url} answers for ${suites.join(', ')}`;
  const asked = situation.facts.repositories.filter(
    each => each.role === 'symbols' && each.url === url && suites.includes(each.suite),
  );
  if (asked.length === 0) return untold(situation, expected, url);
  const silent = asked.filter(({ isReachable }) => !isReachable);
  if (silent.length === 0) return { is: 'met', expected, actual: 'it answers' };
  const said = silent.map(each => `${each.suite}: ${saidText(each.said)}`);
  const missing = missingSymbols(situation);
  return {
    is: 'deviating',
    severity: missing.length > 0 ? 'error' : 'warning',
    expected,
    actual: `no answer for ${listText(said)}${missing.length > 0 ? `; needed for ${listText(missing, ', ')}` : ''}`,
    fix: `see that ${url} is up and that the host may reach it: ${onHost(situation, 'apt-get update')}`,
  };
}

/** Symbols that are wanted, that the host does not have, and that no other source offers. */
function missingSymbols(situation: Situation): readonly string[] {
  const packages = ofKind(situation.profile.requirements, 'package')
    .filter(each => /-dbg(sym)?$/.test(each.name) && judgePackage(each, situation).is === 'deviating')
    .map(({ name }) => name)
    .filter(name => situation.facts.packages.get(name)?.offered === null);
  const offered = situation.facts.pythons
    .flatMap(({ modules }) => modules)
    .filter(({ symbols }) => symbols === 'offered')
    .map(({ path }) => path);
  return [...new Set([...packages, ...offered])];
}
