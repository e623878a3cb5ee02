import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert, asyncProperty, string } from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HangarError } from '../../../src/errors.ts';
import { localShell } from '../../../src/ssh/local-shell.ts';
import { openSession } from '../../../src/ssh/open-session.ts';
import { endWork, probeWork, removeWork, runWork, type Work, workLines } from '../../../src/ssh/remote-work.ts';
import type { SshSession } from '../../../src/ssh/session.ts';
import type { Shell } from '../../../src/ssh/shell.ts';
import { type Sshd, startSshd } from '../../support/sshd.ts';

const run = `test-${randomBytes(4).toString('hex')}`;
const base = `/var/tmp/hangar-work-${process.getuid?.()}`;

let server: Sshd;
let session: SshSession;
let bin: string;

beforeAll(async () => {
  server = await startSshd();
  session = await openSession(server.host);
  bin = mkdtempSync(join(tmpdir(), 'hangar-sh-'));
  symlinkSync(execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim(), join(bin, 'sh'));
});
afterAll(async () => {
  await removeWork(session, { run, host: server.host, become: false });
  await session.close();
  await server.stop();
  rmSync(bin, { recursive: true });
});

function makeWork(script: string, changes: Partial<Work> = {}): Work {
  const key = randomBytes(8).toString('hex');
  const given = { run, key, host: server.host, become: false, script, args: [], env: {} };
  return { ...given, limitSeconds: 30, killAfterSeconds: 1, ...changes };
}

function folderOf({ run: of, key }: Work): string {
  return join(base, of, key);
}

/** Whether the guard has written down which processes it watches. */
function isRecorded(work: Work): boolean {
  const path = join(folderOf(work), 'group');
  return existsSync(path) && readFileSync(path, 'utf8').endsWith('end\n');
}

async function codeOf(act: Promise<unknown>): Promise<string> {
  const thrown: unknown = await act.then(
    () => 'nothing',
    error => error,
  );
  return thrown instanceof HangarError ? thrown.code : String(thrown);
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await isSo()) return;
    await sleep(25);
  }
  throw new Error('it never came');
}

/** Command lines of all processes, but for this one's tools. */
function commandLines(): readonly string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });
}

function isRunning(mark: string): boolean {
  return commandLines().some(line => line.includes(mark));
}

/** The same session, with another `sh` first on PATH. */
function under(path: string): Shell {
  const changed = (line: string): string => `PATH=${path}:$PATH ${line}`;
  return {
    run: (command, options) => session.run({ ...command, line: changed(command.line) }, options),
    stream: (command, sink, options) => session.stream({ ...command, line: changed(command.line) }, sink, options),
  };
}

