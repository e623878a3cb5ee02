import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the runbooks of this package lie. */
export const packagedRunbooks = fileURLToPath(new URL('../../runbooks', import.meta.url));

/** Where runbooks are looked for by name: beside the fleet file, then in this package. */
export function runbookFolders(fleetPath: string | undefined): readonly string[] {
  return fleetPath === undefined
    ? [packagedRunbooks]
    : [join(dirname(resolve(fleetPath)), 'runbooks'), packagedRunbooks];
}

/** Names of the runbooks in a folder, which may not be there. */
export function runbooksIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap(name => (name.endsWith('.yaml') ? [name.slice(0, -'.yaml'.length)] : []));
}
