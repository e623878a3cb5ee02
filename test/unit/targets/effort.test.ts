import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { withModuleFiles } from '../../../src/corefile/module-memory.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { readModuleSymbols } from '../../../src/corefile/symbols.ts';
import { readPython } from '../../../src/python/read-python.ts';
import { type CapturedCore, captureCore } from '../../support/cores.ts';
import { requireInterpreter } from '../../support/interpreters.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const threads = 4;
const cores = new Map<number, CapturedCore>();

/** A core of threads that stand `depth` calls deep. */
async function coreOf(depth: number): Promise<CapturedCore> {
  const known = cores.get(depth);
  if (known !== undefined) return known;
  const program = join(root, 'test', 'bench', 'programs', 'many.py');
  const core = await captureCore([requireInterpreter('3.11').path, '-B', program, `${threads}`, `${depth}`, '0']);
  cores.set(depth, core);
  return core;
}

beforeAll(() => {
  cores.clear();
});

afterAll(() => {
  for (const core of cores.values()) core.remove();
});

test('what is read of a core grows with its frames alone, by the same number of reads for each', async () => {
  const [few, some, many] = [await effort(40), await effort(80), await effort(120)];
  expect(some.frames - few.frames).toBe(threads * 40 - 40);
  expect(many.frames - some.frames).toBe(some.frames - few.frames);
  expect(many.reads - some.reads).toBe(some.reads - few.reads);
  expect((many.reads - some.reads) / (many.frames - some.frames)).toBeLessThan(4);
});

/** Frames, and reads of memory by the walker. */
async function effort(depth: number): Promise<{ readonly frames: number; readonly reads: number }> {
  const core = await openCore((await coreOf(depth)).path);
  const modules = resolveModules(readModules(core), new Map(), { localPaths: true });
  const memory = withModuleFiles(core.memory, modules);
  try {
    let reads = 0;
    const counting = {
      read(address: bigint, length: number) {
        reads++;
        return memory.read(address, length);
      },
    };
    const symbols = new Map(modules.map(module => [module, readModuleSymbols(module, memory)]));
    const python = readPython({
      memory: counting,
      core,
      modules,
      symbol: (module, name) => symbols.get(module)?.find(name)?.address,
    });
    return { frames: python?.threads.flatMap(({ frames }) => frames).length ?? 0, reads };
  } finally {
    memory.close();
    core.close();
  }
}

const readFile = z.object({ path: z.string(), bytes: z.int(), calls: z.int() });

test('an analysis without gdb touches a small part of a core', async () => {
  const { path, dir } = await coreOf(60);
  const list = join(dir, 'read');
  analyze(path, 'count-reads.ts', { READ_FILES: list });
  const lines = readFileSync(list, 'utf8').trimEnd().split('\n');
  const ofCore = lines.map(line => readFile.parse(JSON.parse(line))).find(each => each.path === path);
  expect(ofCore?.bytes).toBeGreaterThan(0);
  expect(ofCore?.bytes).toBeLessThan(2 ** 20);
});

test('an analysis without gdb loads nothing of the engine, nor what only others need', async () => {
  const { path, dir } = await coreOf(60);
  const list = join(dir, 'loaded');
  analyze(path, 'loaded-modules.ts', { LOADED_MODULES: list });
  const loaded = new Set(readFileSync(list, 'utf8').trimEnd().split('\n'));
  expect(loaded.size).toBeGreaterThan(50);
  const others =
    /\/src\/(?:run|runbook|ssh|native|prepare|compliance|capture)\/|\/node_modules\/(?!commander\/)|^node:(?:crypto|zlib|sqlite|fs\/promises|stream\/promises)$/;
  expect([...loaded].filter(url => others.test(url))).toEqual([]);
});

function analyze(core: string, hook: string, env: Readonly<Record<string, string>>): void {
  const preloaded = pathToFileURL(join(root, 'test', 'bench', hook)).href;
  execFileSync(join(root, 'bin', 'runbook'), ['analyze', core, '--quiet', '--no-native', '--format', 'json'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env, NODE_OPTIONS: `--import=${preloaded}` },
  });
}