describe.each(['dash', 'busybox'])('work under %s', name => {
  let shell: Shell;
  beforeAll(() => {
    shell = name === 'dash' ? session : under(bin);
  });

  test('stdout comes byte for byte, with exit code, stderr and time', async () => {
    const script = String.raw`printf '\000\377\303\274'; echo trouble >&2; sleep 0.3; exit 7`;
    const { exitCode, stdout, stderr, seconds } = await runWork(shell, makeWork(script));
    expect([exitCode, stdout.toString('hex'), stderr]).toEqual([7, '00ffc3bc', 'trouble\n']);
    expect(seconds).toBeGreaterThanOrEqual(0.25);
    expect(seconds).toBeLessThan(3);
  });

  test('a script has its arguments, its interpreter, the home directory, a usual umask and no input', async () => {
    const args = ['a b', "it's", '--', ''];
    const script = 'printf "<%s>" "$@"; pwd; umask; cat; echo $-';
    const { stdout } = await runWork(shell, makeWork(script, { args, interpreter: 'bash -u' }));
    expect(stdout.toString()).toMatch(
      new RegExp(`^<a b><it's><--><>${execFileSync('sh', ['-c', 'cd; pwd'], { encoding: 'utf8' })}0022\n.*u.*\n$`),
    );
  });

  test('variables of any name do not disturb what runs them', async () => {
    const env = { PATH: '/nowhere', HOME: '/', work_directory: 'x', work_group: 'y', IFS: '0', LC_ALL: 'C' };
    const work = makeWork('echo "$PATH $HOME $work_directory $work_group $(pwd)"', { env, interpreter: '/bin/sh' });
    const { exitCode, stdout } = await runWork(shell, work);
    expect([exitCode, stdout.toString()]).toEqual([0, '/nowhere / x y /\n']);
  });

  test('values come through as they are', async () => {
    await assert(
      asyncProperty(string({ unit: 'binary', maxLength: 40 }), string({ maxLength: 40 }), async (text, argument) => {
        const [VALUE, arg] = [text.replaceAll('\0', '').toWellFormed(), argument.replaceAll('\0', '')];
        const work = makeWork(`printf '%s\\n%s' "$VALUE" "$1"\n# ${VALUE.replaceAll(/[\r\n]/g, '')}`, {
          env: { VALUE },
          args: [arg],
        });
        expect((await runWork(shell, work)).stdout.toString()).toBe(`${VALUE}\n${arg}`);
      }),
      { numRuns: 25 },
    );
  });

  test('a second call with the key joins, and does nothing again', async () => {
    const counter = join(bin, `count-${name}`);
    const work = makeWork('echo x >>"$COUNTER"; sleep 0.5; wc -l <"$COUNTER"', { env: { COUNTER: counter } });
    expect(await probeWork(shell, work)).toBe('none');
    const first = runWork(shell, work);
    await until(async () => (await probeWork(shell, work)) === 'running');
    const results = await Promise.all([first, runWork(shell, work)]);
    results.push(await runWork(shell, work));
    expect(results.map(({ stdout }) => stdout.toString().trim())).toEqual(['1', '1', '1']);
    expect(await probeWork(shell, work)).toBe('ended');
  });

  test('the limit is kept by the host, and nothing that ignores it is left', async () => {
    const work = makeWork("trap '' TERM; (trap '' TERM; exec sleep 4711) & sleep 4712; sleep 4712", {
      limitSeconds: 1,
    });
    expect(await codeOf(runWork(shell, work))).toBe('REMOTE_TIMEOUT');
    expect(isRunning('sleep 471')).toBe(false);
    expect(await codeOf(runWork(shell, work))).toBe('REMOTE_TIMEOUT');
  });

  test('an exit code of 124 or 137 before the limit is just that', async () => {
    const codes = ['exit 124', 'exit 137', 'kill -9 $$'].map(async script => runWork(shell, makeWork(script)));
    expect((await Promise.all(codes)).map(({ exitCode }) => exitCode)).toEqual([124, 137, 137]);
  });

  test('an abort ends the group', async () => {
    const abort = new AbortController();
    const work = makeWork('sleep 5711 & sleep 5712');
    const running = runWork(shell, work, { signal: abort.signal });
    await until(() => isRunning('sleep 5712'));
    const reason = new HangarError({ code: 'STEP_TIMEOUT', message: 'x', fix: 'y', failure: 'cancelled' });
    abort.abort(reason);
    expect(await codeOf(running)).toBe('STEP_TIMEOUT');
    expect(isRunning('sleep 571')).toBe(false);
    expect(await probeWork(shell, work)).toBe('ended');
    expect(await codeOf(runWork(shell, work))).toBe('CANCELLED');
  });

  test('work that was ended before it began never begins', async () => {
    const work = makeWork('echo begun');
    await endWork(shell, work);
    expect(await probeWork(shell, work)).toBe('lost');
    expect(await codeOf(runWork(shell, work))).toBe('WORK_LOST');
  });

  test('work whose processes are gone without a word is lost', async () => {
    const work = makeWork('sleep 6711');
    const running = codeOf(runWork(shell, work));
    await until(() => isRunning('sleep 6711') && isRecorded(work));
    const [group, , guard] = readFileSync(join(folderOf(work), 'group'), 'utf8')
      .split(' ')
      .map(Number);
    process.kill(guard ?? 0, 'SIGKILL');
    expect(await probeWork(shell, work)).toBe('running');
    process.kill(-(group ?? 0), 'SIGKILL');
    expect(await running).toBe('WORK_LOST');
    expect(await probeWork(shell, work)).toBe('lost');
  });

  test('a removal ends what runs and leaves nothing', async () => {
    const work = makeWork('sleep 7711', { run: `${run}-${name}` });
    const running = codeOf(runWork(shell, work));
    await until(() => isRunning('sleep 7711'));
    await removeWork(shell, work);
    expect(isRunning('sleep 7711')).toBe(false);
    expect(existsSync(join(base, work.run))).toBe(false);
    expect(await running).not.toBe('nothing');
    await removeWork(shell, work);
  });
});

