import { afterAll, describe, expect, test } from 'vitest';
import { openCore } from '../../../src/corefile/open-core.ts';
import { lostThreads, lwpsByInnerId } from '../../../src/corefile/pthreads.ts';
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
