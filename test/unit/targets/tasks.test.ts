import { array, assert, bigInt, nat, oneof, property, tuple } from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, TestRunner, test } from 'vitest';
import { findInterpreter as findWithDwarf, interpreterIn } from '../../../scripts/layout/interpreter.ts';
import { makeTaskLayout } from '../../../scripts/layout/make-task-layout.ts';
import { indexElfFiles } from '../../../src/corefile/index-files.ts';
import type { Memory } from '../../../src/corefile/memory.ts';
import { withModuleFiles } from '../../../src/corefile/module-memory.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { readModuleSymbols } from '../../../src/corefile/symbols.ts';
import type { PythonProcess, PythonTask } from '../../../src/python/process.ts';
import { readPython } from '../../../src/python/read-python.ts';
import { findRuntime } from '../../../src/python/runtime.ts';
import type { PythonTarget } from '../../../src/python/target.ts';
import { taskLayouts } from '../../../src/python/task-layouts.ts';
import { renderHtml } from '../../../src/report/render-html.ts';
import { renderMarkdown } from '../../../src/report/render-markdown.ts';
import { renderText } from '../../../src/report/render-text.ts';
import type { ReportTask } from '../../../src/report/schema.ts';
import { analyzeTarget, takeCore } from '../../support/analyze-target.ts';
import { captureCore } from '../../support/cores.ts';
import {
  findInterpreter,
  prepareInterpreters,
  pythonVersions,
  requireInterpreter,
} from '../../support/interpreters.ts';
import { startTaskTarget } from '../../support/task-target.ts';

const versions = pythonVersions.filter(version => version !== '2.7' && version !== '3.6');

// The only version that may have to be built.
beforeAll(() => prepareInterpreters(['3.14']));

test.each(versions)(
  'the tasks of CPython %s stand where it says itself, and an idle server with them causes no finding',
  async version => {
    const interpreter = requireInterpreter(version);
    await using target = await startTaskTarget('waits', interpreter);
    const { report, remove } = await analyzeTarget(target, {
      native: false,
      ...(interpreter.root !== undefined && { root: interpreter.root }),
    });
    remove();
    expect(report.findings).toEqual([]);
    expect(report.gaps.filter(({ what }) => what.includes('task'))).toEqual([]);
    const tasks = report.tasks ?? [];
    // The program's own, the one that `gather` made, and the main one.
    expect(tasks).toHaveLength(target.tasks.length + 2);
    for (const { name, stack } of target.tasks) {
      const same = tasks.filter(task => JSON.stringify(task.stack) === JSON.stringify(stack));
      expect(same.length, `${name}: ${JSON.stringify(stack)}`).toBeGreaterThan(0);
      // Tasks have names from 3.8 on.
      expect(same.map(task => task.name)).toContain(version === '3.7' ? undefined : name);
    }
    for (const task of tasks) expect(task).toMatchObject({ kind: 'asyncio', lwp: target.lwp, state: 'waiting' });
    expect(awaitsOf(tasks, 'nested', version)).toBe('asyncio.sleep (7200.5 s)');
    expect(awaitsOf(tasks, 'reads_stream', version)).toMatch(
      /^asyncio\.StreamReader\.readline from 127\.0\.0\.1:\d+ \(descriptor \d+\)$/,
    );
    // 3.7 keeps the descriptor in the callback alone.
    expect(awaitsOf(tasks, 'reads_socket', version)).toMatch(
      version === '3.7' ? /^asyncio\.loop\.sock_recv$/ : /^asyncio\.loop\.sock_recv \(descriptor \d+\)$/,
    );
    expect(awaitsOf(tasks, 'takes', version)).toBe('asyncio.Lock.acquire');
    expect(awaitsOf(tasks, 'gets', version)).toBe('asyncio.Queue.get');
    expect(awaitsOf(tasks, 'Channel.messages', version)).toBe('asyncio.Event.wait');
    expect(awaitsOf(tasks, 'old_style', version)).toBe('asyncio.sleep (5000 s)');
    if (version === '3.7') return;
    expect(awaitsOf(tasks, 'waits_for_task', version)).toBe('task "sleeps"');
    expect(awaitsOf(tasks, 'waits_for_all', version)).toMatch(
      /^gather of 2, not done: task "sleeps", task "Task-\d+"$/,
    );
  },
);

