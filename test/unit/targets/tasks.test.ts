import { assert, property } from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, TestRunner, test } from 'vitest';
import { findInterpreter as findWithDwarf, interpreterIn } from '../../../scripts/layout/interpreter.ts';
import { makeTaskLayout } from '../../../scripts/layout/make-task-layout.ts';
import type { Memory } from '../../../src/corefile/memory.ts';
import type { PythonProcess, PythonTask } from '../../../src/python/process.ts';
import { findRuntime } from '../../../src/python/runtime.ts';
import type { PythonTarget } from '../../../src/python/target.ts';
import { taskLayouts } from '../../../src/python/tasks/task-layouts.ts';
import { renderHtml } from '../../../src/report/render-html.ts';
import { renderMarkdown } from '../../../src/report/render-markdown.ts';
import { renderText } from '../../../src/report/render-text.ts';
import type { Report, ReportTask } from '../../../src/report/schema.ts';
import { analyzeTarget, misquoted, takeCore } from '../../support/analyze-target.ts';
import { changesOf } from '../../support/changed-memory.ts';
import {
  findInterpreter,
  type PythonVersion,
  prepareInterpreters,
  pythonVersions,
  requireInterpreter,
} from '../../support/interpreters.ts';
import { type OpenedTarget, openTarget } from '../../support/open-target.ts';
import { pythonPackages } from '../../support/python-packages.ts';
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
    expect(report.findings).toMatchObject([
      { class: 'sleep', summary: expect.stringContaining('it blocks the event loop of 3 tasks') },
    ]);
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

test.each(['3.7', '3.8', '3.10', '3.11', '3.12', '3.14'] as const)(
  'on CPython %s it is told for whom a task waits: who has a lock, what a group has, which thread works for it',
  async version => {
    const interpreter = requireInterpreter(version);
    await using target = await startTaskTarget('relations', interpreter);
    const { report, remove } = await analyzeTarget(target, {
      native: false,
      ...(interpreter.root !== undefined && { root: interpreter.root }),
    });
    remove();
    const tasks = report.tasks ?? [];
    // Tasks have names from 3.8 on: before, they are told apart by where they stand.
    const awaits = (name: string) => {
      const stack = JSON.stringify(target.tasks.find(task => task.name === name)?.stack);
      const found = tasks.find(task => JSON.stringify(task.stack) === stack && (task.name ?? name) === name);
      // Numbers of tasks differ by version, members of a set have no order.
      return found?.awaits?.replaceAll(/(Task-|child )\d+/g, '$1N');
    };
    const expected = relationsOf(version, target.worker);
    expect(Object.fromEntries(Object.keys(expected).map(name => [name, awaits(name)]))).toEqual(expected);
    expect(tasks.filter(({ inCycle }) => inCycle === true)).toHaveLength(2);
    // Whom a semaphore is wanted of sleeps, and so does the thread that works for one of them.
    expect(causesOf(report)).toEqual(['deadlock takes_both, takes_both', 'sleep keeps', 'sleep works']);
    const [first, second] = version === '3.7' ? Array(2).fill('without a name') : ['left first', 'right first'];
    const circle = new RegExp(
      `2 tasks wait for each other: "${first}" at takes_both \\(relations\\.py:\\d+\\), "${second}" at takes_both \\(relations\\.py:\\d+\\); 1 more waits for them\\.`,
    );
    expect(renderText(report)).toMatch(circle);
  },
);

/** Class, and where its roots stand. */
function causesOf({ findings }: Report): readonly string[] {
  return findings.map(({ class: kind, roots }) => `${kind} ${roots.map(({ function: name }) => name).join(', ')}`);
}

