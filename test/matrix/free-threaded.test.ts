import { beforeAll, describe, expect, test } from 'vitest';
import { makeLayout } from '../../scripts/layout/make-layout.ts';
import { makeTaskLayout } from '../../scripts/layout/make-task-layout.ts';
import { buildOf, type Layout } from '../../src/python/layout.ts';
import { freeThreadedLayouts } from '../../src/python/layouts/index.ts';
import { loadedModules } from '../../src/python/loaded-modules.ts';
import { findRuntime, listThreads } from '../../src/python/runtime.ts';
import type { PythonTarget } from '../../src/python/target.ts';
import type { TaskLayout } from '../../src/python/tasks/task-layout.ts';
import { taskLayouts } from '../../src/python/tasks/task-layouts.ts';
import { listTasks } from '../../src/python/tasks/task-list.ts';
import { taskModules } from '../../src/python/tasks/tasks.ts';
import { analyzeTarget, misquoted, takeCore } from '../support/analyze-target.ts';
import {
  type FreeThreadedVersion,
  freeThreadedVersions,
  minorOf,
  prepareFreeThreaded,
  requireFreeThreaded,
} from '../support/free-threaded.ts';
import type { Interpreter } from '../support/interpreters.ts';
import { wrongIn } from '../support/judge-report.ts';
import { openTarget } from '../support/open-target.ts';
import { startTarget, targetPrograms } from '../support/targets.ts';
import { startTaskTarget } from '../support/task-target.ts';

/** Of the word that starts with `int32_t tlbc_index`. */
const indexBits = 0xffff_ffffn;

/** One of each kind; what says that somebody waits for the GIL has nothing to say here. */
const kinds = /^(?:several|busy_loop|chain_|deadlock_|event_lost|idle_|join_deadlock|near_stale|queue_wait|recv_)/;
const programs = targetPrograms.filter(name => kinds.test(name));

// mimalloc sets a GiB aside unless told otherwise, and gcore writes every byte of it.
process.env['MIMALLOC_ARENA_RESERVE'] = '64MiB';

beforeAll(() => prepareFreeThreaded(freeThreadedVersions), 1_800_000);

test('each free-threaded CPython that has a table is tried', () => {
  expect(freeThreadedLayouts.map(buildOf)).toEqual(freeThreadedVersions);
});

describe.each(freeThreadedVersions)('on CPython %s', version => {
  test('has the tables that are made of it again', context => {
    const built = requireFreeThreaded(version, context);
    const { table, tasks } = tablesOf(version);
    const isSameRelease = built.version === table.source.version;
    expect(comparable(makeLayout(built), isSameRelease)).toEqual(comparable(table, isSameRelease));
    expect(comparableTasks(makeTaskLayout(built), isSameRelease)).toEqual(comparableTasks(tasks, isSameRelease));
  });

  test.concurrent.for(programs)('%s is judged as its source says, and nobody has a GIL', async (program, context) => {
    await using target = await startTarget(program, interpreterOf(version, context));
    const { report, core, remove } = await analyzeTarget(target);
    try {
      expect(wrongIn(report, target.truth)).toEqual([]);
      expect(await misquoted(report, core)).toEqual([]);
      expect(report.threads.filter(({ gil }) => gil !== 'none')).toEqual([]);
      expect(report.interpreters?.map(({ gil }) => gil)).toEqual([undefined]);
    } finally {
      remove();
    }
  });

  test('its tasks stand where the program says itself', async context => {
    await using target = await startTaskTarget('waits', interpreterOf(version, context));
    const { report, remove } = await analyzeTarget(target, { native: false });
    remove();
    expect(report.findings).toEqual([]);
    expect(report.gaps.filter(({ what }) => what.includes('task'))).toEqual([]);
    for (const { name, stack } of target.tasks) {
      const same = report.tasks?.filter(task => JSON.stringify(task.stack) === JSON.stringify(stack)) ?? [];
      expect(
        same.map(task => task.name),
        JSON.stringify(stack),
      ).toContain(name);
    }
  });
});