/** Of the task whose innermost code outside of asyncio is a function. */
function awaitsOf(tasks: readonly ReportTask[], name: string, version: string): string | undefined {
  const found = tasks.filter(
    ({ stack }) => stack.find(({ file }) => !file.includes(`/python${version}/asyncio/`))?.function === name,
  );
  expect(found.length, name).toBeGreaterThan(0);
  return found[0]?.awaits;
}

test.each(['3.9', '3.11', '3.13'] as const)(
  'on CPython %s the task that blocks its loop comes first, with the thread that runs it',
  async version => {
    await using target = await startTaskTarget('blocked', requireInterpreter(version));
    const { report, remove } = await analyzeTarget(target, { native: false });
    remove();
    const [first, ...others] = report.tasks ?? [];
    expect(first).toMatchObject({ name: 'careless', state: 'running', lwp: target.lwp });
    expect(first?.stack.map(({ function: name }) => name)).toEqual(['blocking_call', 'handler', 'careless']);
    expect(first).not.toHaveProperty('awaits');
    expect(others.map(({ name, state }) => [name, state])).toEqual([
      ['lock', 'waiting'],
      [expect.stringMatching(/^Task-\d+$/), 'waiting'],
      ['polls', 'ready'],
    ]);
    expect(report.findings.map(({ class: kind }) => kind)).toEqual(['sleep']);
    const text = renderText(report);
    expect(text).toContain(`event loop of thread ${target.lwp}: 4 tasks`);
    expect(text).toContain('careless: blocking_call (blocked.py:');
    expect(text).toContain(`runs on thread ${target.lwp}`);
    for (const rendered of [renderMarkdown(report), renderHtml(report)]) expect(rendered).toContain('Suspended work');
  },
);

test.each(['3.8', '3.12', '3.14'] as const)(
  'on CPython %s tasks are told by event loop, with its thread',
  async version => {
    const interpreter = requireInterpreter(version);
    await using target = await startTaskTarget('two_loops', interpreter);
    const { report, remove } = await analyzeTarget(target, {
      native: false,
      ...(interpreter.root !== undefined && { root: interpreter.root }),
    });
    remove();
    const of = (name: string) => report.tasks?.filter(task => task.stack.at(-1)?.function === name) ?? [];
    const [first] = of('in_main');
    const [second] = of('in_thread');
    expect(of('in_main')).toHaveLength(1);
    expect(of('in_thread')).toHaveLength(1);
    expect(first?.lwp).toBe(target.lwp);
    expect(second?.lwp).toBe(report.threads.find(({ lwp }) => lwp !== target.lwp)?.lwp);
    expect(second).toHaveProperty('loop');
    expect(second?.loop).not.toBe(first?.loop);
    for (const task of [first, second])
      expect(renderText(report)).toMatch(new RegExp(`event loop of thread ${task?.lwp}: \\d tasks?\n`));
    expect(report.findings).toEqual([]);
  },
);

test('where gevent is loaded, a gap says that greenlets are not read', async () => {
  const program =
    'import sys, time, types; sys.modules["gevent.hub"] = types.ModuleType("gevent.hub"); print(1, flush=True); time.sleep(600)';
  const { path, remove } = await captureCore([requireInterpreter('3.11').path, '-c', program]);
  const core = await openTarget(path, remove);
  const { gaps } = core.read();
  core.close();
  expect(gaps.map(({ what }) => what)).toContain('greenlets');
});

test('of very many tasks the first thousand are read, those that stand alike are one line, and the rest is a gap', async () => {
  await using target = await startTaskTarget('many', requireInterpreter('3.11'), ['5000']);
  const { report, remove } = await analyzeTarget(target, { native: false });
  remove();
  expect(report.tasks).toHaveLength(1000);
  expect(report.gaps).toContainEqual({
    what: 'asyncio tasks',
    why: 'there are more than 1000: the others were left out',
  });
  expect(renderText(report)).toMatch(
    /\d{3,4} tasks \(Task-\d+, .*, …\): handler \(many\.py:\d+\) awaits asyncio\.Event\.wait/,
  );
});

