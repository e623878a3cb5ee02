import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/** A file that the fleet file names: relative ones lie beside it, `~/` is the home directory. */
export function besideFleet(file: string, fleetPath: string): string {
  if (file.startsWith('~/')) return join(homedir(), file.slice(2));
  return isAbsolute(file) ? file : join(dirname(fleetPath), file);
}
