import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { HangarError, messageOf } from '../errors.ts';
import { YamlFile, type YamlPath } from '../fleet/yaml-problems.ts';
import { includeKind } from './include-kind.ts';
import { concealSecrets, loadParams } from './load-params.ts';
import { StepLoader } from './load-steps.ts';
import { isReservedRunbook, nearSuggestion } from './names.ts';
import type { Amount, Runbook, StepKinds } from './runbook.ts';
import { knownKeys, type RunbookFile, runbookSchema, type StepFile } from './schema.ts';

export interface LoadOptions {
  /** Where runbooks that are included by name are looked for, behind the folder of the file that includes them. */
  readonly folders?: readonly string[];
  /** Text of a file; undefined where there is none. Default: from disk. A run that is resumed has its own texts. */
  readonly read?: (path: string) => Promise<string | undefined>;
}

/**
 * Reads a runbook, and what it includes, and checks it whole: names, types, order, expressions.
 * @throws HangarError `NO_SUCH_RUNBOOK`, `INVALID_RUNBOOK` with every problem and its place
 */
export async function loadRunbook<Context>(
  path: string,
  kinds: StepKinds<Context>,
  options: LoadOptions = {},
): Promise<Runbook<Context>> {
  const all = new Map([...kinds, [includeKind.name, includeKind] as const]);
  return load(path, { kinds: all, folders: options.folders ?? [], read: options.read ?? readIfThere, above: [] });
}

interface Loading<Context> {
  readonly kinds: StepKinds<Context>;
  readonly folders: readonly string[];
  readonly read: (path: string) => Promise<string | undefined>;
  /** Files that include this one. */
  readonly above: readonly string[];
}

async function load<Context>(path: string, loading: Loading<Context>): Promise<Runbook<Context>> {
  const text = await loading.read(path);
  if (text === undefined) throw noSuchRunbook(path);
  const file = new YamlFile(path, text);
  concealSecrets(file);
  const value = file.check(runbookSchema, (at, key) => nearSuggestion(key, knownKeys(at)));
  const runbook = value && (await assemble(file, value, loading));
  file.failIfWrong('INVALID_RUNBOOK', 'the runbook');
  if (runbook === undefined) throw new TypeError('a runbook that has another shape has a problem');
  return runbook;
}

async function assemble<Context>(
  file: YamlFile,
  value: RunbookFile,
  loading: Loading<Context>,
): Promise<Runbook<Context>> {
  const { name, summary, steps, rescue = [], always = [] } = value;
  checkName(file, name);
  const params = loadParams(file, value.params);
  const included = await loadIncluded(file, value, loading);
  const loader = new StepLoader(file, value, { kinds: loading.kinds, params, included });
  return {
    path: file.path,
    files: Object.assign({ [file.path]: file.text }, ...[...included.values()].map(({ files }) => files)),
    name,
    summary,
    params,
    fanout: fanoutOf(file, value),
    steps: loader.graph(steps),
    rescue: loader.sequence(rescue, ['rescue'], 'failed'),
    always: loader.sequence(always, ['always'], 'ended'),
  };
}

function checkName(file: YamlFile, name: string): void {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) file.add(['name'], `"${name}" is no name: use lower case, digits, "-"`);
  else if (isReservedRunbook(name)) file.add(['name'], `"${name}" is a command of the command line`);
}

/** The runbooks that steps include, by the name that they give. */
async function loadIncluded<Context>(
  file: YamlFile,
  value: RunbookFile,
  loading: Loading<Context>,
): Promise<ReadonlyMap<string, Runbook<Context>>> {
  const found = new Map<string, Runbook<Context>>();
  for (const { step, path } of allSteps(value)) {
    const name = step.with?.['runbook'];
    if (step.uses !== includeKind.name || typeof name !== 'string' || found.has(name) || name.includes('${{')) continue;
    const at = [...path, 'with', 'runbook'];
    try {
      const target = await findIncluded(name, file.path, loading);
      if (target === undefined) file.add(at, `there is no runbook "${name}" beside this file`);
      else if ([...loading.above, file.path].some(each => resolve(each) === resolve(target)))
        file.add(at, `"${name}" includes itself`);
      else found.set(name, await load(target, { ...loading, above: [...loading.above, file.path] }));
    } catch (error) {
      file.add(at, error instanceof HangarError ? error.message : messageOf(error));
    }
  }
  return found;
}

async function findIncluded<Context>(
  name: string,
  from: string,
  { folders, read }: Loading<Context>,
): Promise<string | undefined> {
  const here = dirname(from);
  const isPath = name.includes('/') || /\.ya?ml$/.test(name);
  const candidates = isPath ? [resolve(here, name)] : [here, ...folders].map(folder => join(folder, `${name}.yaml`));
  for (const candidate of candidates) if ((await read(candidate)) !== undefined) return candidate;
  return undefined;
}

/** Every step of a file with its place, nested ones included. */
export function* allSteps(
  value: Pick<RunbookFile, 'steps' | 'rescue' | 'always'>,
): Generator<{ readonly step: StepFile; readonly path: readonly (string | number)[] }> {
  yield* stepsIn(value.steps, ['steps']);
  yield* stepsIn(value.rescue ?? [], ['rescue']);
  yield* stepsIn(value.always ?? [], ['always']);
}

function* stepsIn(
  steps: readonly StepFile[],
  above: readonly (string | number)[],
): Generator<{ readonly step: StepFile; readonly path: readonly (string | number)[] }> {
  for (const [index, step] of steps.entries()) {
    const path = [...above, index];
    yield { step, path };
    yield* stepsIn(step.rescue ?? [], [...path, 'rescue']);
    yield* stepsIn(step.always ?? [], [...path, 'always']);
  }
}

function fanoutOf<Context>(file: YamlFile, { fanout = {} }: RunbookFile): Runbook<Context>['fanout'] {
  const { concurrency = 10, serial = '100%', maxFailures, order = 'inventory' } = fanout;
  const amounts = (Array.isArray(serial) ? serial : [serial]).map(amountOf);
  for (const [index, amount] of amounts.entries()) {
    const at = ['fanout', 'serial', ...(Array.isArray(serial) ? [index] : [])];
    if (('count' in amount ? amount.count : amount.percent) === 0) file.add(at, 'a batch of no hosts never ends');
    checkShare(file, at, amount);
  }
  const limit = maxFailures === undefined ? undefined : amountOf(maxFailures);
  if (limit) checkShare(file, ['fanout', 'maxFailures'], limit);
  return {
    concurrency,
    serial: amounts,
    order,
    ...(limit && { maxFailures: limit }),
  };
}

function checkShare(file: YamlFile, at: YamlPath, amount: Amount): void {
  if ('percent' in amount && amount.percent > 100) file.add(at, 'a share is at most 100%');
}

function amountOf(amount: number | string): Amount {
  return typeof amount === 'number' ? { count: amount } : { percent: Number(amount.replace('%', '')) };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw noSuchRunbook(path, error);
  }
}

function noSuchRunbook(path: string, cause?: unknown): HangarError {
  return new HangarError({
    code: 'NO_SUCH_RUNBOOK',
    message: `the runbook "${path}" cannot be read`,
    fix: 'see which there are: runbook list',
    failure: 'usage',
    ...(cause !== undefined && { cause }),
  });
}
