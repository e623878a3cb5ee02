import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { isMap, parseDocument } from 'yaml';
import { HangarError } from '../../errors.ts';
import { loadFleet } from '../../fleet/load-fleet.ts';
import { openFleet } from '../fleet.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { findRunbooks, readRunbook } from '../runbooks.ts';

export const validateCommand: CommandSpec = {
  declare: command => command.argument('[file...]', 'default: the fleet file and every runbook'),
  async run(command, options, io) {
    const [files = []] = command.processedArgs;
    const checked =
      Array.isArray(files) && files.length > 0
        ? await checkAll(files.map(file => resolve(io.cwd, String(file))))
        : await checkFound();
    if (options.format === 'json') printJson({ schema: 'hangar.validation/1', valid: checked }, options, io);
    else printResult(checked.map(({ path, what }) => `${path}: valid ${what}`).join('\n'), options, io);
    return 0;

    async function checkFound(): Promise<readonly Checked[]> {
      const fleet = await openFleet(options, io);
      const runbooks = await findRunbooks(fleet);
      const paths = runbooks.map(found => ('error' in found ? found.path : found.runbook.path));
      return checkAll([...(fleet === undefined ? [] : [fleet.path]), ...paths]);
    }
  },
};

interface Checked {
  readonly path: string;
  readonly what: string;
}

/** The problems of all files together. */
async function checkAll(paths: readonly string[]): Promise<readonly Checked[]> {
  const results = await Promise.allSettled(paths.map(check));
  const failures = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []));
  const [first] = failures;
  if (failures.length > 1)
    throw new HangarError({
      code: 'INVALID_FILES',
      message: failures.map(failure => (failure instanceof Error ? failure.message : String(failure))).join('\n'),
      fix: 'mend them, then run this again',
      failure: 'usage',
    });
  if (first !== undefined) throw first;
  return results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
}

/** Which kind of file it is, its keys say, or where it lies. */
async function check(path: string): Promise<Checked> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new HangarError({
      code: 'NO_SUCH_FILE',
      message: `the file "${path}" cannot be read`,
      fix: 'name a fleet file or a runbook',
      failure: 'usage',
      cause,
    });
  });
  const document = parseDocument(text);
  const keys = isMap(document.contents) ? document : undefined;
  const isFleet = keys?.has('hosts') === true || (keys?.has('steps') !== true && basename(path).startsWith('fleet'));
  if (!isFleet) {
    await readRunbook(path);
    return { path, what: 'runbook' };
  }
  await loadFleet(path);
  return { path, what: 'fleet file' };
}
