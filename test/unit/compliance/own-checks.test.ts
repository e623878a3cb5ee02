import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askOwnChecks, type OwnAnswers, readOwnAnswers } from '../../../src/compliance/ask-own-checks.ts';
import { judgeOwnChecks } from '../../../src/compliance/judge-own-checks.ts';
import type { OwnAnswer, OwnCheck, OwnQuestion } from '../../../src/compliance/own-check.ts';
import { ownChecksScript } from '../../../src/compliance/own-checks-script.ts';
import type { CheckResult } from '../../../src/compliance/schema.ts';
import { quote } from '../../../src/quote.ts';
import { localShell } from '../../../src/ssh/local-shell.ts';
import type { RemoteCommand } from '../../../src/ssh/session.ts';
import { host, now, sha256 } from './good-host.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hangar-own-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function checkOf(asks: OwnQuestion, more: Partial<OwnCheck> = {}): OwnCheck {
  return {
    id: 'mine',
    severity: 'error',
    why: 'it must be so',
    fix: 'make it so',
    origin: 'own',
    isFor: name => name === 'web3',
    asks,
    ...more,
  };
}

function command(run: string, more: Partial<Extract<OwnQuestion, { kind: 'command' }>> = {}): OwnQuestion {
  return { kind: 'command', run, exitCode: 0, become: false, timeoutSeconds: 10, ...more };
}

/** Asks this machine, as the user who runs the test. */
async function ask(checks: readonly OwnCheck[]): Promise<{ answers: OwnAnswers; calls: number }> {
  let calls = 0;
  const shell = localShell();
  const run = (line: RemoteCommand, options?: Parameters<typeof shell.run>[1]): ReturnType<typeof shell.run> => {
    calls++;
    return shell.run(line, options);
  };
  const answers = await askOwnChecks({ host: { ...host, become: 'none' }, run }, checks);
  return { answers, calls };
}

async function judgeHere(asks: OwnQuestion, more: Partial<OwnCheck> = {}): Promise<CheckResult> {
  const check = checkOf(asks, more);
  const { answers } = await ask([check]);
  const [result] = judgeOwnChecks({ host, at: now }, [check], answers);
  if (result === undefined) throw new Error('no result');
  return result;
}

test('all checks of a host are asked in one round trip, each in its own place, and those of others are not', async () => {
  const checks = [
    checkOf(command('echo one; exit 3', { exitCode: 3 }), { id: 'first' }),
    checkOf(command(`cat; printf '%s' "it's \\$HOME"`, { stdout: { equals: "it's $HOME" } }), { id: 'second' }),
    checkOf(command('echo end; echo "check 0"', { stdout: { equals: 'end\ncheck 0' } }), { id: 'third' }),
    checkOf(command('false'), { id: 'of-db1', isFor: name => name === 'db1' }),
    checkOf({ kind: 'file', path: '/etc/passwd', exists: true }, { id: 'last' }),
  ];
  const { answers, calls } = await ask(checks);
  expect(calls).toBe(1);
  const results = judgeOwnChecks({ host, at: now }, checks, answers);
  expect(results.map(({ id, state, origin }) => [id, state, origin])).toEqual([
    ['first', 'pass', 'own'],
    ['second', 'pass', 'own'],
    ['third', 'pass', 'own'],
    ['last', 'pass', 'own'],
  ]);
  expect((await ask([])).calls).toBe(0);
});

test('a command is met by its exit code and its output, else told with both', async () => {
  expect(
    await judgeHere(command('echo gone >&2; exit 2'), { severity: 'warning', title: 'the backup is fresh' }),
  ).toMatchObject({
    state: 'warn',
    title: 'the backup is fresh',
    expected: 'exit code 0',
    actual: 'exit code 2, it printed "gone"',
    why: 'it must be so',
    fix: 'make it so',
  });
  expect((await judgeHere(command('echo 12', { stdout: { atLeast: 12 } }))).state).toBe('pass');
  expect(await judgeHere(command('echo 11; echo noise >&2', { stdout: { atLeast: 12 } }))).toMatchObject({
    state: 'fail',
    expected: 'exit code 0, its output is at least 12',
    actual: 'exit code 0, it printed "11"',
  });
  expect((await judgeHere(command('kill -9 $$', { exitCode: 137 }))).state).toBe('pass');
});

