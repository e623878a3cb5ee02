import { accessSync, constants, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { TestRunner } from 'vitest';

export const pythonVersions = ['2.7', '3.6', '3.7', '3.8', '3.9', '3.10', '3.11', '3.12', '3.13', '3.14'] as const;

/** Major and minor version of a CPython. */
export type PythonVersion = (typeof pythonVersions)[number];

/** A CPython of this machine. */
export interface Interpreter {
  readonly version: PythonVersion;
  /** Absolute path of its executable. */
  readonly path: string;
}

/**
 * The interpreter of a version. A machine without it skips the test that is running and says why; with CI=true, where
 * all of them are expected, it fails instead. To be called inside a test (outside of one there is nothing to skip).
 */
export function requireInterpreter(version: PythonVersion): Interpreter {
  const found = findInterpreter(version);
  if (found !== undefined) return found;
  const reason = `no CPython ${version} here: neither ~/.pyenv/versions/${version}.* nor /usr/bin/python${version}`;
  const running = process.env['CI'] === 'true' ? undefined : TestRunner.getCurrentTest();
  if (running === undefined) throw new Error(reason);
  return running.context.skip(reason);
}

/** The interpreter of a version, pyenv's before the system's; undefined when there is none. */
export function findInterpreter(version: PythonVersion): Interpreter | undefined {
  const path = candidates(version).find(isExecutable);
  return path === undefined ? undefined : { version, path };
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
