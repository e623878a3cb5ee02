import type { Judgement } from '../judgement.ts';
import { hidden, prepareOnly, type Situation } from '../situation.ts';
import { bytesText, durationText, listText } from '../units.ts';
import type { RequirementOf } from './requirement-of.ts';

/** No core lies about that nobody fetched for long. */
export function judgeLeftOverCores(requirement: RequirementOf<'left-over-cores'>, situation: Situation): Judgement {
  const { id, path, keepSeconds } = requirement;
  const { cores, access } = situation.facts;
  const expected = `no core in ${path} is older than ${durationText(keepSeconds)}`;
  if (access === 'none') return hidden(situation, expected);
  const old = cores.filter(({ ageSeconds }) => ageSeconds > keepSeconds);
  if (old.length === 0)
    return { is: 'met', expected, actual: cores.length === 0 ? 'none lies there' : 'none is older' };
  const listed = old.map(
    ({ directory, bytes, ageSeconds }) => `${directory}: ${bytesText(bytes)}, ${durationText(ageSeconds)} old`,
  );
  return { is: 'deviating', expected, actual: listText(listed), fix: prepareOnly(situation, id) };
}
