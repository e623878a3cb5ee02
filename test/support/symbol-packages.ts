import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const sources = join(import.meta.dirname, 'services');

/** A library package as distributions build them, and the package of its debug symbols. */
export interface SymbolPackages {
  /** `libshopstock1_1.0-1_ARCH.deb`: libshopstock.so.1, in which `stock_reserve` never ends, and libshopvalue.so.1. */
  readonly library: string;
  /** `libshopstock1-dbgsym_1.0-1_ARCH.ddeb` (dh_strip(1)): a debug file for each, and what dwz(1) took out of both. */
  readonly symbols: string;
  /** Build-id by name of the library. */
  readonly buildIds: Readonly<Record<'libshopstock.so.1' | 'libshopvalue.so.1', string>>;
  /** Of the alternate debug file. */
  readonly alternateBuildId: string;
  /** Debian's name of this machine's architecture. */
  readonly architecture: string;
  /** Line of shopstock.c that is marked `at: MARK`. */
  line(mark: 'delivery' | 'take' | 'reserve'): number;
}

const packageVersion = '1.0-1';

/** Compiles the library and builds both packages in `folder`. */
export async function buildSymbolPackages(folder: string): Promise<SymbolPackages> {
  const architecture = (await run('dpkg', ['--print-architecture'])).stdout.trim();
  const triplet = (await run('gcc', ['-dumpmachine'])).stdout.trim();
  const work = join(folder, 'build');
  const [root, symbolsRoot] = [join(folder, 'library'), join(folder, 'symbols')];
  const libraries = join(root, 'usr/lib', triplet);
  await Promise.all([work, libraries].map(each => mkdir(each, { recursive: true })));
  for (const name of ['shopstock.h', 'shopstock.c', 'shopvalue.c'])
    await copyFile(join(sources, name), join(work, name));
  const value = await buildLibrary(work, libraries, 'shopvalue', []);
  const stock = await buildLibrary(work, libraries, 'shopstock', [join(libraries, 'libshopvalue.so.1')]);
  const debug = join(symbolsRoot, 'usr/lib/debug');
  const alternate = `/usr/lib/debug/.dwz/${triplet}/libshopstock1.debug`;
  await mkdir(dirname(join(symbolsRoot, alternate)), { recursive: true });
  await run('dwz', ['-m', join(symbolsRoot, alternate), '-M', alternate, stock.debug, value.debug]);
  for (const each of [stock, value]) {
    const place = join(debug, '.build-id', each.buildId.slice(0, 2), `${each.buildId.slice(2)}.debug`);
    await mkdir(dirname(place), { recursive: true });
    await copyFile(each.debug, place);
    // The link names the debug file and has its checksum: it is added when that is as it stays.
    await run('objcopy', [`--add-gnu-debuglink=${place}`, join(libraries, each.file)]);
  }
  const buildIds = { 'libshopstock.so.1': stock.buildId, 'libshopvalue.so.1': value.buildId };
  const text = await readFile(join(sources, 'shopstock.c'), 'utf8');
  return {
    architecture,
    buildIds,
    alternateBuildId: await readBuildId(join(symbolsRoot, alternate)),
    library: await buildPackage(root, join(folder, `libshopstock1_${packageVersion}_${architecture}.deb`), {
      Package: 'libshopstock1',
      Architecture: architecture,
      Version: packageVersion,
      Section: 'libs',
      Description: "the shop's shelves",
    }),
    symbols: await buildPackage(
      symbolsRoot,
      join(folder, `libshopstock1-dbgsym_${packageVersion}_${architecture}.ddeb`),
      {
        Package: 'libshopstock1-dbgsym',
        Architecture: architecture,
        Version: packageVersion,
        Section: 'debug',
        'Auto-Built-Package': 'debug-symbols',
        'Build-Ids': Object.values(buildIds).join(' '),
        Depends: `libshopstock1 (= ${packageVersion})`,
        Description: 'debug symbols for libshopstock1',
      },
    ),
    line: mark => text.split('\n').findIndex(line => line.endsWith(`/* at: ${mark} */`)) + 1,
  };
}

interface BuiltLibrary {
  /** Name in the directory of libraries. */
  readonly file: string;
  readonly debug: string;
  readonly buildId: string;
}

/** Compiled with debug information, which then goes into a file of its own (objcopy(1), `--only-keep-debug`). */
async function buildLibrary(
  work: string,
  libraries: string,
  name: string,
  others: readonly string[],
): Promise<BuiltLibrary> {
  const file = `lib${name}.so.1.0`;
  const built = join(libraries, file);
  const debug = join(work, `${name}.debug`);
  const flags = [
    '-g',
    '-O1',
    '-fno-omit-frame-pointer',
    '-fPIC',
    '-shared',
    '-Wl,--build-id',
    `-Wl,-soname,lib${name}.so.1`,
  ];
  await run('gcc', [...flags, '-o', built, `${name}.c`, ...others], { cwd: work });
  await run('objcopy', ['--only-keep-debug', built, debug]);
  await run('objcopy', ['--strip-unneeded', built]);
  await symlink(file, join(libraries, `lib${name}.so.1`));
  return { file, debug, buildId: await readBuildId(built) };
}

async function readBuildId(path: string): Promise<string> {
  const found = /Build ID: ([0-9a-f]+)/.exec((await run('readelf', ['-n', path])).stdout)?.[1];
  if (found === undefined) throw new Error(`${basename(path)} has no build-id`);
  return found;
}

async function buildPackage(root: string, path: string, fields: Readonly<Record<string, string>>): Promise<string> {
  const control = Object.entries({ ...fields, Maintainer: 'Shop <shop@shop.example>' });
  await mkdir(join(root, 'DEBIAN'));
  await writeFile(join(root, 'DEBIAN/control'), control.map(([name, value]) => `${name}: ${value}\n`).join(''));
  // A library that ldconfig knows is found by its bare name.
  if (path.endsWith('.deb')) await writeFile(join(root, 'DEBIAN/triggers'), 'activate-noawait ldconfig\n');
  await run('dpkg-deb', ['--build', '--root-owner-group', '-Zxz', root, path]);
  return path;
}
