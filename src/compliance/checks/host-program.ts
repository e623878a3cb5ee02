import { createHash } from 'node:crypto';
import { commandsPath, commandsText, programPath, programSha256 } from '../../host/program.ts';
import type { Judgement } from '../judgement.ts';
import { prepareOnly, type Situation } from '../situation.ts';
import { judgeFile } from './judge-file.ts';
import type { RequirementOf } from './requirement-of.ts';

/** The host has this very program, and the list of what it may run; nobody but root may change them. */
export function judgeHostProgram({ id, commands }: RequirementOf<'host-program'>, situation: Situation): Judgement {
  const program = judgeFile(
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
  if (program.is !== 'met') return program;
  const list = judgeFile(
    {
      path: commandsPath,
      expected: `${commandsPath} names the checks and restarts of the fleet file`,
      kind: 'file',
      mode: '0644',
      sha256: createHash('sha256').update(commandsText(commands)).digest('hex'),
      isFixed: true,
      fix: prepareOnly(situation, id),
    },
    situation,
  );
  return list.is === 'met' ? program : list;
}
