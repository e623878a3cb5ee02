import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CoreFile } from '../../../src/corefile/core.ts';
import { readAlternateLink, readDebugLink } from '../../../src/corefile/debug-links.ts';
import { indexElfFiles } from '../../../src/corefile/index-files.ts';
import type { Module } from '../../../src/corefile/module.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { modulesOnStacks } from '../../../src/corefile/stack-modules.ts';
import { readNativeStacks } from '../../../src/native/read-native-stacks.ts';
import { type CapturedCore, captureCore, compileC, privateDir } from '../../support/cores.ts';
import { buildSymbolPackages, type SymbolPackages } from '../../support/symbol-packages.ts';

const program = `
#include <unistd.h>
int stock_reserve(int wanted);
int main(void) {
  write(1, "ready\\n", 6);
  return stock_reserve(1);
}
`;

let packages: SymbolPackages;
let captured: CapturedCore;
let core: CoreFile;
let folder: string;
let remove: () => void;

beforeAll(async () => {
  ({ dir: folder, remove } = privateDir());
  packages = await buildSymbolPackages(join(folder, 'packages'));
  for (const [name, path] of Object.entries({ library: packages.library, symbols: packages.symbols }))
    execFileSync('dpkg-deb', ['-x', path, join(folder, name)]);
  const libraries = dirname(library('libshopstock.so.1'));
  const links = [`-L${libraries}`, '-l:libshopstock.so.1', '-l:libshopvalue.so.1', `-Wl,-rpath,${libraries}`];
  // Options for the linker follow the text that needs them.
  captured = await captureCore([compileC(folder, 'program', program, ['-Wl,--no-as-needed', ...links])]);
  core = await openCore(captured.path);
});
afterAll(() => {
  core?.close();
  captured?.remove();
  remove?.();
});

test('a debug file gives the file and line of frames, with what dwz took out of it', async () => {
  const modules = resolved(join(folder, 'library'), join(folder, 'symbols'));
  expect(fileOf(modules)).toMatchObject({ status: 'found', alternate: { buildId: packages.alternateBuildId } });
  expect(await placesIn(modules)).toEqual([
    ['await_delivery', 'shopstock.c', packages.line('delivery')],
    ['shelf_take', 'shopstock.c', packages.line('take')],
    ['stock_reserve', 'shopstock.c', packages.line('reserve')],
  ]);
});

test('without the debug file a frame has the name of an exported function at best', async () => {
  const places = await placesIn(resolved(join(folder, 'library')));
  expect(places.map(([, file, line]) => [file, line])).toEqual(places.map(() => [undefined, undefined]));
  expect(places.map(([name]) => name)).not.toContain('await_delivery');
});

test('a debug file that lacks what dwz took out of it costs no stack', async () => {
  const alone = join(folder, 'alone');
  place(alone, packages.buildIds['libshopstock.so.1'], symbolsOf('libshopstock.so.1'));
  const modules = resolved(join(folder, 'library'), alone);
  expect(fileOf(modules)).not.toHaveProperty('alternate');
  expect((await placesIn(modules)).map(([name]) => name)).toContain('stock_reserve');
});

test('a debug file of another build is not used, whatever its name says', async () => {
  const wrong = join(folder, 'wrong');
  place(wrong, packages.buildIds['libshopstock.so.1'], symbolsOf('libshopvalue.so.1'));
  expect(fileOf(resolved(join(folder, 'library'), wrong))).not.toHaveProperty('debugPath');
  // Put in place of the right one after that was found.
  const changed = join(folder, 'changed');
  place(changed, packages.buildIds['libshopstock.so.1'], symbolsOf('libshopstock.so.1'));
  const modules = resolved(join(folder, 'library'), changed);
  place(changed, packages.buildIds['libshopstock.so.1'], symbolsOf('libshopvalue.so.1'));
  const places = await placesIn(modules);
  expect(places.map(([, file]) => file)).toEqual(places.map(() => undefined));
});

test('modules and debug files say which file goes with them', () => {
  const buildId = packages.buildIds['libshopstock.so.1'];
  expect(readDebugLink(library('libshopstock.so.1'))).toBe(`${buildId.slice(2)}.debug`);
  expect(readDebugLink('/etc/passwd')).toBeUndefined();
  expect(readAlternateLink(symbolsOf('libshopstock.so.1'))).toEqual({
    buildId: packages.alternateBuildId,
    path: expect.stringMatching(/^\/usr\/lib\/debug\/\.dwz\/.*\/libshopstock1\.debug$/),
  });
  expect(readAlternateLink(library('libshopstock.so.1'))).toBeUndefined();
});

test('modules on stacks are known without symbols, the innermost first', () => {
  const names = modulesOnStacks(core, readModules(core)).map(({ name }) => name.replace(/.*\//, ''));
  expect(names[0]).toBe('libshopstock.so.1');
  expect(names).toContain('program');
  expect(names).toContain('libc.so.6');
});

function resolved(...dirs: readonly string[]): readonly Module[] {
  return resolveModules(readModules(core), indexElfFiles([...dirs, join(folder, 'program')]), { localPaths: false });
}

function fileOf(modules: readonly Module[]): Module['file'] | undefined {
  return modules.find(({ buildId }) => buildId === packages.buildIds['libshopstock.so.1'])?.file;
}

async function placesIn(modules: readonly Module[]) {
  const { threads } = await readNativeStacks({ core, modules });
  const frames = threads.flatMap(thread => thread.frames).filter(({ module }) => module?.includes('libshopstock'));
  expect(frames.length).toBeGreaterThan(1);
  return frames.map(({ function: name, file, line }) => [name, file, line] as const);
}

type Library = keyof SymbolPackages['buildIds'];

function library(name: Library): string {
  return execFileSync('find', [join(folder, 'library'), '-name', name], { encoding: 'utf8' }).trim();
}

function symbolsOf(name: Library): string {
  return placeOf(join(folder, 'symbols/usr/lib/debug/.build-id'), packages.buildIds[name]);
}

function place(dir: string, buildId: string, file: string): void {
  const path = placeOf(dir, buildId);
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  copyFileSync(file, path);
}

function placeOf(dir: string, buildId: string): string {
  return join(dir, buildId.slice(0, 2), `${buildId.slice(2)}.debug`);
}
