import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  createReadStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CoreFile } from '../../../src/corefile/core.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { HangarError } from '../../../src/errors.ts';
import type { CapturedCore } from '../../support/cores.ts';
import { captureCore, privateDir } from '../../support/cores.ts';
import { compileSmallProgram } from './small-program.ts';

const work = privateDir();
let captured: CapturedCore;
let program: string;

beforeAll(async () => {
  program = compileSmallProgram(work.dir);
  captured = await captureCore([program]);
});

afterAll(() => {
  captured.remove();
  work.remove();
});

test('a core names its process, its threads and the system calls that they are blocked in', async () => {
  const core = await openCore(captured.path);
  try {
    expect(core.process).toMatchObject({ pid: captured.pid, name: 'small', args: program });
    expect(core.threads.map(({ syscall }) => syscall?.name)).toEqual(['pause', 'clock_nanosleep']);
    expect(core.threads[0]?.lwp).toBe(captured.pid);
    expect(core.truncated).toBeUndefined();
    expect(core.mappings.map(({ path }) => path)).toContain(program);
    const [main, other] = core.threads;
    expect(new Set([main?.pthread, other?.pthread]).size).toBe(2);
    // With glibc a thread's control block starts with its own address (tcbhead_t, sysdeps/x86_64/nptl/tls.h).
    for (const { pthread = 0n } of core.threads) expect(core.memory.read(pthread, 8).readBigUInt64LE()).toBe(pthread);
  } finally {
    core.close();
  }
});

test.each([
  ['one frame', 1],
  ['several frames, a skippable one among them', 5],
])('a core compressed into %s reads the same as the plain one, and leaves no file behind', async (_, frames) => {
  const scratch = join(work.dir, `scratch-${frames}`);
  mkdirSync(scratch);
  const compressed = compress(join(work.dir, `core-${frames}.zst`), frames);
  const core = await openCore(compressed, { scratch });
  try {
    expect(statSync(core.path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(core.path)).mode & 0o777).toBe(0o700);
    expect(await sha256(core.path)).toBe(await sha256(captured.path));
    expect(await summaryOf(core)).toEqual(await summaryOf(await openCore(captured.path)));
  } finally {
    core.close();
  }
  expect(readdirSync(scratch)).toEqual([]);
});

test('a compressed core that is cut off is read as far as it goes', async () => {
  const compressed = compress(join(work.dir, 'cut.zst'), 8);
  truncateSync(compressed, Math.floor(statSync(compressed).size * 0.6));
  const core = await openCore(compressed);
  try {
    expect(core.truncated?.foundBytes).toBe(core.bytes);
    expect(core.bytes).toBeLessThan(statSync(captured.path).size);
    const plain = readFileSync(captured.path).subarray(0, core.bytes);
    expect(readFileSync(core.path).equals(plain)).toBe(true);
  } finally {
    core.close();
  }
});

test('the expansion of a compressed core stops when it is cancelled, and leaves no file behind', async () => {
  const scratch = join(work.dir, 'scratch-cancelled');
  mkdirSync(scratch);
  const compressed = compress(join(work.dir, 'cancelled.zst'), 2);
  await expect(openCore(compressed, { scratch, signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'CANCELLED',
    exitCode: 6,
  });
  expect(readdirSync(scratch)).toEqual([]);
});

test('a core that lost its end says how much, and still has its memory before that', async () => {
  const path = join(work.dir, 'cut');
  copyFileSync(captured.path, path);
  const size = statSync(path).size;
  truncateSync(path, size - 4096);
  const core = await openCore(path);
  try {
    expect(core.truncated?.foundBytes).toBe(size - 4096);
    expect(core.truncated?.expectedBytes).toBeGreaterThan(size - 4096);
    const [first] = core.segments;
    expect(core.memory.read(first?.address ?? 0n, 4096)).toHaveLength(4096);
  } finally {
    core.close();
  }
});

test('memory that no segment holds is an error that names the address', async () => {
  const core = await openCore(captured.path);
  try {
    expect(() => core.memory.read(0x10n, 8)).toThrow('no memory at 0x10 (8 bytes)');
    const last = core.segments.findLast(({ fileBytes }) => fileBytes > 0n);
    const end = (last?.address ?? 0n) + (last?.fileBytes ?? 0n);
    expect(() => core.memory.read(end - 4n, 8)).toThrow(HangarError);
  } finally {
    core.close();
  }
});

test.each([
  ['does not exist', (dir: string) => join(dir, 'absent')],
  ['is a directory', (dir: string) => dir],
  ['is empty', (dir: string) => written(dir, 'empty', '')],
  ['is text', (dir: string) => written(dir, 'text', 'hello, this is no core\n'.repeat(10))],
  ['is a script', (dir: string) => written(dir, 'script', '#!/bin/sh\necho\n')],
  ['is compressed with gzip', (dir: string) => written(dir, 'gzip', Buffer.from('1f8b0800000000000003', 'hex'))],
  ['is an ELF executable or shared library', () => program],
  ['starts with bytes', (dir: string) => written(dir, 'binary', Buffer.from('0001020304050607'.repeat(20), 'hex'))],
  ['is text', (dir: string) => written(dir, 'text.zst', zstdCompressSync(Buffer.from('hello\n'.repeat(30))))],
])('a file that is no core is refused as a usage error: it %s', async (what, make) => {
  const path = make(work.dir);
  const error = await openCore(path).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HangarError);
  expect(error).toMatchObject({ code: 'NOT_A_CORE', exitCode: 2 });
  expect(String(error)).toContain(`"${path}" is not a core: it ${what}`);
});

test('a zstd file that holds nothing readable is refused as damaged', async () => {
  const damaged = Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(100, 0xff)]);
  await expect(openCore(written(work.dir, 'damaged.zst', damaged))).rejects.toMatchObject({ code: 'CORE_UNREADABLE' });
});

test('a core cut off within its headers is refused as truncated', async () => {
  const path = join(work.dir, 'headers');
  copyFileSync(captured.path, path);
  truncateSync(path, 100);
  await expect(openCore(path)).rejects.toMatchObject({ code: 'CORE_TRUNCATED' });
});

function written(dir: string, name: string, content: string | Buffer): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

/** Compresses the core into independent frames of equal size, with a skippable frame after the first of several. */
function compress(path: string, frames: number): string {
  const plain = readFileSync(captured.path);
  const size = Math.ceil(plain.length / frames);
  const parts = Array.from({ length: frames }, (_, index) =>
    zstdCompressSync(plain.subarray(index * size, (index + 1) * size)),
  );
  const skippable = Buffer.from('502a4d1804000000deadbeef', 'hex');
  writeFileSync(path, Buffer.concat(frames === 1 ? parts : [...parts.slice(0, 1), skippable, ...parts.slice(1)]));
  // The frames are what zstd itself takes for one file.
  execFileSync('zstd', ['-q', '-t', path]);
  return path;
}

async function summaryOf(core: CoreFile) {
  return { ...core, path: '', memory: undefined, close: undefined, modules: readModules(core) };
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
