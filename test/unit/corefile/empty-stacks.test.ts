import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CoreFile } from '../../../src/corefile/core.ts';
import { emptyStacks } from '../../../src/corefile/empty-stacks.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { type CapturedCore, captureCore, privateDir } from '../../support/cores.ts';
import { compileSmallProgram } from './small-program.ts';

const { dir, remove } = privateDir();
let captured: CapturedCore;

beforeAll(async () => {
  captured = await captureCore([compileSmallProgram(dir)]);
});
afterAll(() => {
  captured.remove();
  remove();
});

test('no stack of a whole core is empty', async () => {
  const core = await openCore(captured.path);
  expect(core.threads).toHaveLength(2);
  expect(emptyStacks(core)).toEqual([]);
  core.close();
});

test('a stack that the core holds as zeros is named', async () => {
  const core = await openCore(captured.path);
  const thread = core.threads[1];
  if (thread === undefined) throw new Error('no second thread');
  const path = join(dir, 'without-stack');
  writeFileSync(path, withoutStackOf(core, thread.stackPointer), { mode: 0o600 });
  core.close();
  const damaged = await openCore(path);
  expect(emptyStacks(damaged)).toEqual([thread.lwp]);
  damaged.close();
});

/** The core's bytes with the segment that holds an address empty, as gdb 13 writes it after a guard page. */
function withoutStackOf({ path, segments }: CoreFile, stackPointer: bigint): Buffer {
  const bytes = readFileSync(path);
  const holds = segments.find(
    ({ address, fileBytes }) => stackPointer >= address && stackPointer < address + fileBytes,
  );
  if (holds === undefined) throw new Error('no segment holds the stack pointer');
  bytes.fill(0, Number(holds.fileOffset), Number(holds.fileOffset + holds.fileBytes));
  return bytes;
}
