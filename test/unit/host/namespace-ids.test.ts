import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { evidenceOf } from '../../support/analyze-target.ts';

test('evidence has the id that each thread has in its own PID namespace', async () => {
  const { threads } = await evidenceOf(process.pid);
  for (const { tid, nsPid } of threads) {
    const status = readFileSync(`/proc/self/task/${tid}/status`, 'utf8');
    expect(nsPid).toBe(Number(/^NSpid:.*\t(\d+)$/m.exec(status)?.[1]));
  }
});
