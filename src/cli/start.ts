import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
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

/** Runs that add the functions that they called to what is kept. */
const learnedRuns = 5;

process.on('exit', () => {
  if (cache === undefined || learning.size === 0) return;
  for (const [file, { script, runs }] of learning) keep(join(cache, basename(file)), script, runs);
  removeOtherBuilds(dirname(cache));
});

load(entry);

/**
 * `code/BUILD/COMMAND` in the folder that bin/runbook made sure of: each command runs other functions. Undefined where
 * nothing may be kept, for a dry run as well.
 */
function cacheFolder(root: string | undefined, command: string): string | undefined {
  if (root === undefined || root === '') return undefined;
  return join(root, 'code', basename(entry, '.cjs'), /^[a-z]{1,20}$/.test(command) ? command : 'others');
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
  const source = `(function (exports, require, module, __filename, __dirname) { ${readFileSync(file, 'utf8')}\n})`;
  const script = new Script(source, {
    filename: file,
    ...(found && { cachedData: found.code }),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  // V8 refuses what another version of it, or other options of it, made.
  const runs = script.cachedDataRejected === true ? 0 : (found?.runs ?? 0);
  if (runs < learnedRuns) learning.set(file, { script, runs: runs + 1 });
  return script;
}

/** What stands behind the code in a kept file: its CRC-32, and the number of runs that it has learned from. */
const trailerBytes = 5;

interface Kept {
  readonly code: Buffer;
  readonly runs: number;
}

/**
 * Undefined where nothing is kept that can be trusted. V8 takes what it is given for true: it runs code that another put
 * there, and ends the process on code that is damaged.
 */
function kept(path: string): Kept | undefined {
  try {
    const bytes = readOwnFile(path);
    if (bytes === undefined || bytes.length <= trailerBytes) return undefined;
    const code = bytes.subarray(0, -trailerBytes);
    return bytes.readUInt32LE(code.length) === checksum(code) ? { code, runs: bytes.at(-1) ?? 0 } : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined for a file that another user has, or could have written. */
function readOwnFile(path: string): Buffer | undefined {
  const file = openSync(path, 'r');
  try {
    const { uid, mode } = fstatSync(file);
    return uid === process.geteuid?.() && (mode & 0o077) === 0 ? readFileSync(file) : undefined;
  } finally {
    closeSync(file);
  }
}

/** Asked for here: without a cache the module is not needed, and takes a millisecond. */
function checksum(code: Buffer): number {
  return process.getBuiltinModule('node:zlib').crc32(code);
}

/** Whole or not at all, whoever else does the same. A cache that cannot be written is none. */
function keep(path: string, script: Script, runs: number): void {
  const part = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = openSync(part, 'wx', 0o600);
    try {
      const code = script.createCachedData();
      const trailer = Buffer.alloc(trailerBytes);
      trailer.writeUInt32LE(checksum(code));
      trailer.writeUInt8(runs, trailerBytes - 1);
      const written = writeSync(file, Buffer.concat([code, trailer]));
      if (written === code.length + trailerBytes) {
        fsyncSync(file);
        renameSync(part, path);
      }
    } finally {
      closeSync(file);
      // Of a full disk; what has its name by now is not there any more.
      rmSync(part, { force: true });
    }
  } catch {
    // The next run compiles again.
  }
}

/** The code of builds that were replaced: nobody will ask for it. */
function removeOtherBuilds(build: string): void {
  try {
    for (const name of readdirSync(dirname(build)))
      if (/^main-[\w-]{8}$/.test(name) && name !== basename(build))
        rmSync(join(dirname(build), name), { recursive: true, force: true });
  } catch {
    // The next run that learns tries again.
  }
}
