import { execFileSync } from 'node:child_process';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import {
  commandOf,
  describeInterpreters,
  prepareInterpreters,
  pythonVersions,
  requireInterpreter,
} from '../../support/interpreters.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

beforeAll(() => prepareInterpreters());

test.each(pythonVersions)('CPython %s is the version that its name says', version => {
  const program = 'import sys; sys.stdout.write("%d.%d" % sys.version_info[:2])';
  const [command, ...args] = commandOf(requireInterpreter(version), ['-c', program]);
  expect(execFileSync(command, args, { encoding: 'utf8' })).toBe(version);
});

test('a missing interpreter fails the test where CI expects all of them', () => {
  vi.stubEnv('CI', 'true');
  vi.stubEnv('PYENV_ROOT', '/nonexistent');
  expect(() => requireInterpreter('2.7')).toThrow('no CPython 2.7 here');
  expect(describeInterpreters()).toContain('2.7: none');
});
