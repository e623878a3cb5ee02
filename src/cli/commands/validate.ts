import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { isMap, parseDocument } from 'yaml';
import { findChecksFile, loadChecks } from '../../compliance/checks-file.ts';
import { HangarError } from '../../errors.ts';
import type { Fleet } from '../../fleet/fleet.ts';
import { loadFleet } from '../../fleet/load-fleet.ts';
import { stackOf } from '../../fleet/pulumi-fleet.ts';
import { openFleet } from '../fleet.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { findRunbooks, readRunbook } from '../runbooks.ts';

export const validateCommand: CommandSpec = {
  declare: command => command.argument('[file...]', 'default: the fleet file, checks.yaml beside it and every runbook'),
  async run(command, options, io) {
    const [given = []] = command.processedArgs;
    const named = Array.isArray(given) ? given.map(file => resolve(io.cwd, String(file))) : [];
    const checked = named.length > 0 ? await checkAll(named, fleetOf) : await checkFound();
    if (options.format === 'json') printJson({ schema: 'hangar.validation/1', valid: checked }, options, io);
    else printResult(checked.map(({ path, what }) => `${path}: valid ${what}`).join('\n'), options, io);
    return 0;

    function fleetOf(): Promise<Fleet | undefined> {
      return openFleet(options, io);
    }

    async function checkFound(): Promise<readonly Checked[]> {
      const fleet = await fleetOf();
      const runbooks = await findRunbooks(fleet);
      const checks = fleet && (await findChecksFile(fleet));
      const paths = runbooks.map(found => ('error' in found ? found.path : found.runbook.path));
      const inventory = fleet && stackOf(fleet.path) === undefined ? fleet.path : undefined;
      const files = [inventory, checks].filter(path => path !== undefined);
      return checkAll([...files, ...paths], async () => fleet);
    }
  },
};

interface Checked {
  readonly path: string;
  readonly what: string;
}

/** The problems of all files together. */
async function checkAll(
  paths: readonly string[],
  fleetOf: () => Promise<Fleet | undefined>,
): Promise<readonly Checked[]> {
  const results = await Promise.allSettled(paths.map(path => check(path, fleetOf)));
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
async function check(path: string, fleetOf: () => Promise<Fleet | undefined>): Promise<Checked> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new HangarError({
      code: 'NO_SUCH_FILE',
      message: `the file "${path}" cannot be read`,
      fix: 'name a fleet file, a checks file or a runbook',
      failure: 'usage',
      cause,
    });
  });
  const document = parseDocument(text);
  const keys = isMap(document.contents) ? document : undefined;
  if (keys?.has('steps') !== true && (keys?.has('checks') === true || keys?.has('waivers') === true)) {
    await loadChecks(path, await fleetOf());
    return { path, what: 'checks file' };
  }
  const isFleet = keys?.has('hosts') === true || (keys?.has('steps') !== true && basename(path).startsWith('fleet'));
  if (!isFleet) {
    await readRunbook(path);
    return { path, what: 'runbook' };
  }
  await loadFleet(path);
  return { path, what: 'fleet file' };
}
