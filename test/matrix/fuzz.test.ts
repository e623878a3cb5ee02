import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { takeCore } from '../support/analyze-target.ts';
import type { FuzzResult } from '../support/fuzz/fuzz-core.ts';
import { prepareInterpreters, requireInterpreter } from '../support/interpreters.ts';
import { startTarget } from '../support/targets.ts';

/** One of each family of layouts: frame objects with two forms of dicts, frames in the interpreter, self-describing. */
const versions = ['2.7', '3.8', '3.11', '3.13'] as const;
const runsEach = 2500;

beforeAll(async () => {
  // Smaller cores are sooner made whole again (mallopt(3)); what is read of them is the same.
  vi.stubEnv('MALLOC_ARENA_MAX', '1');
  await prepareInterpreters(versions);
});
afterAll(() => {
  vi.unstubAllEnvs();
});

test.each(versions)(
  `${runsEach} mutations of a core of CPython %s: no crash, no hang, no memory without end, and nothing lost in silence`,
  async version => {
    const interpreter = requireInterpreter(version);
    await using target = await startTarget('several', interpreter);
    const { path, remove } = await takeCore(target.pid, { root: interpreter.root ?? '' });
    try {
      await target.stop();
      const result = await fuzz(path, { seed: 20_261_125, runs: runsEach });
      expect(result.failure).toBeUndefined();
      expect(result.runs).toBe(runsEach);
      expect(result.peakBytes).toBeLessThan(300e6);
      // The mutations are neither too mild nor too wild.
      expect(result.refused).toBeGreaterThan(0);
      expect(result.equal).toBeLessThan(result.runs * 0.9);
      expect(result.read).toBeGreaterThan(result.runs * 0.5);
    } finally {
      remove();
    }
  },
  1_200_000,
);

/** A hundred runs that take longer than this hang. */
const silenceMilliseconds = 300_000;

async function fuzz(core: string, { seed, runs }: { seed: number; runs: number }): Promise<FuzzResult> {
  const program = join(import.meta.dirname, '..', 'support', 'fuzz', 'fuzz-core.ts');
  // With the young generation that bin/runbook gives an analysis.
  const options = ['--expose-gc', '--min-semi-space-size=8', '--max-semi-space-size=8'];
  const child = spawn(process.execPath, [...options, program, core, `${core}.copy`, `${seed}`, `${runs}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let watchdog = setTimeout(() => child.kill('SIGKILL'), silenceMilliseconds);
  try {
    let last = '';
    for await (const line of createInterface({ input: child.stdout })) {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => child.kill('SIGKILL'), silenceMilliseconds);
      last = line;
    }
    if (!last.startsWith('{')) throw new Error(`the fuzzer ended in the middle: ${last}`);
    return JSON.parse(last);
  } finally {
    clearTimeout(watchdog);
    child.kill('SIGKILL');
  }
}
