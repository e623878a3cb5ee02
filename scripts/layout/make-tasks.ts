/**
 * Makes `src/python/tasks/task-layouts.ts` from interpreters with DWARF: those installed under pyenv, or one in a root
 * filesystem. Versions that are not named keep their tables.
 * Usage: node scripts/layout/make-tasks.ts 3.7 3.11 3.14=ROOT …
 */
import { writeFileSync } from 'node:fs';
import type { TaskLayout } from '../../src/python/tasks/task-layout.ts';
import { taskLayouts } from '../../src/python/tasks/task-layouts.ts';
import { findInterpreter, interpreterIn } from './interpreter.ts';
import { makeTaskLayout } from './make-task-layout.ts';

const tables = new Map<string, TaskLayout>(taskLayouts.map(table => [table.minor, table]));
for (const wanted of process.argv.slice(2)) {
  const [minor = '', root] = wanted.split('=', 2);
  const interpreter = root === undefined ? findInterpreter(minor) : interpreterIn(root, minor);
  if (!interpreter) throw new Error(`no Python ${minor} ${root === undefined ? 'under pyenv' : `in ${root}`}`);
  tables.set(minor, makeTaskLayout(interpreter));
  console.log(`${minor}: ${interpreter.library}`);
}

const ascending = [...tables.values()].sort((left, right) =>
  left.minor.localeCompare(right.minor, 'en', { numeric: true }),
);
writeFileSync(
  new URL('../../src/python/tasks/task-layouts.ts', import.meta.url),
  [
    '// Made by scripts/layout/make-tasks.ts.',
    "import type { TaskLayout } from './task-layout.ts';",
    '',
    '/** One table a CPython minor, ascending. */',
    `export const taskLayouts: readonly TaskLayout[] = ${JSON.stringify(ascending, undefined, 2)};`,
    '',
  ].join('\n'),
);