test('a command that does not end is ended, and told as not judged; one that leaves a process behind is not waited for', async () => {
  expect(await judgeHere(command('sleep 60', { timeoutSeconds: 0.3 }))).toMatchObject({
    state: 'error',
    actual: 'not seen: the command did not end within 0.3 s (`timeout`)',
  });
  const left = await judgeHere(command('sleep 20 & echo $!', { timeoutSeconds: 0.5 }));
  expect(left).toMatchObject({ state: 'pass' });
  process.kill(Number(/"(\d+)"/.exec(left.actual)?.[1]), 'SIGKILL');
});

test('output is looked at for 4 KiB: what may match behind that is not judged', async () => {
  const long = command('yes | head -c 100000; echo needle', { stdout: { contains: 'needle' } });
  expect(await judgeHere(long)).toMatchObject({ state: 'error', actual: expect.stringContaining('more than 4 KiB') });
  expect((await judgeHere(command('yes | head -c 100000', { stdout: { contains: 'y\ny' } }))).state).toBe('pass');
  const binary = command(String.raw`printf '\000\377end\n'`, { stdout: { contains: 'end' } });
  expect((await judgeHere(binary)).state).toBe('pass');
});

test('a file is there, or not, with mode, owner, bytes and text; its text is never shown', async () => {
  const path = join(folder, "it's a file");
  await writeFile(path, 'token=canary\n');
  await chmod(path, 0o640);
  const file = (more: Partial<Extract<OwnQuestion, { kind: 'file' }>>): OwnQuestion => ({
    kind: 'file',
    path,
    exists: true,
    ...more,
  });
  const right = {
    mode: '0640',
    owner: 'root',
    group: 'root',
    sha256: sha256('token=canary\n'),
    contains: { matches: '^token=\\w+$' },
  };
  expect(await judgeHere(file(right))).toMatchObject({ state: 'pass', actual: 'it is so' });
  const wrong = await judgeHere(
    file({ mode: '0600', owner: 'nobody', sha256: sha256(''), contains: { contains: 'other' } }),
  );
  expect(wrong).toMatchObject({
    state: 'fail',
    actual: `${path}: mode 0640, owner root, other bytes, its text does not match`,
  });
  expect(JSON.stringify(wrong)).not.toContain('canary');
  expect((await judgeHere(file({ path: join(folder, 'none') }))).state).toBe('fail');
  expect((await judgeHere(file({ path: join(folder, 'none'), exists: false }))).state).toBe('pass');
  expect(await judgeHere(file({ exists: false }))).toMatchObject({ state: 'fail', actual: `${path} is there` });
  expect((await judgeHere(file({ path: folder }))).state).toBe('pass');
  expect(await judgeHere(file({ path: folder, contains: { contains: 'x' } }))).toMatchObject({ state: 'error' });
  await writeFile(path, `${'x'.repeat(70_000)}needle`);
  expect(await judgeHere(file({ contains: { contains: 'needle' } }))).toMatchObject({ state: 'error' });
});

