import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { createRequire, enableCompileCache } from 'node:module';
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
const cache = cacheFolder(process.env['HANGAR_CACHE']);
delete process.env['HANGAR_CACHE'];
if (cache !== undefined) enableCompileCache(cache);
const code = cache === undefined ? undefined : codeFolder(cache, process.argv[2] ?? '');
const packages = createRequire(join(folder, entry));
const loaded = new Map<string, { exports: unknown }>();
const learning = new Map<string, { readonly script: Script; readonly keptBytes: number }>();

/** One run in four, by chance, looks whether it called functions that none before it did, which takes it two milliseconds. */
const isLooking = Math.random() < 1 / 4;

/** So many times as long has to be what is kept anew. */
const worthKeeping = 1.005;

process.on('exit', () => {
  if (code === undefined || learning.size === 0) return;
  for (const [file, { script, keptBytes }] of learning) keep(join(code, basename(file)), script, keptBytes);
  removeOtherBuilds(dirname(code));
});

load(entry);

/** The folder that bin/runbook made sure of. Undefined where nothing may be kept: what others can write is code that is not ours. */
function cacheFolder(path: string | undefined): string | undefined {
  const found = path === undefined ? undefined : lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && isOwn(found) ? path : undefined;
}

/** Whether nobody else can read or write it. */
function isOwn({ uid, mode }: { readonly uid: number; readonly mode: number }): boolean {
  return uid === process.geteuid?.() && (mode & 0o077) === 0;
}

/** `code/BUILD/COMMAND`: each command runs other functions. */
function codeFolder(root: string, command: string): string {
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

/** The files of the bundle are ASCII (scripts/bundle.ts). */
function compile(file: string): Script {
  const cachedData = code === undefined ? undefined : kept(join(code, basename(file)));
  const source = `(function (exports, require, module, __filename, __dirname) { ${readFileSync(file, 'latin1')}\n})`;
  const script = new Script(source, {
    filename: file,
    ...(cachedData && { cachedData }),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  // V8 refuses what another version of it, or other options of it, made.
  const keptBytes = script.cachedDataRejected === true ? 0 : (cachedData?.length ?? 0);
  if (keptBytes === 0 || isLooking) learning.set(file, { script, keptBytes });
  return script;
}

/**
 * Undefined where nothing is kept that can be trusted. V8 takes what it is given for true: it runs code that another put
 * there, and ends the process on code that is damaged.
 */
function kept(path: string): Buffer | undefined {
  try {
    const bytes = readOwnFile(path);
    if (bytes === undefined || bytes.length === 0) return undefined;
    const compiled = bytes.subarray(0, bytes.length / 2);
    return compiled.equals(bytes.subarray(compiled.length).swap64()) ? compiled : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined for a file that another user has, or could have written. */
function readOwnFile(path: string): Buffer | undefined {
  const file = openSync(path, 'r');
  try {
    return isOwn(fstatSync(file)) ? readFileSync(file) : undefined;
  } finally {
    closeSync(file);
  }
}

/**
 * Whole or not at all, whoever else does the same. A cache that cannot be written is none. The code stands there twice,
 * the second time with its words turned round: what is equal was not damaged. A checksum would have to be computed by
 * `node:zlib`, which takes longer to load than all of the code.
 */
function keep(path: string, script: Script, keptBytes: number): void {
  const part = `${path}.${process.pid}`;
  try {
    const compiled = script.createCachedData();
    if (compiled.length < keptBytes * worthKeeping) return;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = openSync(part, 'wx', 0o600);
    try {
      const written = writeSync(file, Buffer.concat([compiled, Buffer.from(compiled).swap64()]));
      if (written === 2 * compiled.length) renameSync(part, path);
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
