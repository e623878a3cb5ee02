/**
 * Makes `src/python/greenlets/greenlet-layouts.ts`: from interpreters with DWARF (under pyenv, or one in a root filesystem), and
 * from the wheels of greenlet for them, which carry DWARF and which pip downloads. Versions that are not named keep
 * their tables.
 * Usage: node scripts/layout/make-greenlets.ts 2.7 3.11 3.14=ROOT …
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GcLayout, GreenletLayout } from '../../src/python/greenlets/greenlet-layout.ts';
import { gcLayouts, greenletLayouts } from '../../src/python/greenlets/greenlet-layouts.ts';
import { findInterpreter, interpreterIn } from './interpreter.ts';
import { makeGcLayout, makeGreenletTable } from './make-greenlet-layout.ts';

/** The last release of each minor one. */
const releases = ['0.4.17', '1.0.0', '1.1.3', '2.0.2', '3.0.3', '3.1.1', '3.2.5', '3.3.2', '3.4.0', '3.5.6'];

const heads = new Map<string, GcLayout>(gcLayouts.map(table => [table.minor, table]));
const tables = new Map<string, readonly GreenletLayout[]>(
  gcLayouts.map(({ minor }) => [minor, greenletLayouts.filter(table => table.minor === minor)]),
);
for (const wanted of process.argv.slice(2)) {
  const [minor = '', root] = wanted.split('=', 2);
  const interpreter = root === undefined ? findInterpreter(minor) : interpreterIn(root, minor);
  if (!interpreter) throw new Error(`no Python ${minor} ${root === undefined ? 'under pyenv' : `in ${root}`}`);
  heads.set(minor, makeGcLayout(interpreter));
  tables.set(minor, tablesOf(minor));
  console.log(
    `${minor}: ${tables
      .get(minor)
      ?.map(({ releases: range }) => range.join(' to '))
      .join(', ')}`,
  );
}

const ascending = [...heads.keys()].sort((left, right) => left.localeCompare(right, 'en', { numeric: true }));
writeFileSync(
  new URL('../../src/python/greenlets/greenlet-layouts.ts', import.meta.url),
  [
    '// Made by scripts/layout/make-greenlets.ts.',
    "import type { GcLayout, GreenletLayout } from './greenlet-layout.ts';",
    '',
    '/** One table a CPython minor, ascending. */',
    `export const gcLayouts: readonly GcLayout[] = ${json(ascending.map(minor => heads.get(minor)))};`,
    '',
    '/** By CPython minor, then by release of greenlet, ascending. */',
    `export const greenletLayouts: readonly GreenletLayout[] = ${json(ascending.flatMap(minor => tables.get(minor) ?? []))};`,
    '',
  ].join('\n'),
);

/** One table for all releases in a row that have the same. */
function tablesOf(minor: string): readonly GreenletLayout[] {
  const found: GreenletLayout[] = [];
  for (const version of releases) {
    const made = withWheel(minor, version, library => makeGreenletTable(minor, library));
    if (made === undefined) continue;
    const release = version.replace(/\.\d+$/, '');
    const { releases: range, source, ...before } = found.at(-1) ?? { releases: undefined, source: undefined };
    if (range === undefined || json(before) !== json(made)) {
      const { minor: own, ...offsets } = made;
      const structures = 'DWARF of the wheels of greenlet';
      found.push({ minor: own, ...offsets, releases: [release, release], source: { versions: [version], structures } });
      continue;
    }
    found.splice(-1, 1, {
      ...made,
      releases: [range[0], release],
      source: { ...source, versions: [...source.versions, version] },
    });
  }
  return found;
}

/** What is made of the extension module in a wheel; undefined where there is no wheel of that release. */
function withWheel<T>(minor: string, version: string, make: (library: string) => T): T | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'greenlet-'));
  try {
    const platforms = [
      'manylinux1',
      'manylinux2010',
      'manylinux2014',
      'manylinux_2_17',
      'manylinux_2_24',
      'manylinux_2_28',
    ];
    const options = ['--quiet', '--no-deps', '--only-binary=:all:', '--python-version', minor];
    const abi = minor === '2.7' ? ['--implementation', 'cp', '--abi', 'cp27mu'] : [];
    const accepted = platforms.flatMap(platform => ['--platform', `${platform}_x86_64`]);
    const command = [
      '-m',
      'pip',
      'download',
      ...options,
      ...abi,
      ...accepted,
      '--dest',
      folder,
      `greenlet==${version}`,
    ];
    const { status } = spawnSync('python3', command);
    const wheel = readdirSync(folder).find(name => name.endsWith('.whl'));
    if (status !== 0 || wheel === undefined) return undefined;
    spawnSync('python3', ['-m', 'zipfile', '--extract', join(folder, wheel), folder]);
    const library = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find(name =>
      /^(?:greenlet\/_)?greenlet(?:\.[^/]*)?\.so$/.test(name),
    );
    if (library === undefined) throw new Error(`${wheel} has no extension module`);
    return make(join(folder, library));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function json(value: unknown): string {
  return JSON.stringify(value, undefined, 2);
}