test.skipIf(process.getuid?.() !== 0)('what only root may see is an error for others, with the reason', async () => {
  const closed = join(folder, 'closed');
  await writeFile(closed, 'x');
  await chmod(folder, 0o700);
  const checks = [
    checkOf({ kind: 'file', path: closed, exists: true }, { id: 'file' }),
    checkOf(command('true', { become: true }), { id: 'command' }),
    checkOf(command('id -un', { stdout: { equals: 'nobody' } }), { id: 'plain' }),
  ];
  const script = ownChecksScript(checks, { become: 'sudo' });
  const child = spawn('sh', ['-s'], { uid: 65_534, gid: 65_534, cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(script);
  const [chunks] = await Promise.all([child.stdout.toArray(), once(child, 'close')]);
  const results = judgeOwnChecks({ host, at: now }, checks, readOwnAnswers(Buffer.concat(chunks).toString(), checks));
  expect(results.map(({ id, state }) => [id, state])).toEqual([
    ['file', 'error'],
    ['command', 'error'],
    ['plain', 'pass'],
  ]);
  expect(results[0]?.actual).toMatch(/Permission denied/);
  expect(results[0]?.fix).toMatch(/needs root/);
});

/** Runs the script as a user who may do all by sudo, in a mount namespace of its own that alone has the rule. */
const asSudoer = `
set -e
mount --bind "$1" /etc/sudoers.d
exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -s
`;
const canBecome =
  process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'sh', '-c', 'command -v sudo setpriv']).status === 0;

