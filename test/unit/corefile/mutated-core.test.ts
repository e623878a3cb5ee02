import { closeSync, copyFileSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CoreFile } from '../../../src/corefile/core.ts';
import { withModuleFiles } from '../../../src/corefile/module-memory.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { readModuleSymbols, readSymbols } from '../../../src/corefile/symbols.ts';
import { HangarError } from '../../../src/errors.ts';
import { captureCore, privateDir } from '../../support/cores.ts';
import { compileSmallProgram } from './small-program.ts';

/** A stretch of the core whose bytes steer the reader. */
interface Region {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

interface Mutation {
  readonly patches: readonly { readonly region: number; readonly at: number; readonly bytes: Uint8Array }[];
  /** Part of the file that is left. */
  readonly kept: number;
}

const work = privateDir();
let original: string;
let size: number;
let regions: readonly Region[];

beforeAll(async () => {
  const captured = await captureCore([compileSmallProgram(work.dir)]);
  original = join(work.dir, 'original');
  copyFileSync(captured.path, original);
  captured.remove();
  const file = readFileSync(original);
  size = file.length;
  const core = await openCore(original);
  regions = [...headerRegions(file), ...moduleRegions(core)];
  core.close();
});

afterAll(() => work.remove());

test('the parts of the core that the property changes are where they should be', () => {
  const names = regions.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['header', 'program headers', 'notes', 'link_map', 'module header']));
});

test('a mutated core is read, or refused with an error that an operator can use, but never crashes the reader', async () => {
  const path = join(work.dir, 'mutated');
  const outcomes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(mutations(), async mutation => {
      mutate(path, mutation);
      outcomes.add(await readAll(path));
    }),
    { numRuns: 400 },
  );
  // The mutations are neither too mild nor too wild.
  expect(outcomes).toEqual(new Set(['read', 'refused']));
});

test('a mutated zstd file is read, or refused, but never crashes the reader', async () => {
  const plain = readFileSync(original).subarray(0, 65_536);
  const compressed = Buffer.concat([
    zstdCompressSync(plain.subarray(0, 30_000)),
    zstdCompressSync(plain.subarray(30_000)),
  ]);
  const path = join(work.dir, 'mutated.zst');
  const outcomes = new Set<string>();
  const at = fc.nat(compressed.length - 1);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(at, fc.nat(255)), { maxLength: 8 }), at, async (patches, cut) => {
      const bytes = Buffer.from(compressed);
      for (const [offset, byte] of patches) bytes[offset] = byte;
      writeFileSync(path, patches.length === 0 ? bytes.subarray(0, cut) : bytes);
      outcomes.add(await readAll(path));
    }),
    { numRuns: 200 },
  );
  expect(outcomes).toEqual(new Set(['read', 'refused']));
});

test('a mutated module file is read as something or nothing, but never crashes the reader', () => {
  const program = readFileSync(join(work.dir, 'small'));
  const path = join(work.dir, 'module');
  const sectionTable = Number(program.readBigUInt64LE(40));
  const offset = fc.oneof(
    fc.nat(1000),
    fc.integer({ min: sectionTable, max: program.length - 1 }),
    fc.nat(program.length - 1),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(offset, fc.nat(255)), { minLength: 1, maxLength: 16 }), patches => {
      const bytes = Buffer.from(program);
      for (const [at, byte] of patches) bytes[at] = byte;
      writeFileSync(path, bytes);
      const table = readSymbols(path);
      expect(['full', 'dynamic', 'none']).toContain(table.symbols);
      table.find('marker');
    }),
    { numRuns: 300 },
  );
});

/** Everything that the reader can be asked for. */
async function readAll(path: string): Promise<'read' | 'refused'> {
  try {
    const core = await openCore(path, { scratch: work.dir });
    try {
      const modules = resolveModules(readModules(core), new Map(), { localPaths: true });
      const memory = withModuleFiles(core.memory, modules);
      try {
        for (const module of modules) readModuleSymbols(module, memory).find('environ');
        for (const { address } of core.segments.slice(0, 50)) tolerate(() => core.memory.read(address, 64));
      } finally {
        memory.close();
      }
    } finally {
      core.close();
    }
    return 'read';
  } catch (error) {
    expectOperatorError(error);
    return 'refused';
  }
}

function tolerate(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expectOperatorError(error);
  }
}

function expectOperatorError(error: unknown): void {
  if (!(error instanceof HangarError)) throw error;
  expect(error.code).toMatch(/^[A-Z_]+$/);
  expect(error.fix).not.toBe('');
}

function mutations(): fc.Arbitrary<Mutation> {
  const interesting = fc.constantFrom(
    Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0]),
    Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 255]),
    Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 127]),
    Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 128]),
    Uint8Array.from([255, 255]),
  );
  const bytes = fc.oneof(interesting, fc.uint8Array({ minLength: 1, maxLength: 16 }));
  const patch = fc.record({ region: fc.nat(), at: fc.nat(), bytes });
  const kept = fc.oneof(
    { weight: 4, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  );
  return fc.record({ patches: fc.array(patch, { maxLength: 6 }), kept });
}

function mutate(path: string, { patches, kept }: Mutation): void {
  copyFileSync(original, path);
  const fd = openSync(path, 'r+');
  for (const { region, at, bytes } of patches) {
    const target = regions[region % regions.length];
    if (target !== undefined) writeSync(fd, bytes, 0, bytes.length, target.offset + (at % target.bytes));
  }
  closeSync(fd);
  truncateSync(path, Math.floor(size * kept));
}

function headerRegions(file: Buffer): readonly Region[] {
  const count = file.readUInt16LE(56);
  const table = Number(file.readBigUInt64LE(32));
  const notes: Region[] = [];
  for (let index = 0; index < count; index++) {
    const at = table + index * 56;
    if (file.readUInt32LE(at) !== 4) continue;
    const offset = Number(file.readBigUInt64LE(at + 8));
    notes.push({ name: 'notes', offset, bytes: Number(file.readBigUInt64LE(at + 32)) });
  }
  return [
    { name: 'header', offset: 0, bytes: 64 },
    { name: 'program headers', offset: table, bytes: count * 56 },
    ...notes,
  ];
}

/** The dynamic linker's list and the mapped ELF headers, found as the reader finds them. */
function moduleRegions(core: CoreFile): readonly Region[] {
  const modules = readModules(core);
  const headers = modules.map(({ start }) => regionAt(core, 'module header', start, 1024));
  const biases = new Set(modules.filter(({ path }) => path !== undefined).map(({ bias }) => bias));
  const entries: (Region | undefined)[] = [];
  for (const segment of core.segments) {
    if (!segment.writable || segment.fileBytes > 0x100000n) continue;
    for (let at = 0n; at + 32n <= segment.fileBytes; at += 8n) {
      const bytes = core.memory.read(segment.address + at, 32);
      if (!biases.has(bytes.readBigUInt64LE(0)) || bytes.readBigUInt64LE(0) === 0n) continue;
      if (bytes.readBigUInt64LE(16) > bytes.readBigUInt64LE(0))
        entries.push(regionAt(core, 'link_map', segment.address + at, 32));
    }
  }
  return [...headers, ...entries].filter(region => region !== undefined);
}

function regionAt(core: CoreFile, name: string, address: bigint, bytes: number): Region | undefined {
  const segment = core.segments.find(
    candidate => address >= candidate.address && address < candidate.address + candidate.fileBytes,
  );
  return segment && { name, offset: Number(segment.fileOffset + address - segment.address), bytes };
}
