import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

test('the demo explains all three causes and leaves nothing behind', async () => {
  const before = traces();
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, '..', 'demo', 'main.ts')], {
    maxBuffer: 2 ** 24,
  });
  // Which of the two comes first is a matter of their numbers.
  expect(stdout).toMatch(
    /deadlock: threads \d+ and \d+ wait for each other's locks: (?:reserve_then_charge .* and charge_then_reserve|charge_then_reserve .* and reserve_then_charge) /,
  );
  expect(stdout).toMatch(/busy-loop(?: \(likely\))?: thread \d+ runs without end in recount_stock/);
  expect(stdout).toMatch(/blocking-io .*: thread \d+ waits in fetch_price/);
  expect(stdout).toContain('is back after');
  expect(traces()).toEqual(before);
  await expect(run('pgrep', ['-f', '[d]emo/service.py'])).rejects.toMatchObject({ code: 1 });
});

function traces(): readonly string[] {
  return [...readdirSync(tmpdir()), ...readdirSync('/var/tmp')].filter(name => name.startsWith('hangar-demo'));
}