describe.each(['3.10', '3.11', '3.13', '3.14'] as const)('a core of CPython %s with damage', version => {
  let core: OpenedTarget;
  const opened: OpenedTarget[] = [];

  beforeAll(async () => {
    const interpreter = findInterpreter(version);
    if (interpreter === undefined) return;
    await using target = await startTaskTarget('waits', interpreter);
    const { path, remove } = await takeCore(target.pid, interpreter);
    core = await openTarget(path, remove, interpreter.root);
    opened.push(core);
  });
  afterAll(() => {
    for (const each of opened) each.close();
  });
  beforeEach(() => void requireInterpreter(version));

  test('a list of tasks that is damaged ends there, and a gap names it', () => {
    const whole = core.read();
    const { table, back, name } = listWords(core.target, whole.tasks ?? []);
    const damaged = core.read([[back ?? table, 0x10n]]);
    expect(damaged.tasks?.length ?? 0).toBeLessThan(whole.tasks?.length ?? 0);
    expect(damaged.gaps.map(({ what }) => what)).toEqual([
      expect.stringContaining(back === undefined ? name : 'task list'),
    ]);
    expect(damaged.threads).toEqual(whole.threads);
  });

  test('a task that is none is left out, and a gap says so; the others stay', () => {
    const whole = core.read();
    const [task] = whole.tasks ?? [];
    const type = (task?.address ?? 0n) + 8n;
    const damaged = core.read([[type, 0x10n]]);
    expect(damaged.tasks).toHaveLength((whole.tasks?.length ?? 0) - 1);
    expect(gapsOfTasks(damaged)).toEqual([expect.stringMatching(/^1 of 15 could not be read: /)]);
  });

  test('a coroutine that awaits itself ends there, and the task keeps its name', () => {
    const whole = core.read();
    const task = named(whole.tasks, 'nested');
    const { coroutine, slot } = awaitedSlot(core.target.memory, version, task.address);
    const damaged = core.read([[slot, coroutine]]);
    expect(named(damaged.tasks, 'nested')).toMatchObject({ stack: [], state: 'waiting' });
    expect(gapsOfTasks(damaged)).toEqual([expect.stringContaining('awaits itself')]);
  });

  test('whatever word of what was read is another one, reading ends, and at most the limit of tasks comes out', () => {
    const read = core.addresses();
    assert(
      property(
        array(tuple(nat(read.length - 1), oneof(bigInt(0n, (1n << 64n) - 1n), nat(read.length - 1))), {
          minLength: 1,
          maxLength: 3,
        }),
        changes => {
          const { tasks = [] } = core.read(
            changes.map(([at, value]) => [read[at] ?? 0n, typeof value === 'bigint' ? value : (read[value] ?? 0n)]),
          );
          expect(tasks.length).toBeLessThanOrEqual(1000);
          for (const { stack } of tasks) expect(stack.length).toBeLessThanOrEqual(64);
        },
      ),
      { numRuns: 60, seed: 7 },
    );
  });

  test('without the files of its modules the tasks are the same', () => {
    expect(told(core.readBare().tasks)).toEqual(told(core.read().tasks));
  });
});

test.each(versions)('the table of the tasks of CPython %s is what its DWARF says', version => {
  const { root } = requireInterpreter(version);
  const interpreter = root === undefined ? findWithDwarf(version) : interpreterIn(root, version);
  if (interpreter === undefined) return TestRunner.getCurrentTest()?.context.skip(`no CPython ${version} with DWARF`);
  return expect(taskLayouts.find(({ minor }) => minor === version)).toEqual(makeTaskLayout(interpreter));
});

type OpenedTarget = Awaited<ReturnType<typeof openTarget>>;

type Word = readonly [address: bigint, value: bigint];

/** A core opened for the walker alone, which can be given words that are not what the core holds. */
async function openTarget(path: string, remove: () => void, root?: string) {
  const core = await openCore(path);
  const found = readModules(core);
  const modules = resolveModules(found, indexElfFiles(root === undefined ? [] : [`${root}/usr`]), {
    localPaths: root === undefined,
    searched: [],
  });
  const memory = withModuleFiles(core.memory, modules);
  const symbol: PythonTarget['symbol'] = (module, name) => readModuleSymbols(module, memory).find(name)?.address;
  const target: PythonTarget = { memory, core, modules, symbol };
  const read = (seen: Memory, also: Partial<PythonTarget> = {}) => {
    const python = readPython({ ...target, ...also, memory: seen });
    if (python === undefined) throw new Error('no Python in the core');
    return python;
  };
  return {
    target,
    read: (changes: readonly Word[] = []) => read(changed(memory, changes)),
    readBare: () => read(core.memory, { modules: found }),
    /** Of each word that is read beyond what finding the interpreters takes. */
    addresses: () => {
      const all = wordsOf(memory, seen => readPython({ ...target, memory: seen }));
      const common = wordsOf(memory, seen => findRuntime({ ...target, memory: seen }));
      return [...all].filter(word => !common.has(word));
    },
    close: () => {
      memory.close();
      core.close();
      remove();
    },
  };
}

