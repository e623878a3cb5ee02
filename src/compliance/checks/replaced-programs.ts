import type { PythonProcess } from '../../host/facts.ts';
import type { Judgement } from '../judgement.ts';
import { hidden, onHost, prepareOnly, type Situation } from '../situation.ts';
import { listText, saidText } from '../units.ts';
import type { RequirementOf } from './requirement-of.ts';

/** What runs is what lies on disk. */
export function judgeReplacedPrograms(
  requirement: RequirementOf<'replaced-programs'>,
  situation: Situation,
): Judgement {
  const { pythons, access } = situation.facts;
  const expected = 'Python processes run the files that are on disk';
  const affected = pythons.filter(({ replaced }) => replaced.length > 0);
  if (affected.length > 0) {
    const actual = listText(affected.map(describe));
    return { is: 'deviating', expected, actual, fix: restartFix(requirement, situation, affected) };
  }
  if (access === 'none') return hidden(situation, expected);
  if (pythons.length === 0) return { is: 'not-applicable', expected, actual: 'no Python process runs' };
  return { is: 'met', expected, actual: pythons.length === 1 ? '1 process does' : `${pythons.length} processes do` };
}

function describe({ pid, command, replaced }: PythonProcess): string {
  return `pid ${pid} (${saidText(command, 40)}) runs files that were replaced: ${listText(replaced, ', ')}`;
}

function restartFix(
  { id, restart, services }: RequirementOf<'replaced-programs'>,
  situation: Situation,
  affected: readonly PythonProcess[],
): string {
  const toRestart = [...new Set(affected.flatMap(process => process.services))];
  const isMended = affected.every(process => process.services.some(name => services.includes(name)));
  if (restart && isMended) return prepareOnly(situation, id);
  const commands = toRestart.map(name => restartCommand(situation, name));
  const others = affected.filter(process => process.services.length === 0).map(({ pid }) => `pid ${pid}`);
  return [
    ...(commands.length > 0 ? [onHost(situation, commands.join(' && '))] : []),
    ...(others.length > 0 ? [`restart what started ${others.join(', ')}`] : []),
  ].join('; ');
}

function restartCommand({ host }: Situation, name: string): string {
  return host.services.find(each => each.name === name)?.restart ?? `service ${name} restart`;
}