/** What some tasks of `relations.py` wait for. */
function relationsOf(version: string, worker = 0): Readonly<Record<string, unknown>> {
  const hasNames = version !== '3.7';
  const task = (name: string) => (hasNames ? `task "${name}"` : 'a task');
  const isInline = version === '3.12' || version === '3.14';
  return {
    'left first': `asyncio.Lock.acquire, held by ${task('right first')}`,
    'right first': `asyncio.Lock.acquire, held by ${task('left first')}`,
    semaphore: `asyncio.Semaphore.acquire, held by ${task('keeps')}`,
    waits: `asyncio.wait of 1, not done: ${task('sleeps')}`,
    shields: `${task('sleeps')}, shielded`,
    works: `work of an executor, run by thread ${worker}`,
    notified: 'asyncio.Condition.wait',
    limits: isInline
      ? 'asyncio.sleep (3600 s), within asyncio.wait_for (4000 s)'
      : `asyncio.wait_for (4000 s) for ${task('Task-N')}`,
    // Nobody is inside a block of the lock that the first of these takes; without names they are told apart by nothing.
    ...(hasNames && {
      bare: 'asyncio.Lock.acquire',
      queued: 'work of an executor, for which it has no thread yet',
    }),
    ...(!['3.7', '3.8', '3.10'].includes(version) && {
      groups: `asyncio.TaskGroup of 2, not done: ${task('child N')}, ${task('child N')}`,
    }),
  };
}

test('the tasks of a loop that is compiled are told with its class and its thread', async () => {
  const interpreter = requireInterpreter('3.11');
  const packages = await pythonPackages(interpreter, ['uvloop==0.21.0']);
  await using target = await startTaskTarget('relations', interpreter, ['uvloop'], { packages });
  const { report, remove } = await analyzeTarget(target, { native: false });
  remove();
  const own = report.tasks?.find(({ name }) => name === 'left first');
  expect(own).toMatchObject({ lwp: target.lwp, loopClass: 'uvloop.Loop' });
  expect(renderText(report)).toContain(`event loop of thread ${target.lwp} (uvloop.Loop): `);
  // libuv has the kernel poll for it, by a thread of the process that runs no code of its own.
  expect(causesOf(report)).toEqual(['deadlock takes_both, takes_both', 'sleep keeps', 'sleep works']);
});

/** Paths of the requests that some tasks serve, by address: tasks have names from 3.8 on. */
function requestsOf({ tasks = [] }: Report, addresses: readonly (string | undefined)[] = []): readonly string[] {
  return tasks
    .flatMap(({ address, request }) => (addresses.includes(address) && request ? [request.path] : []))
    .toSorted();
}

/** Analyses a program with tasks, whose evidence must be what the core holds. */
async function analyzeTasks(version: PythonVersion, program: string, mode = '', rests = true) {
  const interpreter = requireInterpreter(version);
  await using target = await startTaskTarget(program, interpreter, mode.split(' '), { rests });
  const { report, core, remove } = await analyzeTarget(target, {
    native: false,
    ...(interpreter.root !== undefined && { root: interpreter.root }),
  });
  try {
    expect(await misquoted(report, core)).toEqual([]);
  } finally {
    remove();
  }
  const [finding] = report.findings;
  return { report, finding, lwp: target.lwp };
}

