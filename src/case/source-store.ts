import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivateDirectory, writePrivateFile } from '../private-files.ts';

/** Source files of all hosts by content: `store/sources/SHA256`. */
export interface SourceStore {
  has(sha256: string): boolean;
  /** Resolves with the content's SHA-256 in hex. */
  put(content: Uint8Array): Promise<string>;
  get(sha256: string): Buffer | undefined;
}

export function openSourceStore(state: string): SourceStore {
  const directory = join(state, 'store', 'sources');
  const placeOf = (sha256: string): string => join(directory, sha256);
  return {
    has: sha256 => existsSync(placeOf(sha256)),
    async put(content) {
      const sha256 = createHash('sha256').update(content).digest('hex');
      if (existsSync(placeOf(sha256))) return sha256;
      await makePrivateDirectory(directory);
      await writePrivateFile(placeOf(sha256), content);
      return sha256;
    },
    get: sha256 =>
      /^[0-9a-f]{64}$/.test(sha256) && existsSync(placeOf(sha256)) ? readFileSync(placeOf(sha256)) : undefined,
  };
}
