import type { Judgement } from '../judgement.ts';
import { hidden, onHost, type Situation } from '../situation.ts';
import { listText } from '../units.ts';
import { runningModules } from './modules-of.ts';

/** The interpreter, libpython and mod_wsgi of every Python process can still be had. */
export function judgeRunningModules(situation: Situation): Judgement {
  const { pythons, access } = situation.facts;
  const expected = 'the files of each running interpreter can be read';
  if (access === 'none') return hidden(situation, expected);
  if (pythons.length === 0) return { is: 'not-applicable', expected, actual: 'no Python process runs' };
  const lost = runningModules(situation.facts).filter(({ isReadable }) => !isReadable);
  if (lost.length === 0) return { is: 'met', expected, actual: `${runningModules(situation.facts).length} can` };
  return {
    is: 'deviating',
    expected,
    actual: listText(lost.map(({ path, pids }) => `${path} of pid ${listText(pids.map(String), ', ')} cannot be read`)),
    fix: `install what brings them (${onHost(situation, `apt-get install --reinstall ${packagesOf(lost)}`)}), and restart what runs them`,
  };
}

function packagesOf(modules: readonly { readonly package?: string }[]): string {
  const names = new Set(modules.map(each => each.package ?? 'PACKAGE'));
  return [...names].join(' ');
}
