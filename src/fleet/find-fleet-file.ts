import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** `fleet.yaml` in `from` or the nearest directory above it; undefined where there is none. */
export function findFleetFile(from: string): string | undefined {
  for (let directory = resolve(from); ; directory = dirname(directory)) {
    const path = join(directory, 'fleet.yaml');
    if (existsSync(path)) return path;
    if (dirname(directory) === directory) return undefined;
  }
}
