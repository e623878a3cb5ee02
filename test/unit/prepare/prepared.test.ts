import { describe, expect, test } from 'vitest';
import { readPrepared } from '../../../src/prepare/prepared.ts';

describe('what a preparation says', () => {
  test('is read by kind, with the text whole', () => {
    const said = readPrepared(
      'changed package:gdb installed gdb 10.1-1.7\nfailed free-disk 1.0 GiB are free\nkept core-directory it holds 1\ndone\n',
    );
    expect(said).toEqual({
      changed: [{ id: 'package:gdb', text: 'installed gdb 10.1-1.7' }],
      failed: [{ id: 'free-disk', text: '1.0 GiB are free' }],
      kept: [{ id: 'core-directory', text: 'it holds 1' }],
      isDone: true,
    });
  });

  test('is not done where its last line is missing', () => {
    expect(readPrepared('changed package:gdb installed gdb 10.1-1.7\n').isDone).toBe(false);
    expect(readPrepared('').isDone).toBe(false);
  });

  test('may hold lines of others', () => {
    const said = readPrepared('Last login: today\nchanged stamp\nchanges x y\ndone\n');
    expect(said.changed).toEqual([{ id: 'stamp', text: '' }]);
    expect(said.isDone).toBe(true);
  });
});
