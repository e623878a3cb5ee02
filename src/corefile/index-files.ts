import { lstatSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { BuildId } from './build-id.ts';
import { readElfFile } from './elf-file.ts';

/** Where the file with a build-id lies; either part may be unknown. */
export interface IndexedFile {
  readonly path?: string;
  /** Separate debug file. */
  readonly debugPath?: string;
}

export type FileIndex = ReadonlyMap<BuildId, IndexedFile>;

/**
 * Finds every ELF executable, library and debug file below `dirs` by its build-id, whatever the layout: a copied tree,
 * `.build-id/xx/rest[.debug]`, the module store. Earlier directories win. Reads headers and notes only; follows links to
 * files inside the same directory, never out of it; leaves out files that are cut off.
 */
export function indexElfFiles(dirs: readonly string[]): FileIndex {
  const index = new Map<BuildId, IndexedFile>();
  for (const dir of dirs) {
    const root = realPath(dir);
    if (root === undefined) continue;
    for (const path of elfCandidates(root)) {
      const file = readElfFile(path);
      if (file?.buildId === undefined || file.isTruncated) continue;
      const known = index.get(file.buildId);
      index.set(file.buildId, file.isDebugOnly ? { debugPath: path, ...known } : { path, ...known });
    }
  }
  return index;
}

/** Several indexes as one; where two know a part of the same build-id, the later one wins. */
export function joinIndexes(...indexes: readonly FileIndex[]): FileIndex {
  const joined = new Map<BuildId, IndexedFile>();
  for (const index of indexes)
    for (const [buildId, file] of index) joined.set(buildId, { ...joined.get(buildId), ...file });
  return joined;
}

/** Deeper trees than any distribution has: bounds a maze of directories. */
const maxDepth = 40;

function* elfCandidates(root: string): Generator<string> {
  if (lstatSync(root).isFile()) {
    yield root;
    return;
  }
  const pending: { readonly dir: string; readonly depth: number }[] = [{ dir: root, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const entry of entries(next.dir)) {
      const path = join(next.dir, entry.name);
      if (entry.isDirectory()) {
        if (next.depth < maxDepth) pending.push({ dir: path, depth: next.depth + 1 });
      } else if (entry.isFile() || (entry.isSymbolicLink() && isFileWithin(root, path))) yield path;
    }
  }
}

function entries(dir: string) {
  try {
    return readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return []; // Not ours to read: what lies there is not found, as if it were not there.
  }
}

function isFileWithin(root: string, link: string): boolean {
  const target = realPath(link);
  return target?.startsWith(root + sep) === true && statSync(target).isFile();
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
