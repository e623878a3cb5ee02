import type { Judgement } from '../judgement.ts';
import { prepareOnly, type Situation } from '../situation.ts';
import { judgeFile } from './judge-file.ts';
import type { RequirementOf } from './requirement-of.ts';

/** Nobody but root looks into the directory of cores. */
export function judgeCoreDirectory({ id, path }: RequirementOf<'core-directory'>, situation: Situation): Judgement {
  const expected = `${path} is a directory of root, mode 0700`;
  return judgeFile({ path, expected, kind: 'directory', mode: '0700', fix: prepareOnly(situation, id) }, situation);
}
