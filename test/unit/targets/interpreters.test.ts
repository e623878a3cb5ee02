import { execFileSync } from 'node:child_process';
import { afterEach, expect, test, vi } from 'vitest';
import { describeInterpreters, pythonVersions, requireInterpreter } from '../../support/interpreters.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

test.each(pythonVersions.filter(version => version !== '3.14'))(
  'CPython %s is the version that its name says',
  version => {
    const { path } = requireInterpreter(version);
    const said = execFileSync(path, ['-c', 'import sys; sys.stdout.write("%d.%d" % sys.version_info[:2])'], {
      encoding: 'utf8',
    });
    expect(said).toBe(version);
  },
);

test('a missing interpreter fails the test where CI expects all of them', () => {
  vi.stubEnv('CI', 'true');
  vi.stubEnv('PYENV_ROOT', '/nonexistent');
  expect(() => requireInterpreter('2.7')).toThrow('no CPython 2.7 here');
  expect(describeInterpreters()).toContain('2.7: none');
});
