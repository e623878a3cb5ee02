import { createHash } from 'node:crypto';
import type { Judgement } from '../judgement.ts';
import { prepareOnly, type Situation } from '../situation.ts';
import { judgeFile } from './judge-file.ts';
import type { RequirementOf } from './requirement-of.ts';

/** apt knows where symbols come from, once. */
export function judgeSymbolSource(requirement: RequirementOf<'symbol-source'>, situation: Situation): Judgement {
  const { id, path, text, obsolete } = requirement;
  const expected = `${path} names the symbol repositories of the profile`;
  const sha256 = createHash('sha256').update(text).digest('hex');
  const fix = prepareOnly(situation, id);
  if (isHeldBack(path, situation))
    return {
      is: 'not-applicable',
      expected,
      actual: 'held back: with a repository that does not answer, apt-get update would fail',
    };
  const file = judgeFile({ path, expected, kind: 'file', sha256, fix }, situation);
  const twice = obsolete.filter(each => situation.facts.files.get(each)?.status === 'present');
  if (file.is !== 'met' || twice.length === 0) return file;
  return { is: 'deviating', expected, actual: `they stand in ${twice.join(', ')} too`, fix };
}

/** A preparation takes a source out again that has no answer; `symbol-repository` tells that. */
function isHeldBack(path: string, { facts }: Situation): boolean {
  const isSilent = facts.repositories.some(({ role, isReachable }) => role === 'symbols' && !isReachable);
  return isSilent && facts.files.get(path)?.status === 'absent';
}
