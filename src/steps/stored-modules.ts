import { openModuleStore } from '../case/module-store.ts';
import type { BuildId } from '../corefile/build-id.ts';
import type { FileIndex, IndexedFile } from '../corefile/index-files.ts';
import type { Module } from '../corefile/module.ts';

/** Where the fleet's module store has the files of these modules. */
export function storedModules(state: string, modules: readonly Module[]): FileIndex {
  const store = openModuleStore(state);
  const index = new Map<BuildId, IndexedFile>();
  for (const { buildId } of modules) {
    const path = buildId === undefined ? undefined : store.path(buildId);
    if (buildId !== undefined && path !== undefined) index.set(buildId, { path });
  }
  return index;
}
