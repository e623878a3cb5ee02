/**
 * Makes `src/python/layouts/` from interpreters with DWARF: those installed under pyenv, or one in a root filesystem.
 * Usage: node scripts/layout/make.ts 2.7 3.9 3.13t 3.14=ROOT …
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { findInterpreter, interpreterIn } from './interpreter.ts';
import { makeLayout } from './make-layout.ts';

const folder = new URL('../../src/python/layouts/', import.meta.url);
const tables = () =>
  readdirSync(folder)
    .filter(name => /^\d+\.\d+t?\.ts$/.test(name))
    .map(name => name.slice(0, -3));

for (const wanted of process.argv.slice(2)) {
  const [minor = '', root] = wanted.split('=', 2);
  const interpreter = root === undefined ? findInterpreter(minor) : interpreterIn(root, minor);
  if (!interpreter) throw new Error(`no Python ${minor} ${root === undefined ? 'under pyenv' : `in ${root}`}`);
  const text = `// Made by scripts/layout/make.ts.\nimport type { Layout } from '../layout.ts';\n\nexport const layout: Layout = ${JSON.stringify(makeLayout(interpreter), undefined, 2)};\n`;
  writeFileSync(new URL(`${minor}.ts`, folder), text);
  console.log(`${minor}: ${interpreter.library}`);
}

const sorted = tables().sort((left, right) => left.localeCompare(right, 'en', { numeric: true }));
const isFreeThreaded = (minor: string) => minor.endsWith('t');
const name = (minor: string) => `python${minor.replace('.', '_')}`;
writeFileSync(
  new URL('index.ts', folder),
  [
    '// Made by scripts/layout/make.ts.',
    "import type { Layout } from '../layout.ts';",
    ...sorted.map(minor => `import { layout as ${name(minor)} } from './${minor}.ts';`),
    '',
    '/** One table a CPython minor, ascending. */',
    `export const layouts: readonly Layout[] = [${sorted
      .filter(minor => !isFreeThreaded(minor))
      .map(name)
      .join(', ')}];`,
    '',
    '/** Those of free-threaded builds (PEP 703). */',
    `export const freeThreadedLayouts: readonly Layout[] = [${sorted.filter(isFreeThreaded).map(name).join(', ')}];`,
    '',
  ].join('\n'),
);
