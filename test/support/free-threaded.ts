import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestContext } from 'vitest';
import { findInterpreter, type Interpreter, runPython } from '../../scripts/layout/interpreter.ts';
import { debianMirror, testCache, withLock } from './hosts/root-filesystem.ts';
import type { PythonVersion } from './interpreters.ts';

const run = promisify(execFile);

/**
 * Free-threaded CPythons (PEP 703), and the Debian release whose source package of that version is built where none is
 * installed. A mirror may lack sources that its index names, where it is a snapshot or in the middle of an update.
 */
const releases = { '3.13t': 'trixie', '3.14t': 'sid' } as const;

export type FreeThreadedVersion = keyof typeof releases;

export const freeThreadedVersions: readonly FreeThreadedVersion[] = ['3.13t', '3.14t'];

/** The version of Python that it is a build of: `3.13` of `3.13t`. */
export function minorOf(version: FreeThreadedVersion): PythonVersion {
  return version === '3.13t' ? '3.13' : '3.14';
}

/** Part of the cache's key: to be raised when what is done here changes. */
const edition = 1;

/** Why there is none, of those that this process looked for in vain. */
const reasons = new Map<FreeThreadedVersion, string>();

/**
 * Builds those that this machine lacks, one after the other, from Debian's source packages into the user's cache: for a
 * `beforeAll`. No distribution packages such builds.
 * @throws Error with CI=true, when one does not build
 */
export async function prepareFreeThreaded(versions: readonly FreeThreadedVersion[]): Promise<void> {
  for (const version of versions) {
    if (foundFreeThreaded(version) !== undefined) continue;
    const cache = testCache();
    await mkdir(cache, { recursive: true });
    await withLock(join(cache, `python${version}.lock`), async () => {
      if (!existsSync(placeOf(version))) await build(version).catch(error => refuse(version, error));
    });
  }
}

/** A machine that cannot have it goes without; with CI=true it must be able to, as far as there is a source. */
function refuse(version: FreeThreadedVersion, error: unknown): void {
  const hasSource = !(error instanceof SourceMissingError);
  if (process.env['CI'] === 'true' && hasSource) throw error;
  reasons.set(version, hasSource ? `it does not build: ${tellingLine(error)}` : error.message);
}

/** A mirror that has no such source package, or no mirror. */
class SourceMissingError extends Error {}

/** The interpreter, after `prepareFreeThreaded`; skips the test where its source is not to be had, and says why. */
export function requireFreeThreaded(version: FreeThreadedVersion, context: TestContext): Interpreter {
  return (
    foundFreeThreaded(version) ?? context.skip(`no CPython ${version} here: ${reasons.get(version) ?? 'not built'}`)
  );
}

/** One that pyenv installed (`pyenv install 3.13t`, with debug information) before one that an earlier run built. */
function foundFreeThreaded(version: FreeThreadedVersion): Interpreter | undefined {
  const installed = findInterpreter(version);
  if (installed !== undefined) return installed;
  const executable = join(placeOf(version), 'bin', `python${version}`);
  if (!existsSync(executable)) return undefined;
  const interpreter = { minor: version, version: '', executable, library: executable };
  return {
    ...interpreter,
    version: runPython(interpreter, 'import platform; print(platform.python_version())').trim(),
  };
}

function placeOf(version: FreeThreadedVersion): string {
  const key = createHash('sha256')
    .update(JSON.stringify([edition, releases[version], options]))
    .digest('hex')
    .slice(0, 12);
  return join(testCache(), `python${version}-${key}`);
}

