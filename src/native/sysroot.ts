import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import type { BuildId } from '../corefile/build-id.ts';
import { readElfFile } from '../corefile/elf-file.ts';
import { formatAddress } from '../corefile/memory.ts';
import type { Module, ModuleFile } from '../corefile/module.ts';
import type { NativeGap } from './stacks.ts';

/** A directory in which a debugger finds the core and each module under the names that it looks for. */
export interface Sysroot {
  readonly links: readonly SysrootLink[];
  /** Link to the executable, relative to the directory. */
  readonly executable?: string;
  /** What the debugger is to load at which bias if it does not so by itself. */
  readonly modules: readonly { readonly at: string; readonly bias: bigint }[];
}

export interface SysrootLink {
  /** Relative to the directory. */
  readonly at: string;
  readonly file: string;
}

/** Parts of the directory. */
export const sysrootParts = {
  core: 'core',
  modules: 'modules.json',
  files: 'sysroot',
  debug: 'debug',
  sonames: 'sonames',
} as const;

const directories = [sysrootParts.files, sysrootParts.debug, sysrootParts.sonames] as const;

/**
 * Where each found module has to lie: under its link_map name and its mapped path (gdb manual, `set sysroot`), under
 * `.build-id/xx/rest` and `rest.debug` (gdb manual, "Debugging Information in Separate Files"; what debug files have in
 * common is looked for there too), and under its bare name when that is all that the dynamic linker had. Names come from the core: they stay inside the directory.
 */
export function planSysroot(core: string, modules: readonly Module[]): Sysroot {
  const links = new Map<string, string>([[sysrootParts.core, core]]);
  let executable: string | undefined;
  for (const module of modules) {
    if (module.file.status !== 'found') continue;
    for (const at of placesOf(module)) if (!links.has(at)) links.set(at, module.file.path);
    if (module.isExecutable) executable ??= inSysroot(module.path ?? module.name);
    if (module.file.debugPath !== undefined && module.buildId !== undefined)
      links.set(`${buildIdPlace(module.buildId)}.debug`, module.file.debugPath);
    const { alternate } = module.file;
    if (alternate !== undefined) links.set(`${buildIdPlace(alternate.buildId)}.debug`, alternate.path);
  }
  const fitting = withoutNested(links);
  return {
    links: [...fitting].map(([at, file]) => ({ at, file })),
    modules: modules
      .filter(({ file, buildId }) => file.status === 'found' && buildId !== undefined)
      .map(({ buildId, bias }) => ({ at: buildIdPlace(buildId ?? ''), bias })),
    ...(executable !== undefined && fitting.has(executable) && { executable }),
  };
}

/** Makes the links. Returns the real files they lead to. */
export function layOutSysroot(dir: string, { links, modules }: Sysroot): readonly string[] {
  for (const part of directories) mkdirSync(join(dir, part), { recursive: true });
  const listing = modules.map(({ at, bias }) => ({ file: join(dir, at), bias: formatAddress(bias) }));
  writeFileSync(join(dir, sysrootParts.modules), JSON.stringify(listing), { mode: 0o600 });
  const files = new Set<string>();
  for (const { at, file } of links) {
    const real = realpathSync(file);
    mkdirSync(dirname(join(dir, at)), { recursive: true });
    symlinkSync(real, join(dir, at));
    files.add(real);
  }
  return [...files];
}

/**
 * The modules with each file read again: one that is not, or no longer, of the module's build-id is taken away. gdb
 * before 16 takes a library with the wrong build-id after a warning, and shows frames that never were.
 */
export function verifyModules(modules: readonly Module[]): {
  readonly modules: readonly Module[];
  readonly gaps: readonly NativeGap[];
} {
  const gaps: NativeGap[] = [];
  const verified = modules.map((module): Module => {
    const { file } = module;
    if (file.status !== 'found') return module;
    const found = readElfFile(file.path)?.buildId;
    if (module.buildId === undefined || found !== module.buildId) {
      const why = `needed build-id ${module.buildId ?? '(unknown)'}, ${file.path} has ${found ?? 'none'}`;
      gaps.push({ what: `native symbols of ${module.name}`, why, fix: 'give the modules that ran: --modules DIR' });
      return { ...module, file: { status: 'mismatched', path: file.path, ...(found && { found }) } };
    }
    return { ...module, file: verifySymbols(file, module.buildId) };
  });
  return { modules: verified, gaps };
}

/** Symbols that are not, or no longer, of the module's build-id are left out as if they were not there. */
function verifySymbols(file: ModuleFile & { readonly status: 'found' }, buildId: BuildId): ModuleFile {
  const { path, debugPath, alternate } = file;
  if (debugPath === undefined || readElfFile(debugPath)?.buildId !== buildId) return { status: 'found', path };
  if (alternate === undefined || readElfFile(alternate.path)?.buildId !== alternate.buildId)
    return { status: 'found', path, debugPath };
  return file;
}

function placesOf(module: Module): readonly string[] {
  const places = [module.name, module.path ?? module.name].map(inSysroot);
  if (!isAbsolute(module.name)) places.push(join(sysrootParts.sonames, basename(inSysroot(module.name))));
  if (module.buildId !== undefined) places.push(buildIdPlace(module.buildId));
  return [...new Set(places)];
}

function buildIdPlace(buildId: string): string {
  return join(sysrootParts.debug, '.build-id', buildId.slice(0, 2), buildId.slice(2));
}

/** `normalize` leaves no `..` behind in an absolute path. */
function inSysroot(name: string): string {
  return join(sysrootParts.files, normalize(`/${name}`).replace(/\/+$/, ''));
}

/** The links that a file system can hold: where one name is a directory of another, the shorter goes. */
function withoutNested(links: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const taken = new Set<string>(directories);
  for (const at of links.keys())
    for (let dir = dirname(at); dir !== '.' && !taken.has(dir); dir = dirname(dir)) taken.add(dir);
  return new Map([...links].filter(([at]) => !taken.has(at) && isFileName(at)));
}

/** A component longer than 255 bytes is no file name (NAME_MAX, limits.h); PATH_MAX leaves room for the directory. */
function isFileName(at: string): boolean {
  return at.length < 3500 && !at.includes('\0') && at.split('/').every(part => Buffer.byteLength(part) <= 255);
}
