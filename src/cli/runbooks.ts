import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { HangarError } from '../errors.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { loadRunbook } from '../runbook/load-runbook.ts';
import { suggestion } from '../runbook/names.ts';
import type { Runbook } from '../runbook/runbook.ts';
import type { Incident } from '../steps/incident.ts';
import { stepKinds } from '../steps/index.ts';
import { packagedRunbooks, runbookFolders, runbooksIn } from './runbook-folders.ts';

export interface FoundRunbook {
  readonly runbook: Runbook<Incident>;
  readonly isPackaged: boolean;
}

/** A runbook that cannot be run as it is written. */
export interface BrokenRunbook {
  readonly name: string;
  readonly path: string;
  readonly error: unknown;
}

/**
 * A runbook with the step kinds that there are; with `files`, from the texts that were kept with a run.
 * @throws HangarError as `loadRunbook`
 */
export function readRunbook(path: string, files?: Readonly<Record<string, string>>): Promise<Runbook<Incident>> {
  return loadRunbook(path, stepKinds, {
    folders: [packagedRunbooks],
    ...(files && { read: async each => files[each] }),
  });
}

/**
 * The runbook of that name: a path, else `runbooks/NAME.yaml` beside the fleet file, else the packaged one.
 * @throws HangarError `NO_SUCH_RUNBOOK`, or as `loadRunbook`
 */
export async function findRunbook(
  name: string,
  {
    fleetPath,
    cwd,
    commands,
  }: { readonly fleetPath?: string; readonly cwd: string; readonly commands: readonly string[] },
): Promise<FoundRunbook> {
  if (name.includes('/') || /\.ya?ml$/.test(name))
    return { runbook: await readRunbook(resolve(cwd, name)), isPackaged: false };
  for (const folder of runbookFolders(fleetPath)) {
    const path = join(folder, `${name}.yaml`);
    if (existsSync(path)) return { runbook: await readRunbook(path), isPackaged: folder === packagedRunbooks };
  }
  const names = runbookFolders(fleetPath).flatMap(runbooksIn);
  throw new HangarError({
    code: 'NO_SUCH_RUNBOOK',
    message: `there is no command and no runbook "${name}"${suggestion(name, [...commands, ...names])}`,
    fix: 'see which there are: runbook --help, runbook list',
    failure: 'usage',
  });
}

/** Each of them by its name, read or not: one beside the fleet file hides a packaged one of its name. */
export async function findRunbooks(fleet: Fleet | undefined): Promise<readonly (FoundRunbook | BrokenRunbook)[]> {
  const paths = new Map<string, string>();
  for (const folder of runbookFolders(fleet?.path))
    for (const name of runbooksIn(folder)) if (!paths.has(name)) paths.set(name, join(folder, `${name}.yaml`));
  return Promise.all([...paths].map(([name, path]) => readOne(name, path)));
}

async function readOne(name: string, path: string): Promise<FoundRunbook | BrokenRunbook> {
  try {
    const runbook = await readRunbook(path);
    return { runbook, isPackaged: dirname(path) === packagedRunbooks };
  } catch (error) {
    return { name, path, error };
  }
}
