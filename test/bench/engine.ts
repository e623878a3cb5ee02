import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { mebibytes, median, run, say } from './measure.ts';

export interface EngineCase {
  readonly hosts: number;
  /** On each host, one after the other. */
  readonly steps: number;
  /** That each step sleeps. */
  readonly milliseconds: number;
  /** With the store of a real run, else with a journal that keeps nothing. */
  readonly isStored: boolean;
}

const result = z.object({ seconds: z.number(), peakBytes: z.number() });
export type EngineResult = z.infer<typeof result>;

const rounds = 5;
const cases = [100, 1000].flatMap(hosts => [0, 100].map(milliseconds => ({ hosts, steps: 6, milliseconds })));

/**
 * What running a runbook costs beside its steps, and what of that the record on disk costs: steps that only sleep, on all
 * hosts at the same time. The bar: the store adds 0.3 s and half of the ideal at most, and all of it takes 150 MB.
 */
export async function benchEngine(): Promise<void> {
  const cache = await mkdtemp(join(tmpdir(), 'hangar-bench-cache-'));
  try {
    say(
      'hosts × steps × each   ideal   without store   with store     store adds    peak memory (without, with store)',
    );
    for (const each of cases) await compare(each, cache);
    say(`median of ${rounds} each, turn about, each in a process of its own; the store is on the disk of ${tmpdir()}`);
  } finally {
    await rm(cache, { recursive: true });
  }
}

/** Turn about; one round before, which fills the compile cache that bin/runbook sets, too. */
async function compare(each: Omit<EngineCase, 'isStored'>, cache: string): Promise<void> {
  const without: EngineResult[] = [];
  const stored: EngineResult[] = [];
  for (let round = 0; round <= rounds; round++) {
    const [first, second] = [
      await measure({ ...each, isStored: false }, cache),
      await measure({ ...each, isStored: true }, cache),
    ];
    if (round === 0) continue;
    without.push(first);
    stored.push(second);
  }
  tell(each, without, stored);
}

async function measure(each: EngineCase, cache: string): Promise<EngineResult> {
  const program = fileURLToPath(import.meta.resolve('./engine-case.ts'));
  // As bin/runbook starts Node.
  const flags = ['--max-semi-space-size=8'];
  const { stdout } = await run(process.execPath, [...flags, program, JSON.stringify(each)], {
    env: { NODE_COMPILE_CACHE: cache },
  });
  return result.parse(JSON.parse(stdout));
}

function tell(
  { hosts, steps, milliseconds }: Omit<EngineCase, 'isStored'>,
  without: readonly EngineResult[],
  stored: readonly EngineResult[],
): void {
  const [bare, kept] = [without, stored].map(results => median(results.map(({ seconds }) => seconds)));
  const [bareBytes, keptBytes] = [without, stored].map(results => median(results.map(({ peakBytes }) => peakBytes)));
  const name = `${hosts} × ${steps} × ${milliseconds} ms`;
  const ideal = `${((steps * milliseconds) / 1000).toFixed(1)} s`;
  const [first, second] = [inSeconds(bare), inSeconds(kept)];
  const added = inSeconds((kept ?? 0) - (bare ?? 0));
  say(
    `${name.padEnd(21)} ${ideal.padStart(7)} ${first.padStart(15)} ${second.padStart(12)} ${added.padStart(14)}    ${mebibytes(bareBytes)}, ${mebibytes(keptBytes)}`,
  );
}

function inSeconds(value = 0): string {
  return `${value.toFixed(2)} s`;
}
