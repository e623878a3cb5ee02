import type { PythonProcess } from '../../host/facts.ts';
import type { Judgement } from '../judgement.ts';
import { hidden, prepareAll, type Situation } from '../situation.ts';
import { listText } from '../units.ts';
import { type RunningModule, runningModules } from './modules-of.ts';
import { judgePackage } from './package.ts';
import { ofKind } from './requirement-of.ts';

/** Symbols of the very interpreter that runs are there, or can be had. */
export function judgeRunningSymbols(situation: Situation): Judgement {
  const { pythons, access } = situation.facts;
  const expected = 'each running interpreter has symbols of its build-id';
  if (access === 'none') return hidden(situation, expected);
  if (pythons.length === 0) return { is: 'not-applicable', expected, actual: 'no Python process runs' };
  const modules = runningModules({ pythons: pythons.map(interpreterOf) });
  const bare = modules.filter(each => each.symbols === 'none');
  const toldBy = new Map(bare.map(each => [each, tellingCheck(each, situation)]));
  const mine = bare.filter(each => toldBy.get(each) === undefined);
  if (mine.length > 0)
    return {
      is: 'deviating',
      expected,
      actual: listText(mine.map(describe)),
      fix: listText([...new Set(mine.map(each => symbolsFix(each, situation)))]),
    };
  const others = [...new Set([...toldBy.values()].filter(id => id !== undefined))];
  return {
    is: 'met',
    expected,
    actual: [metText(modules, bare.length), ...others.map(id => `more by ${id}`)].join('; '),
  };
}

/**
 * The program of a process that embeds Python is not the interpreter: its library is. What is left out comes from
 * packages whose symbols the profile asks for where they are offered.
 */
function interpreterOf(python: PythonProcess): PythonProcess {
  const isEmbedded = python.modules.some(({ role }) => role === 'libpython');
  const modules = python.modules.filter(
    ({ role, package: from }) => from === undefined || role === (isEmbedded ? 'libpython' : 'executable'),
  );
  return { ...python, modules };
}

/** The check that tells the cause already: a package of symbols that is missing, a program that was replaced. */
function tellingCheck({ path, package: from }: RunningModule, situation: Situation): string | undefined {
  const { requirements } = situation.profile;
  const missing = ofKind(requirements, 'package').find(
    each => from !== undefined && each.versionOf.includes(from) && judgePackage(each, situation).is === 'deviating',
  );
  if (missing !== undefined) return missing.id;
  const isReplaced = situation.facts.pythons.some(({ replaced }) => replaced.includes(path));
  return isReplaced ? ofKind(requirements, 'replaced-programs')[0]?.id : undefined;
}

function metText(modules: readonly RunningModule[], bare: number): string {
  const offered = modules.filter(({ symbols }) => symbols === 'offered').map(({ path }) => path);
  const foreign = modules.filter(each => each.package === undefined).map(({ path }) => path);
  return [
    `${modules.length - bare} of ${modules.length} files have them`,
    ...(offered.length > 0 ? [`to be fetched for ${listText(offered, ', ')}`] : []),
    ...(foreign.length > 0 ? [`of no package: ${listText(foreign, ', ')}`] : []),
  ].join('; ');
}

function describe({ path, buildId, package: from }: RunningModule): string {
  const id = buildId === undefined ? 'no build-id' : `build-id ${buildId}`;
  return `${path} (${id}, ${from ?? 'of no package'}) has no symbols`;
}

function symbolsFix(module: RunningModule, situation: Situation): string {
  const { path, buildId, package: from } = module;
  if (from !== undefined) {
    const [first, ...rest] = symbolPackagesOf(from).map(name => `"${name}"`);
    const names = rest.length === 0 ? `${first}` : `${first}, or ${rest.join(' or ')}`;
    return `for ${path} add ${names}, to \`packages\` of the profile, then: ${prepareAll(situation)}`;
  }
  if (buildId === undefined) return `no package brings ${path}: build it with -g and -Wl,--build-id`;
  return `no package brings ${path}: build it with -g, or put its debug file at /usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
}

/** What Debian and Ubuntu call the symbols of a package. */
function symbolPackagesOf(name: string): readonly string[] {
  const python = /^(?:lib)?(python\d\.\d+)/.exec(name)?.[1];
  return [...(python === undefined ? [] : [`${python}-dbg`]), `${name}-dbgsym`];
}
