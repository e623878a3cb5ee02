import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import type { BuildId } from '../corefile/build-id.ts';
import { readElfFile } from '../corefile/elf-file.ts';
import { HangarError } from '../errors.ts';
import { makePrivateDirectory, receivePrivateFile } from './private-files.ts';

/** ELF files of all hosts, each once: `store/modules/xx/rest` of the build-id. */
export interface ModuleStore {
  has(buildId: BuildId): boolean;
  /** Where the file lies; undefined where the store lacks it. */
  path(buildId: BuildId): string | undefined;
  /**
   * Keeps what `write` writes and ends, if that is a whole ELF file with this build-id.
   * @throws HangarError `MODULE_MISMATCH`
   */
  receive(buildId: BuildId, write: (sink: Writable) => Promise<void>): Promise<string>;
}

export function openModuleStore(state: string): ModuleStore {
  const placeOf = (buildId: BuildId): string => join(state, 'store', 'modules', buildId.slice(0, 2), buildId.slice(2));
  return {
    has: buildId => existsSync(placeOf(buildId)),
    path(buildId) {
      const path = placeOf(buildId);
      return existsSync(path) ? path : undefined;
    },
    async receive(buildId, write) {
      const path = placeOf(buildId);
      await makePrivateDirectory(dirname(path));
      await receivePrivateFile(path, write, temporary => mustBe(buildId, temporary));
      return path;
    },
  };
}

function mustBe(buildId: BuildId, path: string): void {
  const file = readElfFile(path);
  if (file?.buildId === buildId && !file.isTruncated) return;
  const found = file === undefined ? 'no ELF file' : file.isTruncated ? 'a file that is cut off' : `${file.buildId}`;
  throw new HangarError({
    code: 'MODULE_MISMATCH',
    message: `expected a file with build-id ${buildId}, found ${found}`,
    fix: 'take the core again; the file changed while it was read',
    failure: 'step',
  });
}