test('the values are in no command line and on no disk, and what is on disk is private', async () => {
  const secret = `hunter2-${randomBytes(6).toString('hex')}`;
  const work = makeWork('sleep 1; echo done; : unseen-text', { env: { TOKEN: `'"$(id)\`\n${secret}` } });
  const running = runWork(session, work);
  await until(() => isRecorded(work));
  expect(commandLines().filter(line => line.includes(secret) || line.includes('unseen-text'))).toEqual([]);
  const found = readdirSync(folderOf(work)).map(name => join(folderOf(work), name));
  expect(found.length).toBeGreaterThan(3);
  for (const path of found) {
    expect(readFileSync(path, 'utf8')).not.toContain(secret);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  }
  expect([base, join(base, run), folderOf(work)].map(path => statSync(path).mode & 0o777)).toEqual([
    0o700, 0o700, 0o700,
  ]);
  expect((await running).stdout.toString()).toBe('done\n');
});

test('much output arrives whole, too much is an error, and a flood is ended', async () => {
  const bytes = 15 * 1024 * 1024;
  const { stdout } = await runWork(session, makeWork(`head -c ${bytes} /dev/zero | tr '\\0' x`));
  expect(stdout.length).toBe(bytes);
  expect(stdout.every(byte => byte === 120)).toBe(true);
  expect(await codeOf(runWork(session, makeWork('head -c 17000000 /dev/zero')))).toBe('OUTPUT_TOO_LARGE');
  const flood = makeWork('yes');
  expect(await codeOf(runWork(session, flood))).toBe('OUTPUT_TOO_LARGE');
  expect(statSync(join(folderOf(flood), 'out')).size).toBe(0);
});

test('a long script is stored whole', async () => {
  const script = `: ${'é'.repeat(500_000)}\necho end`;
  expect((await runWork(session, makeWork(script))).stdout.toString()).toBe('end\n');
});

test('work outlives its connection and is joined over another one', async () => {
  const other = await startSshd();
  const lost = await openSession(other.host);
  const mayEnd = join(bin, 'may-end');
  const work = makeWork('until [ -e "$MAY_END" ]; do sleep 0.1; done; echo survived', {
    host: other.host,
    env: { MAY_END: mayEnd },
  });
  const running = codeOf(runWork(lost, work));
  await until(() => isRecorded(work));
  other.dropConnections();
  expect(await running).toBe('CONNECTION_LOST');
  await lost.close();
  const again = await openSession(other.host);
  expect(await probeWork(again, work)).toBe('running');
  writeFileSync(mayEnd, '');
  expect((await runWork(again, work)).stdout.toString()).toBe('survived\n');
  await again.close();
  await other.stop();
});

test('a login shell may say what it likes before the answer', async () => {
  const noisy: Shell = {
    ...session,
    run: (command, options) => session.run({ ...command, line: `echo welcome; ${command.line}` }, options),
    stream: (command, sink, options) => session.stream(command, sink, options),
  };
  expect((await runWork(noisy, makeWork('echo work'))).stdout.toString()).toBe('work\n');
});

test('this machine runs work in the same way, and a quick command at once', async () => {
  const shell = localShell();
  const began = performance.now();
  expect((await runWork(shell, makeWork('echo here'))).stdout.toString()).toBe('here\n');
  expect(performance.now() - began).toBeLessThan(500);
  const abort = new AbortController();
  const running = codeOf(runWork(shell, makeWork('sleep 8711'), { signal: abort.signal }));
  await until(() => isRunning('sleep 8711'));
  abort.abort(new HangarError({ code: 'CANCELLED', message: 'x', fix: 'y', failure: 'cancelled' }));
  expect(await running).toBe('CANCELLED');
  expect(isRunning('sleep 8711')).toBe(false);
});

test('the shell of this machine has the limits of a session', async () => {
  const shell = localShell();
  expect(await codeOf(shell.run({ line: 'head -c 100000 /dev/zero' }, { maxOutputBytes: 1000 }))).toBe(
    'OUTPUT_TOO_LARGE',
  );
  expect(await codeOf(shell.run({ line: 'sleep 9711 & sleep 9712' }, { timeoutSeconds: 0.2 }))).toBe('REMOTE_TIMEOUT');
  await until(() => !isRunning('sleep 971'));
  const { exitCode, stdout, signal } = await shell.run({ line: 'cat; kill -9 $$', stdin: 'fed' });
  expect([exitCode, stdout.toString(), signal]).toEqual([137, 'fed', 'KILL']);
});

