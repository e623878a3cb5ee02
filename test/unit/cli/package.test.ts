import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..', '..');

describe('the packed package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hangar-package-'));
  const installed = join(folder, 'node_modules', 'hangar');
  const empty = join(folder, 'empty');
  const whole = /^capture: [\s\S]*hang: /;

  beforeAll(() => {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const [archive = ''] = readdirSync(folder);
    mkdirSync(installed, { recursive: true });
    execFileSync('tar', ['-xzf', join(folder, archive), '-C', installed, '--strip-components=1']);
    // What npm would put beside it is what this checkout has.
    for (const name of readdirSync(join(root, 'node_modules')).filter(each => !each.startsWith('.')))
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
    mkdirSync(join(folder, 'node_modules', '.bin'));
    symlinkSync('../hangar/bin/runbook', join(folder, 'node_modules', '.bin', 'runbook'));
    mkdirSync(empty);
  }, 180_000);

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const command = join(folder, 'node_modules', '.bin', 'runbook');

  function run(cache: string | undefined, ...args: readonly string[]): string {
    return execFileSync(command, args, { cwd: empty, encoding: 'utf8', env: environment(cache) });
  }

  function newCache(): string {
    return mkdtempSync(join(folder, 'cache-'));
  }

  test('works where it is installed, in an empty folder, through a link', () => {
    const cache = newCache();
    expect(run(cache, 'list')).toMatch(whole);
    expect(
      JSON.parse(
        run(cache, 'hang', '--host', 'ops@web3.example', '--service', 'apache2', '--dry-run', '--format', 'json'),
      ),
    ).toMatchObject({
      schema: 'hangar.plan/1',
      hosts: [{ name: 'ops@web3.example' }],
    });
    expect(readdirSync(empty)).toEqual([]);
  });

  test('works as it was compiled, where it was not bundled', () => {
    const bundle = join(installed, 'dist', 'cli');
    renameSync(bundle, `${bundle}-away`);
    try {
      expect(run(newCache(), 'list')).toMatch(whole);
    } finally {
      renameSync(`${bundle}-away`, bundle);
    }
  });

  test('keeps the code that it compiled for the next time, for its user alone', () => {
    const cache = newCache();
    expect(run(cache, 'list')).toMatch(whole);
    const [entry = ''] = kept(cache);
    expect(statSync(entry).size).toBeGreaterThan(10_000);
    expect(kept(cache).map(modeOf)).toEqual(kept(cache).map(() => 0o600));
    for (let at = dirname(entry); at !== cache; at = dirname(at)) expect(modeOf(at)).toBe(0o700);
    const before = kept(cache).map(path => statSync(path).ino);
    expect(run(cache, 'list')).toMatch(whole);
    // What is taken is not written again.
    expect(kept(cache).map(path => statSync(path).ino)).toEqual(before);
  });

  test('compiles again what was damaged, cut off, or could be written by others', () => {
    const cache = newCache();
    run(cache, 'list');
    const [entry = ''] = kept(cache);
    const { size } = statSync(entry);
    const damages: readonly (() => void)[] = [
      () => {
        const bytes = readFileSync(entry);
        for (let at = 64; at < bytes.length - 64; at += 97) bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
        writeFileSync(entry, bytes);
      },
      () => truncateSync(entry, 5000),
      () => truncateSync(entry, 0),
      () => writeFileSync(entry, 'damaged'),
      () => chmodSync(entry, 0o620),
    ];
    for (const damage of damages) {
      damage();
      expect(run(cache, 'list')).toMatch(whole);
      expect(modeOf(entry)).toBe(0o600);
      expect(statSync(entry).size).toBeGreaterThan(size / 2);
    }
  });

  test('several at once leave whole files and nothing else', async () => {
    const cache = newCache();
    const env = environment(cache);
    const outputs = await Promise.all(
      Array.from({ length: 4 }, () => promisify(execFile)(command, ['list'], { cwd: empty, encoding: 'utf8', env })),
    );
    for (const { stdout } of outputs) expect(stdout).toMatch(whole);
    expect(kept(cache).filter(path => !path.endsWith('.cjs'))).toEqual([]);
    expect(run(cache, 'list')).toMatch(whole);
  });

  test('removes the code of builds that it replaced, and that alone', () => {
    const cache = newCache();
    const code = join(cache, 'hangar', 'code');
    mkdirSync(join(code, 'main-0old_-Bd', 'list'), { recursive: true });
    writeFileSync(join(code, 'main-0old_-Bd', 'list', 'main-0old_-Bd.cjs'), '');
    mkdirSync(join(code, 'mainstream'));
    chmodSync(join(cache, 'hangar'), 0o700);
    run(cache, 'list');
    const [entry = ''] = kept(cache);
    expect(readdirSync(code).toSorted()).toEqual([basename(entry, '.cjs'), 'mainstream']);
  });

  test('keeps nothing in a dry run, and takes nothing either', () => {
    const cache = newCache();
    run(cache, 'hang', '--host', 'ops@web3.example', '--service', 'apache2', '--dry-run');
    expect(readdirSync(cache)).toEqual([]);
  });

  test.each([0o750, 0o770, 0o707])('keeps nothing in a folder that is not its user’s alone: %o', mode => {
    const cache = newCache();
    mkdirSync(join(cache, 'hangar'));
    chmodSync(join(cache, 'hangar'), mode);
    expect(run(cache, 'list')).toMatch(whole);
    expect(readdirSync(join(cache, 'hangar'))).toEqual([]);
  });

  test('keeps nothing behind a link, and nothing beside what is no folder', () => {
    const [cache, elsewhere] = [newCache(), newCache()];
    symlinkSync(elsewhere, join(cache, 'hangar'));
    expect(run(cache, 'list')).toMatch(whole);
    expect(readdirSync(elsewhere)).toEqual([]);
    writeFileSync(join(elsewhere, 'hangar'), '');
    expect(run(elsewhere, 'list')).toMatch(whole);
    const full = newCache();
    mkdirSync(join(full, 'hangar'), { mode: 0o700 });
    writeFileSync(join(full, 'hangar', 'code'), '');
    expect(run(full, 'list')).toMatch(whole);
  });

  test.runIf(process.geteuid?.() === 0)('keeps nothing in the cache or the home of another user, as under sudo', () => {
    const others = newCache();
    mkdirSync(join(others, 'hangar'), { mode: 0o700 });
    chownSync(join(others, 'hangar'), 65_534, 65_534);
    expect(run(others, 'list')).toMatch(whole);
    expect(readdirSync(join(others, 'hangar'))).toEqual([]);
    const home = newCache();
    chownSync(home, 65_534, 65_534);
    expect(run(home, 'list')).toMatch(whole);
    execFileSync(command, ['list'], { cwd: empty, env: { ...environment(undefined), HOME: home } });
    expect(readdirSync(home)).toEqual([]);
  });

  test('works without a home, and where the cache is no absolute path', () => {
    expect(run(undefined, 'list')).toMatch(whole);
    expect(run('cache', 'list')).toMatch(whole);
    expect(readdirSync(empty)).toEqual([]);
  });
});

function environment(cache: string | undefined): NodeJS.ProcessEnv {
  const { HOME: _home, XDG_CACHE_HOME: _cache, ...others } = process.env;
  return { ...others, ...(cache !== undefined && { XDG_CACHE_HOME: cache }) };
}

/** What is kept of `runbook list`: paths of its files, the entry first. */
function kept(cache: string): readonly string[] {
  const code = join(cache, 'hangar', 'code');
  const [build = ''] = readdirSync(code).filter(name => name.startsWith('main-'));
  const names = readdirSync(join(code, build, 'list')).toSorted();
  const isEntry = (name: string) => name === `${build}.cjs`;
  return [...names.filter(isEntry), ...names.filter(name => !isEntry(name))].map(name =>
    join(code, build, 'list', name),
  );
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

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
