import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';

const bin = join(import.meta.dirname, '..', '..', '..', 'bin', 'runbook');
const module = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'write-fully.ts');
/** Larger than any pipe holds, and with characters of more than one byte at the edges of pieces. */
const text = 'blocked for 0.3 s … '.repeat(200_000);
const program = `
  import { writeFully } from ${JSON.stringify(module)};
  try {
    writeFully(1, 'blocked for 0.3 s … '.repeat(200_000));
    process.exit(0);
  } catch (error) {
    process.stderr.write(error.code);
    process.exit(1);
  }
`;
const node = [process.execPath, '--input-type=module', '-e', program];

test.each([
  ['blocks', 'True'],
  ['does not block', 'False'],
])('a slow reader of a pipe that %s gets all of a text, although the writer ends at once', async (_, isBlocking) => {
  const preset = `import os, sys; os.set_blocking(1, ${isBlocking}); os.execv(sys.argv[1], sys.argv[1:])`;
  const shell = '"$@" | { sleep 0.3; cat; }';
  const writer = spawn('sh', ['-c', shell, 'sh', 'python3', '-c', preset, ...node], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const hash = createHash('sha256');
  for await (const chunk of writer.stdout) {
    hash.update(chunk);
    await setTimeout(1);
  }
  expect(hash.digest('hex')).toBe(createHash('sha256').update(text).digest('hex'));
});

test('a reader that ends early is told as EPIPE', async () => {
  const writer = spawn(node[0] ?? '', node.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(writer, 'exit');
  await once(writer.stdout, 'readable');
  writer.stdout.destroy();
  const [told] = await once(writer.stderr.setEncoding('utf8'), 'data');
  expect(told).toBe('EPIPE');
  expect(await exited).toEqual([1, null]);
});

test('a file gets all of a text', () => {
  const script = '"$@" > "$0" && sha256sum < "$0" && rm "$0"';
  const path = join(process.env['TMPDIR'] ?? '/tmp', `write-fully-${process.pid}`);
  const sum = execFileSync('sh', ['-c', script, path, ...node], { encoding: 'utf8' });
  expect(sum.split(' ')[0]).toBe(createHash('sha256').update(text).digest('hex'));
});

test.each([
  ['a disk that is full', '"$0" list > /dev/full', 1, /^error OUTPUT_UNWRITABLE: .*ENOSPC.*\n {2}fix: /],
  ['a reader that has left', '(sleep 0.3; exec "$0" list) | true; exit ${PIPESTATUS[0]}', 0, /^$/],
])('a command whose result goes to %s', (_, script, code, told) => {
  const { status, stderr } = spawnSync('bash', ['-c', script, bin], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([code, expect.stringMatching(told)]);
});