test('tasks of a release with other structures are found where its module says', async context => {
  await using target = await startTaskTarget('waits', interpreterOf('3.14t', context));
  const { path, remove } = await takeCore(target.pid);
  const opened = await openTarget(path, remove);
  try {
    const { layout, places, heap } = taskPlaces(opened.target);
    const { lists } = layout;
    if (lists === undefined) throw new Error('no lists in 3.14t');
    const moved = { ...lists, thread: lists.thread + 16, interpreter: lists.interpreter - 328 };
    const found = listTasks(heap, { ...layout, lists: moved }, places);
    expect(found.stopped).toEqual([]);
    expect(found).toEqual(listTasks(heap, layout, places));
    expect(found.tasks.length).toBeGreaterThan(target.tasks.length);
  } finally {
    opened.close();
  }
});

test('a frame that runs a copy of its code that is not there ends the stack of its thread alone', async context => {
  const { frame: layout } = tablesOf('3.14t').table;
  const copy = layout.shape === 'interpreter-frame' ? layout.copy : undefined;
  if (copy === undefined) throw new Error('no copies in 3.14t');
  await using target = await startTarget('deadlock_ab', interpreterOf('3.14t', context));
  const { path, remove } = await takeCore(target.pid);
  const opened = await openTarget(path, remove);
  try {
    const { threads, gaps } = opened.read();
    expect(gaps).toEqual([]);
    const places = threads.map(({ lwp, frames: [frame] }) => {
      const address = (frame?.address ?? 0n) + BigInt(copy);
      return { lwp, address, word: opened.target.memory.read(address, 8).readBigUInt64LE() };
    });
    // Each thread has an index of its own; the main thread's is 0, which is the code object's bytecode.
    expect(new Set(places.map(({ word }) => word & indexBits)).size).toBe(threads.length);
    const [changed] = places.filter(({ word }) => (word & indexBits) !== 0n);
    if (changed === undefined) throw new Error('every thread runs the code of the first');
    const damaged = opened.read([[changed.address, (changed.word & ~indexBits) | 0x7fffn]]);
    expect(damaged.gaps.map(({ why }) => why).join()).toMatch(/copies of its bytecode, expected one of index 32767/);
    for (const { lwp, frames } of threads) {
      const now = damaged.threads.find(thread => thread.lwp === lwp);
      expect(now?.frames.map(({ line }) => line)).toEqual(lwp === changed.lwp ? [] : frames.map(({ line }) => line));
    }
  } finally {
    opened.close();
  }
});

function interpreterOf(version: FreeThreadedVersion, context: Parameters<typeof requireFreeThreaded>[1]): Interpreter {
  return { version: minorOf(version), path: requireFreeThreaded(version, context).executable };
}

function tablesOf(version: FreeThreadedVersion): { readonly table: Layout; readonly tasks: TaskLayout } {
  const table = freeThreadedLayouts.find(layout => buildOf(layout) === version);
  const tasks = taskLayouts.find(({ minor }) => minor === version);
  if (table === undefined || tasks === undefined) throw new Error(`no tables of ${version}`);
  return { table, tasks };
}

/**
 * Releases of one minor differ in the allocator that lies inside `PyInterpreterState`, from 3.14.7 to 3.14.10 for one:
 * how large the runtime is, which nobody asks, and where an interpreter's list of tasks lies, which the process says.
 */
function comparable(layout: Layout, isSameRelease: boolean): object {
  const { source: _, runtime, ...rest } = layout;
  return { ...rest, runtime: isSameRelease ? runtime : { ...runtime, size: 0 } };
}

function comparableTasks(layout: TaskLayout, isSameRelease: boolean): object {
  const { source: _, lists, ...rest } = layout;
  return { ...rest, lists: isSameRelease || lists === undefined ? lists : { ...lists, interpreter: 0 } };
}

function taskPlaces(target: PythonTarget) {
  const search = findRuntime(target);
  const interpreter = search.status === 'found' ? search.runtime.interpreters.at(-1) : undefined;
  if (search.status !== 'found' || interpreter === undefined) throw new Error('no Python in the core');
  const { heap } = search.runtime;
  const modules = loadedModules(heap, { address: interpreter }, taskModules);
  const { threads } = listThreads(heap, interpreter);
  const module = modules.get('asyncio.tasks') ?? 0n;
  const places = { module, extension: modules.get('_asyncio'), interpreter, threads, none: undefined };
  return { layout: tablesOf('3.14t').tasks, places, heap };
}
