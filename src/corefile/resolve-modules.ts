import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { BuildId } from './build-id.ts';
import { readAlternateLink } from './debug-links.ts';
import { type ReadElfFile, readElfFile } from './elf-file.ts';
import type { FileIndex } from './index-files.ts';
import type { Module, ModuleFile } from './module.ts';

export interface ResolveOptions {
  /** Whether files of this machine are asked as well, at the module's own paths; their build-id must match, too. */
  readonly localPaths: boolean;
  /** Where the indexed files came from, for the account of a module that was not found. */
  readonly searched?: readonly string[];
  /** Debug directories of this machine, asked with `localPaths`; default /usr/lib/debug. */
  readonly localDebugDirs?: readonly string[];
  /** Default: each question reads the file again. */
  readonly readFile?: ReadElfFile;
}

/** The same modules, each with the file that has its build-id, or why there is none. A file is never taken by name alone. */
export function resolveModules(
  modules: readonly Module[],
  index: FileIndex,
  options: ResolveOptions,
): readonly Module[] {
  return modules.map(module => ({ ...module, file: resolveFile(module, index, options) }));
}

function resolveFile(module: Module, index: FileIndex, options: ResolveOptions): ModuleFile {
  const { buildId } = module;
  const local = options.localPaths ? localPaths(module) : [];
  const searched = [...(options.searched ?? []), ...local];
  // Without a build-id nothing proves that a file is the one that ran.
  if (buildId === undefined) return { status: 'missing', searched: [] };
  const indexed = index.get(buildId);
  const path = indexed?.path ?? local.find(candidate => buildIdOf(candidate, options) === buildId);
  if (path !== undefined) {
    const debugPath = indexed?.debugPath ?? (options.localPaths ? localDebugFile(buildId, options) : undefined);
    if (debugPath === undefined) return { status: 'found', path };
    const alternate = alternateOf(debugPath, index, options);
    return { status: 'found', path, debugPath, ...(alternate && { alternate }) };
  }
  return findNamesake(module, local, index, options) ?? { status: 'missing', searched };
}

function localPaths(module: Module): readonly string[] {
  return [...new Set([module.path ?? module.name, module.name])].filter(path => isAbsolute(path));
}

function localDebugFile(buildId: BuildId, options: ResolveOptions): string | undefined {
  return (options.localDebugDirs ?? ['/usr/lib/debug'])
    .map(dir => join(dir, '.build-id', buildId.slice(0, 2), `${buildId.slice(2)}.debug`))
    .find(path => buildIdOf(path, options) === buildId);
}

function alternateOf(
  debugPath: string,
  index: FileIndex,
  options: ResolveOptions,
): { readonly buildId: BuildId; readonly path: string } | undefined {
  const link = readAlternateLink(debugPath);
  if (link === undefined) return undefined;
  const { buildId } = link;
  const indexed = index.get(buildId);
  const local = (): string | undefined => {
    const path = options.localPaths ? resolve(dirname(realpathSync(debugPath)), link.path) : undefined;
    return path !== undefined && buildIdOf(path, options) === buildId ? path : undefined;
  };
  const path = indexed?.debugPath ?? indexed?.path ?? local();
  return path === undefined ? undefined : { buildId, path };
}

/** A file that lies where the module should, or is named like it, but is another build: worth telling. */
function findNamesake(
  module: Module,
  local: readonly string[],
  index: FileIndex,
  { readFile = readElfFile }: ResolveOptions,
): ModuleFile | undefined {
  const names = new Set([module.path, module.name].map(path => path && basename(path)));
  for (const [found, { path }] of index)
    if (path !== undefined && names.has(basename(path))) return { status: 'mismatched', path, found };
  for (const path of local) {
    const file = readFile(path);
    if (file !== undefined) return { status: 'mismatched', path, ...(file.buildId && { found: file.buildId }) };
  }
  return undefined;
}

function buildIdOf(path: string, { readFile = readElfFile }: ResolveOptions): BuildId | undefined {
  const file = readFile(path);
  return file === undefined || file.isTruncated ? undefined : file.buildId;
}
