import { assert, property } from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { CoreFile } from '../../../src/corefile/core.ts';
import { indexElfFiles } from '../../../src/corefile/index-files.ts';
import type { Memory } from '../../../src/corefile/memory.ts';
import { withModuleFiles } from '../../../src/corefile/module-memory.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { readModuleSymbols } from '../../../src/corefile/symbols.ts';
import type { PythonThread } from '../../../src/python/process.ts';
import { readPython } from '../../../src/python/read-python.ts';
import type { PythonTarget } from '../../../src/python/target.ts';
import { reportSchema } from '../../../src/report/schema.ts';
import { takeCore } from '../../support/analyze-target.ts';
import { changed, changesOf, wordsOf } from '../../support/changed-memory.ts';
import { privateDir } from '../../support/cores.ts';
import { findInterpreter, requireInterpreter } from '../../support/interpreters.ts';
import { runRunbook } from '../../support/run-runbook.ts';
import { startValueTarget } from '../../support/value-target.ts';

const anything = z.looseObject({});

test('variables are in a report when they are asked for, and in no other', async () => {
  const interpreter = requireInterpreter('3.12');
  await using target = await startValueTarget('locals', interpreter, anything);
  const core = await takeCore(target.pid);
  const { dir, remove } = privateDir();
  try {
    const analyze = async (...args: readonly string[]) => {
      const run = await runRunbook(['analyze', core.path, '--no-native', '--state', dir, ...args], { cwd: dir });
      expect(run).toMatchObject({ code: 0, stderr: expect.not.stringContaining('canary') });
      return run.stdout;
    };
    expect(await analyze('--locals')).toMatch(/^ +customer = 'ann'$/m);
    const asked = reportSchema.parse(JSON.parse(await analyze('--locals', '--format', 'json')));
    const frame = asked.threads[0]?.python.find(({ function: name }) => name === 'Cart.checkout.<locals>.settle');
    expect(frame?.locals).toContainEqual({ name: 'amount', value: '12', argument: true });
    expect(frame?.locals).toContainEqual({ name: 'customer', value: "'ann'" });
    const unasked = reportSchema.parse(JSON.parse(await analyze('--format', 'json')));
    expect(unasked.threads.flatMap(({ python }) => python.filter(({ locals }) => locals !== undefined))).toEqual([]);
    expect(JSON.stringify([asked, unasked, await analyze('--locals', '--format', 'html')])).not.toContain('canary');
  } finally {
    remove();
    core.remove();
  }
});

describe.each(['2.7', '3.10', '3.13'] as const)('of a core of CPython %s', version => {
  let opened: Opened | undefined;
  const removals: (() => void)[] = [];

  beforeAll(async () => {
    const interpreter = findInterpreter(version);
    if (interpreter === undefined) return;
    await using target = await startValueTarget('locals', interpreter, anything);
    const { path, remove } = await takeCore(target.pid);
    const core = await openCore(path);
    const modules = resolveModules(readModules(core), indexElfFiles([]), { localPaths: true, searched: [] });
    const memory = withModuleFiles(core.memory, modules);
    const symbols = new Map(modules.map(module => [module, readModuleSymbols(module, memory)]));
    opened = { core, modules, memory, symbol: (module, name) => symbols.get(module)?.find(name)?.address };
    removals.push(
      () => memory.close(),
      () => core.close(),
      remove,
    );
  });
  afterAll(() => {
    for (const remove of removals) remove();
  });
  beforeEach(() => void requireInterpreter(version));

  test('the variables are the same without the files of its modules, but for names of types written in C', () => {
    const whole = given(opened);
    const bare = { ...whole, memory: whole.core.memory, modules: [] };
    const text = JSON.stringify(localsOf(whole)).replaceAll('collections.OrderedDict of', 'dict of');
    expect(JSON.parse(JSON.stringify(localsOf(bare)).replaceAll('collections.OrderedDict of', 'dict of'))).toEqual(
      JSON.parse(text),
    );
    expect(text).toContain("'ann'");
  });

  test('whatever word of what was read is another one, reading ends, and what comes out has its bounds', () => {
    const whole = given(opened);
    const common = wordsOf(whole.memory, memory => localsOf({ ...whole, memory }, false));
    const asked = wordsOf(whole.memory, memory => localsOf({ ...whole, memory }));
    const read = [...asked].filter(word => !common.has(word));
    expect(read.length).toBeGreaterThan(100);
    assert(
      property(changesOf(read), changes => {
        for (const locals of localsOf({ ...whole, memory: changed(whole.memory, changes) })) {
          expect(locals.length).toBeLessThanOrEqual(64);
          for (const { value } of locals) expect(value.length).toBeLessThanOrEqual(4096);
        }
      }),
      { numRuns: 100, seed: 5 },
    );
  });
});

type Opened = Omit<PythonTarget, 'core' | 'memory'> & { readonly core: CoreFile; readonly memory: Memory };

function given(opened: Opened | undefined): Opened {
  if (opened === undefined) throw new Error('no core');
  return opened;
}

/** Of each frame of each thread. */
function localsOf(target: PythonTarget, asked = true): readonly NonNullable<Frame['locals']>[] {
  const { threads = [] } = readPython(target, { locals: asked }) ?? {};
  return threads.flatMap(({ frames }) => frames.map(({ locals = [] }) => locals));
}

type Frame = PythonThread['frames'][number];
