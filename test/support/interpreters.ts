import { accessSync, constants, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, TestRunner } from 'vitest';
import { builtRootFilesystem, type Release, rootFilesystem } from './hosts/root-filesystem.ts';

export const pythonVersions = ['2.7', '3.6', '3.7', '3.8', '3.9', '3.10', '3.11', '3.12', '3.13', '3.14'] as const;

/** Major and minor version of a CPython. */
export type PythonVersion = (typeof pythonVersions)[number];

/** A CPython of this machine, or of a root filesystem on it. */
export interface Interpreter {
  readonly version: PythonVersion;
  /** Absolute path of its executable; below `root` where there is one. */
  readonly path: string;
  /** Root filesystem whose /usr stands in the place of this machine's while it runs. */
  readonly root?: string;
}

/** Distributions with an interpreter that is nowhere else to be had. */
const releases: { readonly [version in PythonVersion]?: Release } = { '3.14': 'sid' };

/**
 * Builds the root filesystems of the interpreters that only a distribution has, where that is needed and possible: for
 * a `beforeAll`, it may take minutes.
 */
export async function prepareInterpreters(versions: readonly PythonVersion[] = pythonVersions): Promise<void> {
  if (process.getuid?.() !== 0) return;
  for (const version of versions) {
    const release = releases[version];
    if (release !== undefined && findInterpreter(version) === undefined) await rootFilesystem(release);
  }
}

/** What starts an interpreter. */
export function commandOf({ path, root }: Interpreter, args: readonly string[]): readonly [string, ...string[]] {
  return commandIn(root ?? '', path, args);
}

/** What starts a program of a root filesystem, as the very process that is started; needs root if one is given. */
export function commandIn(root: string, path: string, args: readonly string[]): readonly [string, ...string[]] {
  if (root === '') return [path, ...args];
  // The mount is in a namespace of its own and ends with the process (unshare(1)).
  const script = 'mount --bind "$0/usr" /usr && exec "$@"';
  return ['unshare', '--mount', 'sh', '-c', script, root, path, ...args];
}

/**
 * The interpreter of a version. A machine without it skips the test that is running and says why; with CI=true, where
 * all of them are expected, it fails instead. To be called inside a test (outside of one there is nothing to skip).
 * @param context of the test, where several run at a time
 */
export function requireInterpreter(version: PythonVersion, context?: TestContext): Interpreter {
  const found = findInterpreter(version);
  if (found !== undefined) return found;
  const release = releases[version];
  const elsewhere = release === undefined ? '' : `, nor Debian ${release}, which root can build`;
  const reason = `no CPython ${version} here: neither ~/.pyenv/versions/${version}.* nor /usr/bin/python${version}${elsewhere}`;
  const running = process.env['CI'] === 'true' ? undefined : (context ?? TestRunner.getCurrentTest()?.context);
  if (running === undefined) throw new Error(reason);
  return running.skip(reason);
}

/** The interpreter of a version, pyenv's before the system's before one in a root filesystem; undefined when there is none. */
export function findInterpreter(version: PythonVersion): Interpreter | undefined {
  const path = candidates(version).find(isExecutable);
  if (path !== undefined) return { version, path };
  const release = releases[version];
  const root = release === undefined || process.getuid?.() !== 0 ? undefined : builtRootFilesystem(release);
  return root === undefined ? undefined : { version, path: `/usr/bin/python${version}`, root };
}

/** Which versions this machine has, for the run's own record. */
export function describeInterpreters(): string {
  return pythonVersions.map(version => `${version}: ${findInterpreter(version)?.path ?? 'none'}`).join('\n');
}

function candidates(version: PythonVersion): readonly string[] {
  const root = process.env['PYENV_ROOT'] ?? join(homedir(), '.pyenv');
  const binary = `python${version}`;
  const byPyenv = namesIn(join(root, 'versions'))
    .filter(name => name.startsWith(`${version}.`))
    .map(name => join(root, 'versions', name, 'bin', binary));
  return [...byPyenv, `/usr/local/bin/${binary}`, `/usr/bin/${binary}`];
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
