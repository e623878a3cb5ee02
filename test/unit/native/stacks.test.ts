import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { CoreFile } from '../../../src/corefile/core.ts';
import type { Module } from '../../../src/corefile/module.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { readSymbols } from '../../../src/corefile/symbols.ts';
import type { Gdb, GdbJob } from '../../../src/native/gdb.ts';
import { readNativeStacks } from '../../../src/native/read-native-stacks.ts';
import type { NativeThread } from '../../../src/native/stacks.ts';
import { systemGdb } from '../../../src/native/system-gdb.ts';
import type { CapturedCore } from '../../support/cores.ts';
import { captureCore, privateDir } from '../../support/cores.ts';
import { requireInterpreter } from '../../support/interpreters.ts';

const threaded = `
import os, threading, time
lock = threading.Lock()
lock.acquire()
for _ in range(3):
    thread = threading.Thread(target=lock.acquire)
    thread.daemon = True
    thread.start()
time.sleep(0.2)
os.write(1, b"ready\\n")
time.sleep(1000)
`;

const evaluator = { '2.7': 'PyEval_EvalFrameEx', '3.11': '_PyEval_EvalFrameDefault' } as const;
const acquirer = { '2.7': 'PyThread_acquire_lock', '3.11': 'PyThread_acquire_lock_timed' } as const;

describe.each(['2.7', '3.11'] as const)('native stacks of a core of CPython %s', version => {
  let captured: CapturedCore | undefined;
  let core: CoreFile;
  let modules: readonly Module[];

  beforeEach(async () => {
    // In a hook of each test, since only a test can be skipped.
    const interpreter = requireInterpreter(version).path;
    if (captured !== undefined) return;
    captured = await captureCore([interpreter, '-c', threaded]);
    core = await openCore(captured.path);
    modules = resolveModules(readModules(core), new Map(), { localPaths: true });
  });

  afterAll(() => {
    if (captured === undefined) return;
    core.close();
    captured.remove();
  });

  test('reach from where each thread waits through the evaluation function to its start', async () => {
    const { threads, gaps } = await readNativeStacks({ core, modules });
    expect(gaps).toEqual([]);
    expect(threads.map(({ lwp }) => lwp)).toEqual(core.threads.map(({ lwp }) => lwp));
    expect(threads).toHaveLength(4);
    for (const [index, thread] of threads.entries()) {
      const names = functionsOf(thread);
      const order =
        index === 0 ? ['time_sleep', evaluator[version], '_start'] : [acquirer[version], evaluator[version]];
      const places = order.map(name => names.indexOf(name));
      expect(places).not.toContain(-1);
      expect(places).toEqual(places.toSorted((a, b) => a - b));
      expect(thread.stopped).toBeUndefined();
    }
  });

  test('name the module of each frame, and the offset in it, by address', async () => {
    const { threads } = await readNativeStacks({ core, modules });
    const frames = threads.flatMap(thread => thread.frames);
    const evaluations = frames.filter(frame => frame.function === evaluator[version]);
    expect(evaluations.length).toBeGreaterThanOrEqual(4);
    for (const { module: name, offset = 0n, pc } of evaluations) {
      const module = modules.find(candidate => candidate.name === name);
      const symbol = readSymbols(module?.path ?? '').find(evaluator[version]);
      expect(pc - offset).toBe(module?.bias);
      expect(offset).toBeGreaterThan(symbol?.address ?? offset);
      expect(offset).toBeLessThan((symbol?.address ?? 0n) + (symbol?.size ?? 0n));
    }
    expect(frames.filter(({ module }) => module === undefined)).toEqual([]);
    expect(evaluations[0]).toMatchObject({ file: expect.stringMatching(/ceval\.c$/), line: expect.any(Number) });
  });

  test('are had without the executable, too', async () => {
    const without = modules.map(
      (module): Module => (module.isExecutable ? { ...module, file: { status: 'missing', searched: [] } } : module),
    );
    const { threads } = await readNativeStacks({ core, modules: without });
    for (const thread of threads) expect(functionsOf(thread)).toContain(evaluator[version]);
  });

  test('go as far as modules are found, and say which one is needed', async () => {
    const libc = modules.filter(({ name }) => name.endsWith('/libc.so.6'));
    const others = modules
      .filter(module => !libc.includes(module))
      .map((module): Module => ({ ...module, file: { status: 'missing', searched: [] } }));
    const { threads, gaps } = await readNativeStacks({ core, modules: [...others, ...libc] });
    expect(threads).toHaveLength(4);
    for (const thread of threads) {
      expect(thread.frames[0]?.function).toBeDefined();
      expect(thread.frames[0]?.module).toMatch(/libc\.so\.6$/);
    }
    expect(gaps).toContainEqual({
      what: expect.stringContaining('native stack of thread'),
      why: 'ends early: the caller is not known',
    });
  });

  test('never come from a file with the wrong build-id: it does not reach the debugger', async () => {
    const wrong = '/usr/bin/gdb';
    const swapped = modules.map(
      (module): Module =>
        module.name.endsWith('/libc.so.6') ? { ...module, file: { status: 'found', path: wrong } } : module,
    );
    const jobs: GdbJob[] = [];
    const { gaps } = await readNativeStacks({ core, modules: swapped, gdb: recording(systemGdb(), jobs) });
    expect(jobs).toHaveLength(1);
    expect(jobs[0]?.files).not.toContain(wrong);
    expect(jobs[0]?.files.some(file => file.endsWith('/libc.so.6'))).toBe(false);
    expect(jobs[0]?.files.length).toBeGreaterThan(3);
    expect(gaps).toContainEqual({
      what: expect.stringMatching(/^native symbols of .*libc\.so\.6$/),
      why: expect.stringMatching(/^needed build-id [0-9a-f]{40}, \/usr\/bin\/gdb has [0-9a-f]{40}$/),
      fix: 'give the modules that ran: --modules DIR',
    });
  });

  test('are the same outside of a sandbox, which is told', async () => {
    const { dir, remove } = privateDir();
    try {
      const bin = join(dir, 'bin');
      mkdirSync(bin);
      symlinkSync('/usr/bin/gdb', join(bin, 'gdb'));
      const outside = await readNativeStacks({ core, modules, gdb: systemGdb({ path: bin }) });
      const inside = await readNativeStacks({ core, modules });
      expect(outside.threads).toEqual(inside.threads);
      expect(outside.gaps.map(({ what }) => what)).toEqual(['sandbox of gdb']);
    } finally {
      remove();
    }
  });
});

function functionsOf({ frames }: NativeThread): readonly (string | undefined)[] {
  return frames.map(frame => frame.function);
}

/** The same gdb, which notes what it is given. */
function recording(gdb: Gdb, jobs: GdbJob[]): Gdb {
  return {
    stacks(job, signal) {
      jobs.push(job);
      return gdb.stacks(job, signal);
    },
  };
}
