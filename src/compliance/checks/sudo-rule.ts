import { createHash } from 'node:crypto';
import { sudoRule } from '../../host/sudo-rule.ts';
import type { Judgement } from '../judgement.ts';
import { accessFix, hidden, onHost, prepareOnly, refusalText, type Situation } from '../situation.ts';
import { saidText } from '../units.ts';
import { judgeHostProgram } from './host-program.ts';
import { judgeFile } from './judge-file.ts';
import { ofKind, type RequirementOf } from './requirement-of.ts';

/** The rule stands there as we write it, sudoers is valid with it, and it works. */
export function judgeSudoRule(requirement: RequirementOf<'sudo-rule'>, situation: Situation): Judgement {
  const { id, path, user } = requirement;
  const { facts } = situation;
  const expected = `"${user}" may run the host program as root, by ${path}`;
  const deviating = (actual: string, fix: string): Judgement => ({ is: 'deviating', expected, actual, fix });
  // A program that is not there, or is another, cannot be run by any rule.
  const isProgramRight = ofKind(situation.profile.requirements, 'host-program').every(
    each => judgeHostProgram(each, situation).is === 'met',
  );
  if (facts.access === 'none')
    return isProgramRight ? deviating(refusalText(situation), accessFix(situation)) : hidden(situation, expected);
  const sha256 = createHash('sha256').update(sudoRule(user)).digest('hex');
  const file = judgeFile(
    { path, expected, kind: 'file', mode: '0440', sha256, isFixed: true, fix: prepareOnly(situation, id) },
    situation,
  );
  if (file.is !== 'met') return file;
  if (facts.sudoers?.isValid === false)
    return deviating(
      `sudoers is not valid: ${saidText(facts.sudoers.said)}`,
      onHost(situation, 'visudo -c, then visudo'),
    );
  if (facts.access === 'root' && isProgramRight)
    return deviating(
      `${path} is right, but sudo does not follow it: "${user}" became root in another way`,
      onHost(situation, `sudo -l -U ${user}  # a later rule counts; does /etc/sudoers include /etc/sudoers.d?`),
    );
  return file;
}