describe.each(['3.8', '3.11', '3.12', '3.14'] as const)('what hangs in the tasks of CPython %s', version => {
  test('a circle of locks is a deadlock, proven by what was read of each member', async () => {
    const { report, finding, lwp } = await analyzeTasks(version, 'lock_circle');
    expect(report.findings).toHaveLength(1);
    expect(finding).toMatchObject({ class: 'deadlock', confidence: 'proven', victims: [] });
    const roots = finding?.roots ?? [];
    expect(roots.map(({ function: name, lwp: own }) => `${name} ${own}`)).toEqual(Array(3).fill(`take ${lwp}`));
    const members = roots.map(({ task }) => task?.address);
    expect(requestsOf(report, members)).toEqual(['/bill', '/cart', '/stock']);
    expect(requestsOf(report, finding?.tasks)).toEqual(['/list', '/show']);
    // Each edge: the task, its lock, who has that, and where it took it.
    const edges = finding?.evidence.filter(({ text }) => text.includes(' waits for lock 0x')) ?? [];
    expect(edges).toHaveLength(3);
    for (const { text } of edges) expect(text).toMatch(/, held by task .*0x\w+, taken at .*\/lock_circle\.py:\d+$/);
    expect(report.summary).toMatch(/ wait for each other's locks: take \(.*:\d+: `async with lock:`\); 2 tasks wait/);
    expect(report.summary).toContain('; behind them POST /list and POST /show.');
  });

  test('a chain of requests that ends at a silent peer is its fault', async () => {
    const { report, finding, lwp } = await analyzeTasks(version, 'silent_peer', 'lock');
    expect(report.findings).toMatchObject([
      { class: 'blocking-io', confidence: 'likely', roots: [{ function: 'ask', lwp }], victims: [] },
    ]);
    expect(requestsOf(report, finding?.tasks)).toEqual([1, 2, 3, 4, 5].map(number => `/orders/${number}`));
    expect(finding?.summary).toMatch(/, peer 127\.0\.0\.1:\d+, without a limit; 5 tasks wait for it$/);
    expect(report.summary).toMatch(/; request GET \/orders\/0; behind it GET \/orders\/1, .* and 2 more\.$/);
    expect(report.threads.find(thread => thread.lwp === lwp)?.role).toBe('application');
  });

  test('a thread that blocks its event loop stops its tasks', async () => {
    const { report, finding, lwp } = await analyzeTasks(version, 'blocked_loop', 'recv');
    expect(report.findings).toMatchObject([{ class: 'blocking-io', roots: [{ function: 'recv', lwp }], victims: [] }]);
    // The five other handlers and the main task.
    expect(finding?.tasks).toHaveLength(6);
    expect(requestsOf(report, finding?.tasks)).toEqual([0, 1, 2, 3, 4].map(number => `/orders/${number}`));
    expect(finding?.summary).toMatch(/; it blocks the event loop of 6 tasks$/);
    expect(finding?.next).toContain('run_in_executor');
  });

  test('an idle server is silent, whatever its tasks wait for', async () => {
    const { report } = await analyzeTasks(version, 'idle');
    expect(report.findings).toEqual([]);
    expect(report.tasks?.length).toBeGreaterThan(20);
  });

  test('so is one under light load', async () => {
    const { report } = await analyzeTasks(version, 'healthy', '', false);
    expect(report.findings).toEqual([]);
    expect(report.tasks?.length).toBeGreaterThan(3);
  });
});

test.each([
  ['lock_circle', 'joins', 'deadlock proven: joins, joins; 0 behind'],
  ['lock_circle', 'endless', 'deadlock proven: take, take, take; 2 behind'],
  ['lock_circle', 'itself', 'deadlock proven: take; 0 behind'],
  // The request of each, two tasks of each, the one that has the lock sleeps, nobody knows who has it.
  ['silent_peer', 'each', 'blocking-io likely: ask, ask, ask, ask, ask, ask; 0 behind'],
  ['silent_peer', 'gather', `blocking-io likely: ${Array(12).fill('ask').join(', ')}; 6 behind`],
  ['silent_peer', 'sleep', 'sleep proven: query; 5 behind'],
  ['silent_peer', 'bare', 'lock-wait likely: query, query, query, query, query, query; 0 behind'],
  ['blocked_loop', 'sleep', 'sleep proven: sleep; 6 behind'],
  ['blocked_loop', 'lock', 'lock-wait likely: lock; 6 behind'],
  ['blocked_loop', 'event', 'wait-notify proven: event; 6 behind'],
  ['blocked_loop', 'owned', 'sleep proven: keeps; 6 behind'],
])('of the tasks of %s one cause is told: %s', async (program, mode, expected) => {
  const { report } = await analyzeTasks('3.11', program, mode);
  const causes = report.findings.map(({ class: kind, confidence, roots, tasks = [] }) => {
    return `${kind} ${confidence}: ${roots.map(({ function: name }) => name).join(', ')}; ${tasks.length} behind`;
  });
  expect(causes).toEqual([expected]);
});

test.each([
  ['lock_circle', 'limited'],
  ['lock_circle', 'inner'],
  ['lock_circle', 'timeout'],
  ['lock_circle', 'manager'],
  ['silent_peer', 'limited'],
])('tasks of %s that give up by themselves are no cause: %s', async (program, mode) => {
  expect((await analyzeTasks('3.11', program, mode)).report.findings).toEqual([]);
});

describe.each(['3.8', '3.11', '3.13', '3.14'] as const)('a lock of threads in the tasks of CPython %s', version => {
  test('that a suspended task holds is a deadlock of the thread that runs it and waits for it', async () => {
    const { report, finding, lwp } = await analyzeTasks(version, 'thread_locks', 'itself');
    expect(report.findings).toMatchObject([
      { class: 'deadlock', confidence: 'proven', roots: [{ function: 'blocks', lwp }], victims: [] },
    ]);
    expect(finding?.summary).toMatch(
      /for a lock that task "holds" holds, which only this thread can run; it blocks the event loop of 2 tasks$/,
    );
    const held = new RegExp(
      `is held, since .*/thread_locks\\.py:\\d+, by task "holds" 0x\\w+, which thread ${lwp} runs$`,
    );
    expect(finding?.evidence.map(({ text }) => text)).toContainEqual(expect.stringMatching(held));
    expect(renderText(report)).toMatch(/→ python-lock 0x\w+ ← task "holds" of thread \d+\n/);
  });

  test.each(['peer', 'reentrant'])(
    'that a task holds while it waits for a silent peer is the fault of that: %s',
    async mode => {
      const { report, lwp } = await analyzeTasks(version, 'thread_locks', mode);
      const others = report.threads.flatMap(thread => (thread.lwp === lwp ? [] : [thread.lwp]));
      expect(others).toHaveLength(3);
      others.sort((left, right) => left - right);
      expect(report.findings).toMatchObject([
        {
          class: 'blocking-io',
          confidence: 'likely',
          summary: expect.stringMatching(/; 3 threads wait for a lock that it holds$/),
          roots: [{ function: 'ask', lwp, task: { name: 'holds' } }],
          victims: others,
        },
      ]);
    },
  );
});

test.each([
  ['sleep', 'sleep proven: holds'],
  // Which thread does a future's work is read from frames.
  ['worker', 'deadlock likely: work'],
])('of a lock of threads that a task holds while it awaits, one cause is told: %s', async (mode, expected) => {
  const { report } = await analyzeTasks('3.11', 'thread_locks', mode);
  const causes = report.findings.map(({ class: kind, confidence, roots }) => {
    return `${kind} ${confidence}: ${roots.map(({ function: name }) => name).join(', ')}`;
  });
  expect(causes).toEqual([expected]);
});

test('of a lock of threads that a task gives back soon nothing is more than suspected', async () => {
  const { report } = await analyzeTasks('3.11', 'thread_locks', 'turns', false);
  for (const { confidence, next } of report.findings) {
    expect(confidence).toBe('suspected');
    expect(next).not.toContain('bare acquire');
  }
});

test('of a loop that goes on with others a chain is no more than suspected; one that computes blocks it', async () => {
  const turning = await analyzeTasks('3.11', 'silent_peer', 'lock ticks', false);
  expect(turning.report.findings).toMatchObject([{ class: 'blocking-io', confidence: 'suspected' }]);
  const busy = await analyzeTasks('3.11', 'blocked_loop', 'busy', false);
  expect(busy.report.findings).toMatchObject([{ class: 'busy-loop', roots: [{ function: 'busy' }] }]);
  expect(busy.finding?.summary).toMatch(/; it blocks the event loop of 6 tasks$/);
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
      property(changesOf(read), changes => {
        const { tasks = [] } = core.read(changes);
        expect(tasks.length).toBeLessThanOrEqual(1000);
        for (const { stack } of tasks) expect(stack.length).toBeLessThanOrEqual(64);
      }),
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

function told(tasks: readonly PythonTask[] = []): readonly Partial<PythonTask>[] {
  return tasks.map(({ name, stack, awaits }) => ({
    ...(name !== undefined && { name }),
    stack,
    ...(awaits !== undefined && { awaits }),
  }));
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