async function build(version: FreeThreadedVersion): Promise<void> {
  const place = placeOf(version);
  const part = await mkdtemp(`${place}.part-`);
  const folder = async (name: string) => {
    await mkdir(join(part, name));
    return join(part, name);
  };
  try {
    const archive = await fetchSource(version, await folder('download'));
    const source = await folder('source');
    await run('tar', ['-xJf', archive, '-C', source, '--strip-components=1']);
    await compile(source);
    const prefix = await folder('prefix');
    await install(source, version, prefix);
    await rename(prefix, place);
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

/**
 * The archive that upstream released, as Debian serves it.
 * @throws SourceMissingError when it does not
 */
async function fetchSource(version: FreeThreadedVersion, work: string): Promise<string> {
  const release = releases[version];
  const name = `python${minorOf(version)}`;
  const list = join(work, 'sources.list');
  const state = join(work, 'lists');
  const archives = join(work, 'archives');
  for (const folder of [state, archives]) await mkdir(join(folder, 'partial'), { recursive: true });
  try {
    await writeFile(list, `deb-src ${await debianMirror()} ${release} main\n`);
    // A configuration of its own: nothing of this machine's apt is changed, and nobody need be root. A mirror may be a
    // snapshot, whose index of sid was valid once.
    const apt = (...args: readonly string[]) =>
      run(
        'apt-get',
        [
          `-oDir::Etc::SourceList=${list}`,
          '-oDir::Etc::SourceParts=/dev/null',
          `-oDir::State::Lists=${state}`,
          `-oDir::Cache=${archives}`,
          `-oDir::Cache::Archives=${archives}`,
          '-oAcquire::Languages=none',
          '-oAcquire::Check-Valid-Until=false',
          '-oAPT::Sandbox::User=root',
          ...args,
        ],
        { cwd: work, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, LC_ALL: 'C' } },
      );
    await apt('update', '--error-on=any');
    await apt('source', '--download-only', '--only-source', name);
  } catch (error) {
    throw new SourceMissingError(`Debian ${release} serves no source of ${name}: ${tellingLine(error)}`, {
      cause: error,
    });
  }
  const archive = (await readdir(work)).find(file => file.endsWith('.orig.tar.xz'));
  if (archive === undefined) throw new Error(`the source package of ${name} has no .orig.tar.xz`);
  return join(work, archive);
}

function tellingLine(error: unknown): string {
  const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  // apt names the address that failed before it says that something did.
  const lines = text.trim().split('\n');
  return lines.find(line => line.startsWith('E: ')) ?? lines.at(-1) ?? '';
}

/** Extension modules that take long to compile, or want libraries, and that no test program imports. */
const leftOut = [
  '_bz2 _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _crypt _ctypes_test _curses _curses_panel',
  '_dbm _decimal _elementtree _gdbm _hashlib _lsprof _lzma _multibytecodec _remote_debugging _sqlite3 _ssl _statistics',
  '_tkinter _uuid _zoneinfo _zstd audioop cmath nis ossaudiodev pyexpat readline spwd syslog xxlimited xxlimited_35 xxsubtype',
]
  .join(' ')
  .split(' ');
const options = [
  '--disable-gil',
  '--disable-test-modules',
  '--without-ensurepip',
  // Optimised as little as serves: how structures lie does not depend on it, and it halves the time.
  'CFLAGS=-g -O1',
  ...leftOut.map(name => `py_cv_module_${name}=n/a`),
];

/** Without what makes a release build slow: profiles, link-time optimisation, tests. */
async function compile(folder: string): Promise<void> {
  // Other tests, which measure time, run meanwhile.
  const nice = (...command: readonly string[]) =>
    run('nice', ['-n', '5', ...command], { cwd: folder, maxBuffer: 64 * 1024 * 1024 });
  await nice('./configure', '-q', ...options);
  await nice('make', '-s', '-j2', 'python', 'sharedmods');
}

/**
 * Lays it out as an installed one, by whose folders a file is known as the library's: `bin/python3.13t` finds
 * `lib/python3.13t` beside it (Modules/getpath.py). `make install` would compile all of the library and its tests.
 */
async function install(built: string, version: FreeThreadedVersion, prefix: string): Promise<void> {
  const library = join(prefix, 'lib', `python${version}`);
  const modules = join(library, 'lib-dynload');
  await mkdir(join(prefix, 'bin'), { recursive: true });
  await mkdir(join(prefix, 'lib'));
  await rename(join(built, 'python'), join(prefix, 'bin', `python${version}`));
  await rename(join(built, 'Lib'), library);
  await rm(join(library, 'test'), { recursive: true, force: true });
  await mkdir(modules);
  const folder = join(built, (await readFile(join(built, 'pybuilddir.txt'), 'utf8')).trim());
  for (const name of await readdir(folder))
    if (name.endsWith('.so')) await copyFile(join(folder, name), join(modules, name));
    else if (name.endsWith('.py')) await copyFile(join(folder, name), join(library, name));
}
