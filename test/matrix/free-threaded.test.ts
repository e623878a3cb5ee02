import { describe, expect, test } from 'vitest';
import { findInterpreter } from '../../scripts/layout/interpreter.ts';
import { makeLayout } from '../../scripts/layout/make-layout.ts';
import { makeTaskLayout } from '../../scripts/layout/make-task-layout.ts';
import { buildOf } from '../../src/python/layout.ts';
import { freeThreadedLayouts } from '../../src/python/layouts/index.ts';
import { taskLayouts } from '../../src/python/tasks/task-layouts.ts';
import { analyzeTarget, misquoted } from '../support/analyze-target.ts';
import type { Interpreter, PythonVersion } from '../support/interpreters.ts';
import { wrongIn } from '../support/judge-report.ts';
import { startTarget, targetPrograms } from '../support/targets.ts';

const versions = freeThreadedLayouts.map(buildOf);

/** One of each kind; what says that somebody waits for the GIL has nothing to say here. */
const kinds = /^(?:several|busy_loop|chain_|deadlock_|event_lost|idle_|join_deadlock|near_stale|queue_wait|recv_)/;
const programs = targetPrograms.filter(name => kinds.test(name));

// No distribution packages these builds: `pyenv install 3.13t`, with debug information, makes one.
describe.each(versions)('on CPython %s', version => {
  const built = findInterpreter(version);

  test.skipIf(built === undefined)('has the tables that are made of it again', () => {
    const table = freeThreadedLayouts.find(layout => buildOf(layout) === version);
    const tasks = taskLayouts.find(({ minor }) => minor === version);
    if (built === undefined || table === undefined || tasks === undefined) throw new Error(`no CPython ${version}`);
    expect({ ...makeLayout(built), source: table.source }).toEqual(table);
    expect({ ...makeTaskLayout(built), source: tasks.source }).toEqual(tasks);
  });

  test.skipIf(built === undefined).concurrent.for(programs)(
    '%s is judged as its source says, and nobody has a GIL',
    async program => {
      const interpreter = asInterpreter(built, version);
      await using target = await startTarget(program, interpreter);
      const { report, core, remove } = await analyzeTarget(target, interpreter);
      try {
        expect(wrongIn(report, target.truth)).toEqual([]);
        expect(await misquoted(report, core)).toEqual([]);
        expect(report.threads.filter(({ gil }) => gil !== 'none')).toEqual([]);
        expect(report.interpreters?.map(({ gil }) => gil)).toEqual([undefined]);
      } finally {
        remove();
      }
    },
  );
});

function asInterpreter(built: ReturnType<typeof findInterpreter>, version: string): Interpreter {
  if (built === undefined) throw new Error(`no CPython ${version} under pyenv`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `3.13t` is one of the versions with a letter more
  return { version: version.slice(0, -1) as PythonVersion, path: built.executable };
}
