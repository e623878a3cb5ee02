import { openModuleStore } from '../case/module-store.ts';
import type { BuildId } from '../corefile/build-id.ts';
import { readAlternateLink } from '../corefile/debug-links.ts';
import type { FileIndex, IndexedFile } from '../corefile/index-files.ts';
import type { Module } from '../corefile/module.ts';

/** Where the fleet's module store has the files of these modules, their debug files, and what those are in need of. */
export function storedModules(state: string, modules: readonly Module[]): FileIndex {
  const store = openModuleStore(state);
  const index = new Map<BuildId, IndexedFile>();
  for (const { buildId } of modules) {
    if (buildId === undefined) continue;
    const [path, debugPath] = [store.path(buildId), store.path(buildId, 'debug')];
    if (path !== undefined || debugPath !== undefined)
      index.set(buildId, { ...(path !== undefined && { path }), ...(debugPath !== undefined && { debugPath }) });
    const alternate = debugPath === undefined ? undefined : readAlternateLink(debugPath)?.buildId;
    const alternatePath = alternate && store.path(alternate, 'debug');
    if (alternate !== undefined && alternatePath !== undefined) index.set(alternate, { debugPath: alternatePath });
  }
  return index;
}
