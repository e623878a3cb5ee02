import { expect, test } from 'vitest';
import { readResult } from '../../../src/serve/read-result.ts';

test.each([
  ['an error', { schema: 'hangar.error/1', error: { code: 'X', message: 'no\nmore', fix: 'f' } }, { problem: 'X: no' }],
  [
    'a step that failed',
    {
      run: 'r',
      hosts: [
        { name: 'a', steps: [{}] },
        { name: 'b', steps: [{ error: { code: 'S', message: 'bad' } }] },
      ],
    },
    { run: 'r', problem: 'b: S: bad' },
  ],
  [
    'a host that was lost',
    { run: 'r', hosts: [{ name: 'a', error: { code: 'UNREACHABLE', message: 'gone' }, steps: [] }] },
    { run: 'r', problem: 'a: UNREACHABLE: gone' },
  ],
  ['a run that did well', { run: 'r', hosts: [{ name: 'a', steps: [] }] }, { run: 'r' }],
])('%s is told in one line', (_what, document, result) => {
  expect(readResult(JSON.stringify(document), 'not looked at')).toEqual(result);
});

test('without a document the last line on stderr counts', () => {
  expect(readResult('{"cut', 'first\nerror INTERNAL: x\n')).toEqual({ problem: 'error INTERNAL: x' });
  expect(readResult('', '')).toEqual({});
});
