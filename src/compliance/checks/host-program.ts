import { programPath, programSha256 } from '../../host/program.ts';
import type { Judgement } from '../judgement.ts';
import { prepareOnly, type Situation } from '../situation.ts';
import { judgeFile } from './judge-file.ts';
import type { RequirementOf } from './requirement-of.ts';

/** The host has this very program, and nobody but root may change it. */
export function judgeHostProgram({ id }: RequirementOf<'host-program'>, situation: Situation): Judgement {
  return judgeFile(
    {
      path: programPath,
      expected: `${programPath} is this version's, of root, mode 0755`,
      kind: 'file',
      mode: '0755',
      sha256: programSha256(),
      isFixed: true,
      fix: prepareOnly(situation, id),
    },
    situation,
  );
}