function told(tasks: readonly PythonTask[] = []): readonly Partial<PythonTask>[] {
  return tasks.map(({ name, stack, awaits }) => ({
    ...(name !== undefined && { name }),
    stack,
    ...(awaits !== undefined && { awaits }),
  }));
}

/** Addresses of the words that something reads. */
function wordsOf(memory: Memory, act: (seen: Memory) => unknown): ReadonlySet<bigint> {
  const words = new Set<bigint>();
  act({
    read: (address, length) => {
      for (let at = 0; at < Math.min(length, 512); at += 8) words.add((address & ~7n) + BigInt(at));
      return memory.read(address, length);
    },
  });
  return words;
}

/** A view of memory in which some words are others. */
function changed(memory: Memory, words: readonly Word[]): Memory {
  if (words.length === 0) return memory;
  return {
    read: (address, length) => {
      const bytes = Buffer.from(memory.read(address, length));
      for (const [at, value] of words) {
        const word = Buffer.alloc(8);
        word.writeBigUInt64LE(value);
        for (const [index, byte] of word.entries()) {
          const offset = at + BigInt(index) - address;
          if (offset >= 0n && offset < BigInt(length)) bytes[Number(offset)] = byte;
        }
      }
      return bytes;
    },
  };
}

/** A task's coroutine, and the word of its frame that holds the coroutine that it awaits. */
function awaitedSlot(memory: Memory, version: string, task: bigint): { coroutine: bigint; slot: bigint } {
  const layout = taskLayouts.find(({ minor }) => minor === version);
  if (layout === undefined) throw new Error('no layout');
  const word = (address: bigint) => memory.read(address, 8).readBigUInt64LE();
  const coroutine = word(task + BigInt(layout.task.coroutine));
  const type = word(coroutine + 8n);
  const inside = coroutine + BigInt(layout.generator.frame);
  const frame = layout.generator.state === undefined ? word(inside) : inside;
  for (let slot = frame + 16n; slot < frame + 640n; slot += 8n) {
    const value = word(slot);
    const held = value & ~3n;
    if (held === coroutine || held < 0x1_0000n || held > 0x7fff_ffff_ffffn) continue;
    try {
      if (word(held + 8n) === type) return { coroutine, slot };
    } catch {
      // No address.
    }
  }
  throw new Error('the coroutine awaits no other');
}

/** Where the sets and lists of tasks can be damaged: the set's table; a node's way back, where there are lists. */
function listWords(target: PythonTarget, tasks: readonly PythonTask[]) {
  const search = findRuntime(target);
  if (search.status !== 'found') throw new Error('no Python in the core');
  const { heap, interpreters } = search.runtime;
  const layout = taskLayouts.find(({ minor }) => minor === heap.layout.minor);
  const modules = heap.item(heap.pointer((interpreters[0] ?? 0n) + BigInt(heap.layout.interpreter.sysDict)), 'modules');
  const module = heap.item(modules ?? 0n, 'asyncio.tasks') ?? 0n;
  const name = heap.attribute(module, '_all_tasks') === undefined ? '_scheduled_tasks' : '_all_tasks';
  const data = heap.attribute(heap.attribute(module, name) ?? 0n, 'data') ?? 0n;
  const lists = layout?.lists;
  const task = tasks.find(each => each.name === 'sleeps')?.address ?? 0n;
  return {
    name,
    table: data + BigInt(layout?.set.table ?? 0),
    back: lists && task + BigInt(lists.node + lists.previous),
  };
}

function named(tasks: readonly PythonTask[] = [], name: string): PythonTask {
  const task = tasks.find(each => each.name === name);
  if (task === undefined) throw new Error(`no task ${name}`);
  return task;
}

function gapsOfTasks({ gaps }: Pick<PythonProcess, 'gaps'>): readonly string[] {
  return gaps.filter(({ what }) => what === 'asyncio tasks').map(({ why }) => why);
}
