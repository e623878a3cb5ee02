import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { constants, Script } from 'node:vm';

/*
 * Starts the published command line (scripts/bundle.ts) with the code that earlier runs of the same command compiled.
 * Node's own compile cache keeps a file as it was before it ran: without its functions, which are compiled when they are
 * first called, and that takes as long as to read a core.
 */

/** Replaced when the package is built. The names of the bundle's files change with their contents, so that no code is stale. */
const entry = 'main.cjs';

const folder = dirname(process.argv[1] ?? '');
const cache = cacheFolder(process.env['NODE_COMPILE_CACHE'], process.argv[2] ?? '');
const packages = createRequire(join(folder, entry));
const loaded = new Map<string, { exports: unknown }>();
const learning = new Map<string, { readonly script: Script; readonly runs: number }>();

/** Runs that add the functions that they called to what is kept; the last byte of a kept file counts them. */
const learnedRuns = 5;

process.on('exit', () => {
  if (cache !== undefined)
    for (const [file, { script, runs }] of learning) keep(join(cache, basename(file)), script, runs);
});

load(entry);

/** Each command has a folder of its own, for it runs other functions; undefined where nothing may be kept. */
function cacheFolder(root: string | undefined, command: string): string | undefined {
  if (root === undefined || root === '') return undefined;
  return join(root, 'code', /^[a-z]{1,20}$/.test(command) ? command : 'others');
}

/** As Node runs a CommonJS module. */
function load(name: string): unknown {
  const file = join(folder, name);
  const known = loaded.get(file);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(file, module);
  const need = (id: string): unknown => (id.startsWith('./') ? load(id) : packages(id));
  const run: unknown = compile(file).runInThisContext();
  if (typeof run === 'function') Reflect.apply(run, module.exports, [module.exports, need, module, file, folder]);
  return module.exports;
}

function compile(file: string): Script {
  const found = cache === undefined ? undefined : kept(join(cache, basename(file)));
  const cachedData = found?.subarray(0, -1);
  const source = `(function (exports, require, module, __filename, __dirname) { ${readFileSync(file, 'utf8')}\n})`;
  const script = new Script(source, {
    filename: file,
    ...(cachedData && { cachedData }),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  // V8 refuses what another version of it, or other options of it, made.
  const runs = script.cachedDataRejected === true ? 0 : (found?.at(-1) ?? 0);
  if (runs < learnedRuns) learning.set(file, { script, runs: runs + 1 });
  return script;
}

function kept(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Whole or not at all: V8 takes what it is given for true. A cache that cannot be written is none. */
function keep(path: string, script: Script, runs: number): void {
  const part = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = openSync(part, 'wx', 0o600);
    try {
      const data = Buffer.concat([script.createCachedData(), Buffer.of(runs)]);
      if (writeSync(file, data) < data.length) return;
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(part, path);
  } catch {
    // The next run compiles again.
  }
}
