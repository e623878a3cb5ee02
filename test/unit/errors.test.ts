import { expect, test } from 'vitest';
import { HangarError, messageOf } from '../../src/errors.ts';

test('an error carries code, fix and the exit code of its kind', () => {
  const error = new HangarError({
    code: 'HOST_UNKNOWN',
    message: 'no host "web9"',
    fix: 'name one of: web3',
    failure: 'usage',
  });
  expect(error).toMatchObject({ code: 'HOST_UNKNOWN', fix: 'name one of: web3', exitCode: 2, name: 'HangarError' });
});

test('anything thrown has a message on one line', () => {
  expect(messageOf(new Error('first\n  second'))).toBe('first; second');
  expect(messageOf(7)).toBe('7');
});
