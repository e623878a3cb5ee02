import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import type { BuildId } from '../corefile/build-id.ts';
import { readElfFile } from '../corefile/elf-file.ts';
import { HangarError } from '../errors.ts';

/** The file that runs, or a file of symbols: the separate debug file, or what several of those have in common. */
export type ModulePart = 'file' | 'debug';

/** ELF files of all hosts, each once: `store/modules/xx/rest` of the build-id, and `rest.debug` for its symbols. */
export interface ModuleStore {
  has(buildId: BuildId, part?: ModulePart): boolean;
  /** Where the file lies; undefined where the store lacks it. */
  path(buildId: BuildId, part?: ModulePart): string | undefined;
  /**
   * Keeps what `write` writes and ends, if that is a whole ELF file with this build-id.
   * @throws HangarError `MODULE_MISMATCH`
   */
  receive(buildId: BuildId, write: (sink: Writable) => Promise<void>, part?: ModulePart): Promise<string>;
}

export function openModuleStore(state: string): ModuleStore {
  const placeOf = (buildId: BuildId, part: ModulePart = 'file'): string => {
    const name = part === 'debug' ? `${buildId.slice(2)}.debug` : buildId.slice(2);
    return join(state, 'store', 'modules', buildId.slice(0, 2), name);
  };
  return {
    has: (buildId, part) => existsSync(placeOf(buildId, part)),
    path(buildId, part) {
      const path = placeOf(buildId, part);
      return existsSync(path) ? path : undefined;
    },
    async receive(buildId, write, part) {
      const path = placeOf(buildId, part);
      // Who only looks a file up needs nothing that writes.
      const { makePrivateDirectory, receivePrivateFile } = await import('../private-files.ts');
      await makePrivateDirectory(dirname(path));
      await receivePrivateFile(path, write, temporary => mustBe(buildId, temporary, part));
      return path;
    },
  };
}

function mustBe(buildId: BuildId, path: string, part: ModulePart = 'file'): void {
  const file = readElfFile(path);
  if (file?.buildId === buildId && !file.isTruncated) return;
  const found = file === undefined ? 'no ELF file' : file.isTruncated ? 'a file that is cut off' : `${file.buildId}`;
  throw new HangarError({
    code: 'MODULE_MISMATCH',
    message: `expected a file with build-id ${buildId}, found ${found}`,
    fix:
      part === 'debug'
        ? 'install the debug symbols of the version that runs, then take the core again'
        : 'take the core again; the file changed while it was read',
    failure: 'step',
  });
}
