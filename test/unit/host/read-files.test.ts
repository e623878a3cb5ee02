import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readFramedFiles } from '../../../src/capture/framed-files.ts';

const program = join(import.meta.dirname, '..', '..', '..', 'src', 'host', 'program.sh');

describe.each([
  ['dash', ['dash']],
  ['busybox sh', ['busybox', 'sh']],
])('files that the host program sends under %s', (_name, [shell = '', ...rest]) => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hangar-read-'));
    for (const [name, bytes] of Object.entries({ a: 600, b: 500, c: 300 }))
      writeFileSync(join(folder, name), randomBytes(bytes));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const read = async (...limits: readonly string[]): Promise<readonly string[]> => {
    const paths = ['a', 'none', 'b', 'c'].map(name => `path=${join(folder, name)}`);
    const reply = execFileSync(shell, [...rest, program, 'read', ...limits, ...paths]);
    const files: string[] = [];
    for await (const file of readFramedFiles(Readable.from([reply])))
      files.push(file.status === 'sent' ? `${file.key} ${file.bytes}` : `${file.key} ${file.why}`);
    return files;
  };

  test('are bounded one by one', async () => {
    expect(await read('max=550')).toEqual(['0 has 600 bytes, more than 550', '1 not a regular file', '2 500', '3 300']);
  });

  test('are bounded all together, and what still fits is sent', async () => {
    expect(await read('max=1000', 'total=1000')).toEqual([
      '0 600',
      '1 not a regular file',
      '2 has 500 bytes, more than 400',
      '3 300',
    ]);
  });

  test('are not sent for limits that are no numbers', () => {
    expect(() => execFileSync(shell, [...rest, program, 'read', 'total=all'], { stdio: 'pipe' })).toThrow('USAGE');
  });
});