test('names and texts that no shell can hold are refused before anything is sent', async () => {
  expect(await codeOf(runWork(session, makeWork('true', { env: { 'a-b': 'x' } })))).toBe('ENV_INVALID');
  expect(await codeOf(runWork(session, makeWork('true', { env: { A: 'x\0' } })))).toBe('ENV_INVALID');
  expect(await codeOf(runWork(session, makeWork('echo \0')))).toBe('SCRIPT_INVALID');
});

test('a dry run shows variables and script, and how root is reached', () => {
  const host = { name: 'web3', become: 'sudo', user: 'ops', labels: {}, services: [] } as const;
  const given = { host, become: true, script: 'echo "$A"\nexit 3\n', args: [], env: { A: 'b c' } };
  expect(workLines(given)).toEqual(['sudo -n -- sh', 'A=b c', 'echo "$A"', 'exit 3']);
  expect(workLines({ ...given, become: false, env: {} })).toEqual(['echo "$A"', 'exit 3']);
});

test('a removal takes what other runs left a week ago, and nothing younger', async () => {
  const [old, young] = [join(base, `${run}-old`), join(base, `${run}-young`)];
  await runWork(session, makeWork('true'));
  for (const path of [old, young]) mkdirSync(join(path, '0123456789abcdef'), { recursive: true, mode: 0o700 });
  const then = new Date(Date.now() - 9 * 86_400_000);
  utimesSync(old, then, then);
  await removeWork(session, { run: `${run}-none`, host: server.host, become: false });
  expect([existsSync(old), existsSync(young)]).toEqual([false, true]);
  rmSync(young, { recursive: true });
});

test('a directory that another user put there is not used', async () => {
  const path = '/var/tmp/hangar-work-65534';
  const shell = localShell();
  const nobody: Shell = {
    ...shell,
    run: (command, options) =>
      shell.run({ ...command, line: `setpriv --reuid=65534 --clear-groups -- ${command.line}` }, options),
  };
  const work = makeWork('id -u; pwd', { env: { HOME: '/nonexistent' } });
  expect((await runWork(nobody, work)).stdout.toString()).toBe('65534\n/\n');
  await removeWork(nobody, work);
  expect(existsSync(path)).toBe(false);
  symlinkSync(bin, path);
  const codes = [runWork(nobody, work), probeWork(nobody, work), endWork(nobody, work), removeWork(nobody, work)];
  expect(await Promise.all(codes.map(codeOf))).toEqual(['NOT_OURS', 'NOT_OURS', 'NOT_OURS', 'NOT_OURS']);
  rmSync(path);
  mkdirSync(path, { mode: 0o700 });
  expect(await codeOf(runWork(nobody, work))).toBe('NOT_OURS');
  rmSync(path, { recursive: true });
});

describe('as root through sudo', () => {
  const host = { name: 'web3', become: 'sudo', labels: {}, services: [] } as const;
  let sudo: string;
  beforeAll(() => {
    sudo = mkdtempSync(join(tmpdir(), 'hangar-sudo-'));
  });
  afterAll(() => rmSync(sudo, { recursive: true }));

  /** What sudo does with a command line, but for the rights. */
  const shellWith = (program: string): Shell => {
    writeFileSync(join(sudo, 'sudo'), `#!/bin/sh\n${program}\n`, { mode: 0o755 });
    return localShell({ env: { PATH: `${sudo}:${process.env['PATH']}` } });
  };

  test('all calls go through it, the end of an abort too', async () => {
    const log = join(sudo, 'log');
    const shell = shellWith(`echo "$*" >>'${log}'; shift 2; exec "$@"`);
    const work = makeWork('sleep 9911', { host, become: true });
    const abort = new AbortController();
    const running = codeOf(runWork(shell, work, { signal: abort.signal }));
    await until(() => isRunning('sleep 9911'));
    abort.abort(new HangarError({ code: 'CANCELLED', message: 'x', fix: 'y', failure: 'cancelled' }));
    expect(await running).toBe('CANCELLED');
    expect(isRunning('sleep 9911')).toBe(false);
    expect(readFileSync(log, 'utf8')).toBe('-n -- sh -s\n-n -- sh -s\n');
  });

  test('a refusal says so', async () => {
    const shell = shellWith('echo "sudo: a password is required" >&2; exit 1');
    expect(await codeOf(runWork(shell, makeWork('true', { host, become: true })))).toBe('SUDO_REFUSED');
  });
});
