import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Interpreter } from './interpreters.ts';

const run = promisify(execFile);

/** Part of the cache's key: to be raised when what is done here changes. */
const edition = 2;

/** What is being installed by this process, so that tests that run at a time wait for each other. */
const underWay = new Map<string, Promise<string>>();

/**
 * Packages for an interpreter, with what they need, from the index that pip is configured for: installed once into the
 * user's cache. May take a minute; later calls take none.
 * @param requirements as pip takes them, pinned: `['Django==1.11.29']`
 * @param env what is built from source is told by the environment
 * @returns a folder for PYTHONPATH; programs of the packages start as modules, `python -m gunicorn`
 * @throws Error with pip's last lines when they cannot be had
 */
export function pythonPackages(
  interpreter: Interpreter,
  requirements: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { path, root = '', version } = interpreter;
  const key = JSON.stringify([edition, path, root, requirements, env]);
  const name = `python${version}-${createHash('sha256').update(key).digest('hex').slice(0, 12)}`;
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'hangar-test');
  // Whose code a file is shows in its path: packages lie where a package is expected.
  const folder = join(cache, name, 'site-packages');
  const running = underWay.get(folder) ?? install(interpreter, { requirements, env, folder });
  underWay.set(folder, running);
  return running;
}

interface Installation {
  readonly requirements: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
}

async function install(interpreter: Interpreter, { requirements, env, folder }: Installation): Promise<string> {
  if (existsSync(folder)) return folder;
  await mkdir(join(folder, '..'), { recursive: true });
  const part = await mkdtemp(`${folder}.part-`);
  try {
    const [command, ...args] = pip(interpreter);
    await run(command, [...args, '--quiet', '--target', part, ...requirements], {
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, ...env },
    });
    await rename(part, folder);
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    // Another process was quicker: its folder holds the same.
    if (existsSync(folder)) return folder;
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    const why = stderr.trim().split('\n').slice(-5).join('\n');
    throw new Error(`pip could not install ${requirements.join(', ')} for ${interpreter.path}: ${why}`, {
      cause: error,
    });
  }
  return folder;
}

/** An interpreter of a root filesystem has no pip: this machine's installs for it, from wheels alone. */
function pip({ path, root, version }: Interpreter): readonly [string, ...string[]] {
  const options = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-warn-script-location'];
  if (root === undefined) return [path, ...options];
  return ['python3', ...options, '--python-version', version, '--only-binary=:all:'];
}