test.skipIf(!canBecome)('who may become root does so where a check needs it, and only there', async () => {
  const closed = join(folder, 'for-root');
  await writeFile(closed, 'secret');
  const rules = await mkdtemp(join(tmpdir(), 'hangar-rules-'));
  try {
    await writeFile(join(rules, 'nobody'), 'nobody ALL=(ALL) NOPASSWD: ALL\n', { mode: 0o440 });
    const checks = [
      checkOf({ kind: 'file', path: closed, exists: true, contains: { equals: 'secret' } }, { id: 'file' }),
      checkOf({ kind: 'file', path: join(folder, 'none'), exists: false }, { id: 'none' }),
      checkOf(command('id -un', { become: true, stdout: { equals: 'root' } }), { id: 'root' }),
      checkOf(command('id -un', { stdout: { equals: 'nobody' } }), { id: 'plain' }),
      checkOf(command('exit 7', { become: true, exitCode: 7 }), { id: 'code' }),
    ];
    const child = spawn('unshare', ['-m', 'sh', '-c', asSudoer, 'sh', rules], {
      cwd: '/',
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(ownChecksScript(checks, { become: 'sudo' }));
    const [chunks] = await Promise.all([child.stdout.toArray(), once(child, 'close')]);
    const results = judgeOwnChecks({ host, at: now }, checks, readOwnAnswers(Buffer.concat(chunks).toString(), checks));
    expect(results.map(({ id, state, actual }) => [id, state, state === 'pass' ? '' : actual])).toEqual(
      checks.map(({ id }) => [id, 'pass', '']),
    );
  } finally {
    await rm(rules, { recursive: true });
  }
});

test('packages, kernel settings and ports of this machine are as they are', async () => {
  expect(
    (await judgeHere({ kind: 'package', name: 'dpkg', installed: true, version: { atLeast: '1.17' } })).state,
  ).toBe('pass');
  expect(await judgeHere({ kind: 'package', name: 'dpkg', installed: true, version: { atLeast: '99' } })).toMatchObject(
    {
      state: 'fail',
      expected: 'dpkg: its version is at least 99',
    },
  );
  expect((await judgeHere({ kind: 'package', name: 'dpkg', installed: false })).state).toBe('fail');
  expect((await judgeHere({ kind: 'package', name: 'no-such-package-here', installed: false })).state).toBe('pass');
  expect((await judgeHere({ kind: 'sysctl', name: 'kernel.ostype', value: 'Linux' })).state).toBe('pass');
  expect((await judgeHere({ kind: 'sysctl', name: 'kernel/ostype', value: 'Linux' })).state).toBe('pass');
  expect(await judgeHere({ kind: 'sysctl', name: 'kernel.ostype', value: 'Hurd' })).toMatchObject({
    state: 'fail',
    actual: 'kernel.ostype = Linux',
  });
  expect(await judgeHere({ kind: 'sysctl', name: 'kernel.no_such', value: '1' })).toMatchObject({
    state: 'fail',
    actual: 'this kernel has no kernel.no_such',
  });
});

test('a port is listened at, at that address or at any', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const port = (more: Partial<Extract<OwnQuestion, { kind: 'port' }>>): OwnQuestion => ({
    kind: 'port',
    port: address.port,
    listening: true,
    ...more,
  });
  try {
    expect(await judgeHere(port({}))).toMatchObject({ state: 'pass', actual: 'listened at 127.0.0.1' });
    expect((await judgeHere(port({ address: '127.0.0.1' }))).state).toBe('pass');
    expect((await judgeHere(port({ address: '0.0.0.0' }))).state).toBe('fail');
    expect((await judgeHere(port({ address: '0.0.0.0', listening: false }))).state).toBe('pass');
    expect((await judgeHere(port({ listening: false }))).state).toBe('fail');
  } finally {
    server.close();
  }
  await once(server, 'close');
  expect(await judgeHere(port({}))).toMatchObject({ state: 'fail', actual: 'nothing listens' });
});

function judgeService(asks: { running?: boolean; enabled?: boolean }, lines: string): CheckResult | undefined {
  const check = checkOf({ kind: 'service', name: 'cron', ...asks });
  return judgeOwnChecks({ host, at: now }, [check], readOwnAnswers(`check 0\n${lines}end\n`, [check]))[0];
}

test('a service runs and starts with the host, or not', () => {
  expect(judgeService({ running: true, enabled: true }, 'running\nenabled\nasked\n')?.state).toBe('pass');
  expect(judgeService({ running: true, enabled: true }, 'running\nasked\n')).toMatchObject({
    state: 'fail',
    expected: 'cron is running and starts with the host',
    actual: 'cron is running and does not start with the host',
  });
  expect(judgeService({ running: false }, 'asked\n')?.state).toBe('pass');
  expect(judgeService({ enabled: false }, 'running\nenabled\nasked\n')?.state).toBe('fail');
});

test('a service that nobody has does not run', async () => {
  expect((await judgeHere({ kind: 'service', name: 'no-such-service-here', running: true })).state).toBe('fail');
  expect(
    (await judgeHere({ kind: 'service', name: 'no-such-service-here', running: false, enabled: false })).state,
  ).toBe('pass');
});

test('an answer that breaks off, or is of another kind, is an error', () => {
  const check = checkOf(command('true'));
  const judgeAnswer = (answer: OwnAnswer | undefined): CheckResult | undefined =>
    judgeOwnChecks({ host, at: now }, [check], new Map(answer === undefined ? [] : [['mine', answer]]))[0];
  expect(judgeAnswer(undefined)?.state).toBe('error');
  expect(judgeAnswer({ kind: 'sysctl', value: '1' })?.state).toBe('error');
  for (const printed of ['', 'check 0\n', 'check 0\ntext \n', 'check 0\nend\n', 'check 1\nexit 0\nend\n'])
    expect(judgeAnswer(readOwnAnswers(printed, [check]).get('mine'))?.state).toBe('error');
});

test('a half installed package is not installed', () => {
  const check = checkOf({ kind: 'package', name: 'gdb', installed: true });
  const judgePrinted = (line: string): CheckResult | undefined =>
    judgeOwnChecks({ host, at: now }, [check], readOwnAnswers(`check 0\n${line}\nasked\nend\n`, [check]))[0];
  expect(judgePrinted('package iU |13.1-3')?.actual).toBe('gdb is not wholly installed');
  expect(judgePrinted('package rc |13.1-3')?.actual).toBe('gdb is not installed');
  expect(judgePrinted('package rc |13\npackage ii |14')?.state).toBe('pass');
});

test('values of a check are words of the shell, whatever they hold', async () => {
  const path = join(folder, `$(touch ${quote('canary')}) "; exit 1; \n'`.replace('\n', ' '));
  await writeFile(path, '');
  expect((await judgeHere({ kind: 'file', path, exists: true })).state).toBe('pass');
});
