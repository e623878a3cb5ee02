import { closeSync, copyFileSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import * as fc from 'fast-check';
import { analyze } from '../../../src/analyze.ts';
import { indexElfFiles } from '../../../src/corefile/index-files.ts';
import { HangarError } from '../../../src/errors.ts';
import type { Report } from '../../../src/report/schema.ts';
import { type ReadRanges, readRanges } from './read-ranges.ts';

/**
 * Analyses mutations of a core, one after the other in this process, which is to be a process of its own: what it used
 * at most is then the analysis's. `node --expose-gc fuzz-core.ts CORE COPY SEED RUNS`; COPY is written. Prints one line of JSON, a
 * `FuzzResult`, and a line `at N` for every hundred runs.
 */
export interface FuzzResult {
  readonly runs: number;
  readonly read: number;
  readonly refused: number;
  readonly equal: number;
  /** Of one run. */
  readonly slowestCpuSeconds: number;
  /** Of the whole process, at its peak. */
  readonly peakBytes: number;
  readonly failure?: string;
}

type Mutation =
  /** Bytes anywhere, or where the analysis reads. */
  | { readonly kind: 'flip'; readonly hot: boolean; readonly patches: readonly { at: number; byte: number }[] }
  /** A word that the analysis reads is another one: a count, a pointer to somewhere else, to itself, to nothing. */
  | { readonly kind: 'word'; readonly at: number; readonly value: Value }
  /** Nothing ends: a stretch without a zero byte, or of nothing but zeros. */
  | { readonly kind: 'fill'; readonly at: number; readonly bytes: number; readonly byte: number }
  | { readonly kind: 'cut'; readonly kept: number }
  /** Where the analysis does not look. */
  | { readonly kind: 'elsewhere'; readonly patches: readonly { at: number; byte: number }[] };

type Value =
  | { readonly of: 'number'; readonly number: bigint }
  | { readonly of: 'itself' }
  /** Address of something else that is read. */
  | { readonly of: 'other'; readonly at: number; readonly offset: bigint };

const [core = '', copy = '', seed = '', runs = ''] = process.argv.slice(2);

async function main(): Promise<void> {
  const size = statSync(core).size;
  const ranges = await readRanges(core);
  copyFileSync(core, copy);
  const fd = openSync(copy, 'r+');
  const whole = await analyzed();
  if (typeof whole === 'string') throw new Error(`the core itself is refused: ${whole}`);
  const expected = withoutTimes(whole);
  const counts = { runs: 0, read: 0, refused: 0, equal: 0, slowestCpuSeconds: 0 };

  const property = fc.asyncProperty(mutations(), async mutation => {
    const undo = apply(fd, mutation, ranges, size);
    try {
      const before = process.cpuUsage();
      const report = await analyzed();
      const { user, system } = process.cpuUsage(before);
      const seconds = (user + system) / 1e6;
      counts.slowestCpuSeconds = Math.max(counts.slowestCpuSeconds, seconds);
      counts.runs++;
      if (seconds > cpuSecondsLimit) throw new Error(`the analysis took ${seconds} s of CPU`);
      // What earlier runs left behind is not what one needs.
      if (process.memoryUsage.rss() > collectAbove) globalThis.gc?.();
      if (counts.runs % 100 === 0) process.stdout.write(`at ${counts.runs}\n`);
      judgeOne(mutation, report);
    } finally {
      undo();
    }
  });

  function judgeOne(mutation: Mutation, report: Report | string): void {
    if (typeof report === 'string') counts.refused++;
    else counts.read++;
    const isEqual = typeof report !== 'string' && withoutTimes(report) === expected;
    if (isEqual) counts.equal++;
    if (mutation.kind === 'elsewhere' && !isEqual) throw new Error('a change where nothing is read changed the report');
    // Behind the last segment there are section headers, which nobody needs.
    const isCut = mutation.kind === 'cut' && Math.floor(mutation.kept * size) < ranges.memoryEnd;
    if (isCut && typeof report !== 'string' && !report.gaps.some(({ what }) => what === 'end of the core'))
      throw new Error('a core that is cut off has no gap that says so');
  }

  const outcome = await fc.check(property, { seed: Number(seed), numRuns: Number(runs) });
  closeSync(fd);
  const result: FuzzResult = {
    ...counts,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    ...(outcome.failed && { failure: `${fc.defaultReportMessage(outcome)}\n${stackOf(outcome.errorInstance)}` }),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

const collectAbove = 180e6;

/** A run that takes longer hangs, as far as its user is concerned. */
const cpuSecondsLimit = 2;

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const index = indexElfFiles([]);

/** The report, or the code of the error that the core was refused with. */
async function analyzed(): Promise<Report | string> {
  try {
    return await analyze(
      { core: copy, case: 'fuzz', host: { name: 'fuzz' } },
      { findFiles: () => index, searched: [], native: false, hash: false, showQuery: false },
    );
  } catch (error) {
    if (error instanceof HangarError) return error.code;
    throw error;
  }
}

function withoutTimes(report: Report): string {
  return JSON.stringify({ ...report, timings: [] });
}

function mutations(): fc.Arbitrary<Mutation> {
  const at = fc.nat(2 ** 31 - 1);
  const patches = fc.array(fc.record({ at, byte: fc.nat(255) }), { minLength: 1, maxLength: 4 });
  const edges = [
    0n,
    1n,
    2n,
    7n,
    0x7fn,
    0xffffn,
    2n ** 31n - 1n,
    2n ** 31n,
    2n ** 32n,
    2n ** 40n,
    2n ** 47n,
    2n ** 63n - 1n,
  ];
  const number = fc.oneof(
    fc.constantFrom(...edges, ...edges.map(edge => BigInt.asUintN(64, -edge - 1n))),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  );
  const value = fc.oneof(
    fc.record({ of: fc.constant('number' as const), number }),
    fc.record({ of: fc.constant('itself' as const) }),
    fc.record({ of: fc.constant('other' as const), at, offset: fc.bigInt({ min: -64n, max: 64n }) }),
  );
  return fc.oneof(
    { weight: 12, arbitrary: fc.record({ kind: fc.constant('word' as const), at, value }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('flip' as const), hot: fc.constant(true), patches }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('flip' as const), hot: fc.constant(false), patches }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('fill' as const),
        at,
        bytes: fc.integer({ min: 16, max: 65_536 }),
        byte: fc.constantFrom(0, 1, 0x41, 0xff),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('elsewhere' as const), patches }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('cut' as const), kept: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
  );
}

/** Changes the copy; returns what makes it whole again. */
function apply(fd: number, mutation: Mutation, ranges: ReadRanges, size: number): () => void {
  switch (mutation.kind) {
    case 'cut': {
      ftruncateSync(fd, Math.floor(mutation.kept * size));
      return () => copyFileSync(core, copy);
    }
    case 'flip':
    case 'elsewhere': {
      const place = (at: number): number =>
        mutation.kind === 'elsewhere' ? ranges.outside(at) : mutation.hot ? ranges.inside(at) : at % size;
      return patch(mutation.patches.map(({ at, byte }) => ({ at: place(at), bytes: Buffer.of(byte) })));
    }
    case 'word': {
      const at = ranges.inside(mutation.at) & ~7;
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(valueOf(mutation.value, at));
      return patch([{ at, bytes }]);
    }
    case 'fill': {
      const at = ranges.inside(mutation.at);
      return patch([{ at, bytes: Buffer.alloc(Math.min(mutation.bytes, size - at), mutation.byte) }]);
    }
    default:
      return mutation satisfies never;
  }

  function valueOf(value: Value, at: number): bigint {
    switch (value.of) {
      case 'number':
        return value.number;
      case 'itself':
        return ranges.addressOf(at);
      case 'other':
        return BigInt.asUintN(64, ranges.addressOf(ranges.inside(value.at) & ~7) + value.offset);
      default:
        return value satisfies never;
    }
  }

  function patch(patches: readonly { readonly at: number; readonly bytes: Buffer }[]): () => void {
    const undone = patches.map(({ at, bytes }) => {
      const before = Buffer.alloc(bytes.length);
      readSync(fd, before, 0, before.length, at);
      writeSync(fd, bytes, 0, bytes.length, at);
      return () => writeSync(fd, before, 0, before.length, at);
    });
    return () => {
      for (const undo of undone.toReversed()) undo();
    };
  }
}

await main();
