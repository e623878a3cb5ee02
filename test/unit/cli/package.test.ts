import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..', '..');

test('the packed package works where it is installed, in an empty folder, through a link', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hangar-package-'));
  try {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const [archive = ''] = readdirSync(folder);
    const installed = join(folder, 'node_modules', 'hangar');
    mkdirSync(installed, { recursive: true });
    execFileSync('tar', ['-xzf', join(folder, archive), '-C', installed, '--strip-components=1']);
    // What npm would put beside it is what this checkout has.
    for (const name of readdirSync(join(root, 'node_modules')).filter(each => !each.startsWith('.')))
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
    mkdirSync(join(folder, 'node_modules', '.bin'));
    symlinkSync('../hangar/bin/runbook', join(folder, 'node_modules', '.bin', 'runbook'));
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const run = (...args: readonly string[]) =>
      execFileSync(join(folder, 'node_modules', '.bin', 'runbook'), args, {
        cwd: empty,
        encoding: 'utf8',
        env: { ...process.env, XDG_CACHE_HOME: folder },
      });
    expect(run('list')).toMatch(/^capture: [\s\S]*hang: /);
    // What it compiled is kept for the next time; what is not whole is refused and made again.
    const code = join(folder, 'hangar', 'code', 'list');
    const [kept = ''] = readdirSync(code).filter(name => name.startsWith('main-'));
    const { size, mode } = statSync(join(code, kept));
    expect([size > 10_000, mode & 0o777]).toEqual([true, 0o600]);
    writeFileSync(join(code, kept), 'damaged');
    expect(run('list')).toMatch(/^capture: [\s\S]*hang: /);
    expect(statSync(join(code, kept)).size).toBeGreaterThan(10_000);
    expect(
      JSON.parse(run('hang', '--host', 'ops@web3.example', '--service', 'apache2', '--dry-run', '--format', 'json')),
    ).toMatchObject({
      schema: 'hangar.plan/1',
      hosts: [{ name: 'ops@web3.example' }],
    });
    expect(readdirSync(empty)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a core that is none, a core of a program without Python, and one that is cut off are told apart', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hangar-cli-'));
  try {
    const text = join(folder, 'text');
    writeFileSync(text, 'not a core');
    expect(outcome('analyze', text)).toMatchObject({ code: 2, error: { code: 'NOT_A_CORE' } });
    const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
    execFileSync('gcore', ['-o', join(folder, 'core'), String(sleeper.pid)], { stdio: 'ignore' });
    sleeper.kill('SIGKILL');
    const core = join(folder, `core.${sleeper.pid}`);
    expect(outcome('analyze', core)).toMatchObject({ code: 0, schema: 'hangar.report/1', process: { pythons: [] } });
    execFileSync('truncate', ['-s', '40K', core]);
    const cut = outcome('analyze', core, '--no-native');
    expect(cut).toMatchObject({ code: 0, schema: 'hangar.report/1' });
    expect(JSON.stringify(cut)).toContain('is cut off');
    expect(outcome('analyze', join(folder, 'gone'))).toMatchObject({ code: 2, error: { code: 'NO_SUCH_CASE' } });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Exit code and the one JSON document of a command. */
function outcome(...args: readonly string[]): object {
  const command = [join(root, 'bin', 'runbook'), '--state', '/nonexistent/state', '--format', 'json', ...args];
  const script = 'out=$("$@" 2>/dev/null); code=$?; printf \'%s\\n%s\' "$code" "$out"';
  const [code, ...json] = execFileSync('sh', ['-c', script, 'sh', ...command], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  }).split('\n');
  return { code: Number(code), ...JSON.parse(json.join('\n')) };
}
