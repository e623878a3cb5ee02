import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { createCase, openCase } from '../../../src/case/case-folder.ts';
import { openModuleStore } from '../../../src/case/module-store.ts';
import { openSourceStore } from '../../../src/case/source-store.ts';
import { parseBuildId } from '../../../src/corefile/build-id.ts';
import { readElfFile } from '../../../src/corefile/elf-file.ts';

let state: string;
let umask: number;

beforeEach(async () => {
  umask = process.umask(0o022);
  state = join(await mkdtemp(join(tmpdir(), 'hangar-case-')), 'state');
});
afterEach(async () => {
  process.umask(umask);
  await rm(join(state, '..'), { recursive: true });
});

const frameBytes = 1000;
const core = randomBytes(2500);
const pieces = [0, 1, 2].map(index => core.subarray(index * frameBytes, (index + 1) * frameBytes));

function frame(index: number) {
  const piece = pieces[index] ?? Buffer.alloc(0);
  const stored = zstdCompressSync(piece);
  return [index, stored, { bytes: piece.length, sha256: createHash('sha256').update(stored).digest('hex') }] as const;
}

test('a core arrives in any order and over several attempts, and any zstd reads it whole', async () => {
  const folder = await createCase(state, { host: 'web3', run: 'r1' });
  const first = await folder.beginCore({ coreBytes: core.length, frameBytes });
  await first.writeFrame(...frame(2));
  await expect(first.finish()).rejects.toMatchObject({ code: 'FRAME_MISSING' });
  const again = await (await openCase(state, folder.id)).beginCore({ coreBytes: core.length, frameBytes });
  expect(again.missing()).toEqual([0, 1]);
  await again.writeFrame(...frame(1));
  await again.writeFrame(...frame(0));
  await again.finish();
  const opened = await openCase(state, folder.path);
  expect(execFileSync('zstd', ['-dcq', opened.corePath])).toEqual(core);
  expect(opened.core).toMatchObject({
    complete: true,
    coreBytes: core.length,
    frames: [{ offset: 0 }, { index: 1 }, { bytes: 500 }],
  });
  expect(await readdir(folder.path)).not.toContain('core.frames');
});

test('a damaged frame, and one that is cut off, are refused', async () => {
  const folder = await createCase(state, { host: 'web3', run: 'r1' });
  const writer = await folder.beginCore({ coreBytes: core.length, frameBytes });
  const [index, stored, told] = frame(0);
  await expect(writer.writeFrame(index, stored.subarray(1), told)).rejects.toMatchObject({ code: 'FRAME_DAMAGED' });
  const cut = stored.subarray(0, -4);
  const sha256 = createHash('sha256').update(cut).digest('hex');
  await expect(writer.writeFrame(index, cut, { ...told, sha256 })).rejects.toMatchObject({ code: 'FRAME_DAMAGED' });
  expect(writer.missing()).toEqual([0, 1, 2]);
});

test('nothing is ever readable by others, whatever the umask', async () => {
  const folder = await createCase(state, { host: 'web3', run: 'r1' });
  await folder.writeRecord('found', { pid: 7 });
  await folder.writeText('evidence.txt', 'pid 7');
  await openSourceStore(state).put(Buffer.from('x = 1\n'));
  const writer = await folder.beginCore({ coreBytes: core.length, frameBytes });
  for (const index of [0, 1, 2]) await writer.writeFrame(...frame(index));
  await writer.finish();
  for (const name of await readdir(state, { recursive: true })) {
    const { mode } = await stat(join(state, name));
    expect([name, mode & 0o077]).toEqual([name, 0]);
  }
  expect((await stat(state)).mode & 0o777).toBe(0o700);
});

test('records come back as they were; a damaged one says so; a case that is not there names those that are', async () => {
  const folder = await createCase(state, { host: 'web3', run: 'r1' });
  await folder.writeRecord('found', { pid: 7 });
  expect(await folder.readRecord('found', z.object({ pid: z.int() }))).toEqual({ pid: 7 });
  expect(await folder.readRecord('nothing', z.object({}))).toBeUndefined();
  await expect(folder.readRecord('found', z.object({ pid: z.string() }))).rejects.toMatchObject({
    code: 'CASE_DAMAGED',
  });
  await expect(openCase(state, 'gone')).rejects.toMatchObject({
    code: 'NO_SUCH_CASE',
    fix: expect.stringContaining(folder.id),
  });
});

test('two incidents of one second get two folders', async () => {
  const folders = await Promise.all([1, 2, 3].map(() => createCase(state, { host: 'web3', run: 'r1' })));
  expect(new Set(folders.map(({ id }) => id)).size).toBe(3);
});

test('the module store keeps a file only under its own build-id', async () => {
  const store = openModuleStore(state);
  const file = await readFile(process.execPath);
  const buildId = readElfFile('/bin/sh')?.buildId;
  if (buildId === undefined) throw new Error('/bin/sh has no build-id');
  const shell = await readFile('/bin/sh');
  await expect(store.receive(buildId, end(file.subarray(0, 4096)))).rejects.toMatchObject({ code: 'MODULE_MISMATCH' });
  expect(store.has(buildId)).toBe(false);
  await store.receive(buildId, end(shell));
  expect(await readFile(store.path(buildId) ?? '')).toEqual(shell);
  expect(store.has(parseBuildId('abcdef'))).toBe(false);
});

function end(content: Buffer) {
  return async (sink: NodeJS.WritableStream) => void sink.end(content);
}
