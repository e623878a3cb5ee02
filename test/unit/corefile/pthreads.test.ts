import { afterAll, describe, expect, test } from 'vitest';
import type { CoreThread } from '../../../src/corefile/core.ts';
import { type Memory, UnreadableMemoryError } from '../../../src/corefile/memory.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { lostThreads, lwpsByInnerId, readPthread, withPthreads } from '../../../src/corefile/pthreads.ts';
import { takeCore } from '../../support/analyze-target.ts';
import { captureCore, compileC, privateDir } from '../../support/cores.ts';
import { requireInterpreter } from '../../support/interpreters.ts';
import { startTarget } from '../../support/targets.ts';

const { dir, remove } = privateDir();
afterAll(remove);

const someEnd = `
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *quick(void *argument) { return argument; }
static void *slow(void *argument) { pause(); return argument; }
int main(void) {
  pthread_t ended[3], waiting;
  pthread_create(&waiting, 0, slow, 0);
  for (int i = 0; i < 3; i++) pthread_create(&ended[i], 0, quick, 0);
  for (int i = 0; i < 3; i++) pthread_join(ended[i], 0);
  puts("ready");
  fflush(stdout);
  pause();
}`;

describe('what glibc keeps of threads', () => {
  test.runIf(process.arch === 'x64')('tells those that ended from those that a fork left behind', async () => {
    const captured = await captureCore([compileC(dir, 'some-end', someEnd)]);
    const core = await openCore(captured.path);
    try {
      expect(new Set(lwpsByInnerId(core.memory, core.threads).values())).toEqual(
        new Set(core.threads.map(({ lwp }) => lwp)),
      );
      expect(core.threads).toHaveLength(2);
      expect(lostThreads(core)).toEqual([]);
    } finally {
      core.close();
      captured.remove();
    }
  });

  test.runIf(process.arch === 'x64')('finds the thread that a forked child does not have', async () => {
    await using target = await startTarget('orphaned_rlock', requireInterpreter('3.11'));
    const { path, remove: removeCore } = await takeCore(target.pid);
    const core = await openCore(path);
    try {
      expect(core.threads).toHaveLength(1);
      const [lost, ...others] = lostThreads(core);
      expect([lost?.id, lost?.hasEnded, others]).toEqual([0, false, []]);
      expect(core.memory.read(lost?.idField ?? 0n, 4).readInt32LE()).toBe(0);
    } finally {
      core.close();
      removeCore();
    }
  });
});

/** As the C library of an AArch64 process leaves its threads: made here, not taken from such a machine. */
describe('threads of AArch64, whose thread pointer lies behind what glibc keeps of them', () => {
  const stacks = 0x7f00_0000_0000n;
  const stackBytes = 0x1_0000;
  /** Of the structure, to its last byte: another one in each release. */
  const size = 1856n;

  interface Made {
    readonly id: number;
    readonly endFlags?: number;
  }

  /** One stack a thread, each with its structure some way below its end. */
  function process(threads: readonly Made[], distance = size) {
    const bytes = Buffer.alloc(threads.length * stackBytes);
    const pointers = threads.map(({ id, endFlags = 0 }, index) => {
      const at = (index + 1) * stackBytes - 0x1000;
      const address = stacks + BigInt(at);
      bytes.writeBigUInt64LE(address + 224n, at + 216);
      bytes.writeBigUInt64LE(address + 224n, at + 224);
      bytes.writeBigInt64LE(-32n, at + 232);
      bytes.writeInt32LE(id, at + 208);
      bytes.writeUInt32LE(endFlags, at + 264);
      return address + distance;
    });
    const memory: Memory = {
      read(address, length) {
        const at = Number(address - stacks);
        if (at < 0 || at + length > bytes.length) throw new UnreadableMemoryError(address, length);
        return bytes.subarray(at, at + length);
      },
    };
    return { memory, bytes, pointers };
  }

  test('finds the distance, and with it the thread ids of the process itself', () => {
    const { memory, pointers } = process([{ id: 7 }, { id: 9 }, { id: 12 }]);
    const threads = withPthreads('aarch64', memory, threadsAt(pointers));
    expect(threads.map(({ pthread }) => pthread)).toEqual(pointers.map(pointer => pointer - size));
    expect([...lwpsByInnerId(memory, threads)]).toEqual([
      [7, 5000],
      [9, 5001],
      [12, 5002],
    ]);
  });

  test('takes the distance of one thread for another whose memory is lost', () => {
    const { memory, bytes, pointers } = process([{ id: 7 }, { id: 9 }]);
    bytes.fill(0, stackBytes);
    expect(withPthreads('aarch64', memory, threadsAt(pointers)).map(({ pthread }) => pthread)).toEqual(
      pointers.map(pointer => pointer - size),
    );
  });

  test('claims nothing where no distance fits, or two threads disagree', () => {
    const { memory, bytes, pointers } = process([{ id: 7 }, { id: 9 }]);
    const [first = 0n, second = 0n] = pointers;
    expect(withPthreads('aarch64', memory, threadsAt([first, second + 64n])).map(({ pthread }) => pthread)).toEqual([
      undefined,
      undefined,
    ]);
    bytes.fill(0);
    expect(withPthreads('aarch64', memory, threadsAt(pointers)).map(({ pthread }) => pthread)).toEqual([
      undefined,
      undefined,
    ]);
  });

  test('on x86-64 the thread pointer is it', () => {
    const { memory, pointers } = process([{ id: 7 }]);
    expect(withPthreads('x86_64', memory, threadsAt(pointers)).map(({ pthread }) => pthread)).toEqual(pointers);
  });

  test('tells those that a fork left behind from those that live and that ended', () => {
    const { memory, pointers } = process([{ id: 7 }, { id: 0 }, { id: 0, endFlags: 0x20 }]);
    const threads = withPthreads('aarch64', memory, threadsAt(pointers.slice(0, 1)));
    const segments = pointers.map((_, index) => ({
      address: stacks + BigInt(index * stackBytes),
      memoryBytes: BigInt(stackBytes),
      fileBytes: BigInt(stackBytes),
      fileOffset: 0n,
      readable: true,
      writable: true,
      executable: false,
    }));
    const lost = lostThreads({ memory, threads, segments });
    expect(lost.map(({ address }) => address)).toEqual([(pointers[1] ?? 0n) - size]);
  });

  test('the rest of a structure of x86-64 is none of AArch64', () => {
    const bytes = Buffer.alloc(4096);
    const address = stacks;
    for (const at of [0, 16]) bytes.writeBigUInt64LE(address, at);
    for (const at of [728, 736]) bytes.writeBigUInt64LE(address + 736n, at);
    bytes.writeBigInt64LE(-32n, 744);
    bytes.writeInt32LE(7, 720);
    const memory: Memory = {
      read: (at, length) => bytes.subarray(Number(at - address), Number(at - address) + length),
    };
    expect(readPthread(memory, address)).toMatchObject({ id: 7, idField: address + 720n });
    expect(readPthread(memory, address + 512n)).toBeUndefined();
  });
});

function threadsAt(pointers: readonly bigint[]): readonly CoreThread[] {
  return pointers.map((threadPointer, index) => ({ lwp: 5000 + index, pc: 0n, stackPointer: 0n, threadPointer }));
}
