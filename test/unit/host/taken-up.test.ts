import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readCaptured } from '../../../src/host/captured.ts';
import { readHostError } from '../../../src/host/host-error.ts';
import { readOutcome } from '../../../src/host/outcome.ts';
import { readRecovered } from '../../../src/host/recovered.ts';

const run = promisify(execFile);
const program = join(import.meta.dirname, '..', '..', '..', 'src', 'host', 'program.sh');
const base = process.getuid?.() === 0 ? '/var/tmp/hangar' : `/var/tmp/hangar-${process.getuid?.()}`;

describe.each([
  ['dash', ['dash']],
  ['busybox sh', ['busybox', 'sh']],
])('the host program, called again under %s,', (_name, shell) => {
  let folder: string;
  let key: string;
  let hung: Process;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hangar-host-test-'));
    key = randomBytes(8).toString('hex');
    hung = startProcess('sleep', ['600']);
  });
  afterEach(async () => {
    hung.child.kill('SIGKILL');
    await host('clean', `key=${key}`);
    rmSync(folder, { recursive: true, force: true });
  });

  /** A call whose reader may go away, and which may be killed. */
  const start = (...args: readonly string[]): Process => {
    const [command = '', ...rest] = shell;
    return startProcess(command, [...rest, program, ...args], { PATH: `${folder}:${process.env['PATH']}` });
  };
  const host = async (...args: readonly string[]): Promise<string> => {
    const call = start(...args);
    const { code, stdout, stderr } = await call.ended;
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  };
  const outcome = async (...args: readonly string[]) => readOutcome(await host('outcome', ...args))?.state;
  const core = (): readonly string[] => ['core', `pid=${hung.pid}`, `name=${key}`, `dir=${folder}`];
  const gdbRuns = (): number => linesOf(join(folder, 'gdb-runs'));
  const recover = (command: string, ...more: readonly string[]): readonly string[] => {
    const hungProcess = [`pid=${hung.pid}`, `start=${hung.startTicks}`];
    return ['recover', 'service=shop', 'mode=service', ...hungProcess, `restart=${command}`, 'limit=20', ...more];
  };
  const keyed = (command: string): readonly string[] => recover(command, 'check=true', `key=${key}`);
  const silent = (): readonly string[] => recover(append(), `check=test -s ${folder}/restarts`, `key=${key}`);
  const restarts = (): number => linesOf(join(folder, 'restarts'));
  const append = (): string => `echo restarted >>${folder}/restarts`;
  const mark = (): string => join(base, `${key}.recover`);

  /** Nobody answers: the call then waits for a worker in the place of the hung process, before it restarts. */
  async function killedOnceTheHungProcessIsGone(): Promise<void> {
    const first = start(...silent());
    await hung.ended;
    first.child.kill('SIGKILL');
    await first.ended;
    expect(await outcome(`key=${key}`)).toBe('none');
    expect(restarts()).toBe(0);
  }

  describe('for a core', () => {
    beforeEach(async () => countGdb(folder, 0));

    test('gives the core that is there, and says so when asked', async () => {
      expect(await outcome(`name=${key}`, `dir=${folder}`)).toBe('none');
      const first = readCaptured(await host(...core()));
      expect(first?.startTicks).toBe(hung.startTicks);
      hung.child.kill('SIGKILL');
      await hung.ended;
      expect(readCaptured(await host(...core()))).toEqual(first);
      const told = readOutcome(await host('outcome', `name=${key}`, `dir=${folder}`));
      expect(told?.state === 'done' && readCaptured(told.result)).toEqual(first);
      expect(gdbRuns()).toBe(1);
      await host('clean', `directory=${first?.directory}`);
      expect(existsSync(join(folder, key))).toBe(false);
    });

    test('keeps a complete core whose reader is gone', async () => {
      const call = start(...core());
      await until(() => existsSync(join(folder, key, 'result')));
      call.child.stdout.destroy();
      await call.ended;
      expect(readCaptured(await host(...core()))?.coreBytes).toBe(statSync(join(folder, key, 'core')).size);
      expect(gdbRuns()).toBe(1);
    });

    test('ends gdb and leaves nothing when the reader is gone before', async () => {
      await countGdb(folder, 3);
      const call = start(...core());
      await once(call.child.stdout, 'data');
      call.child.stdout.destroy();
      await call.ended;
      expect(existsSync(join(folder, key))).toBe(false);
      expect(await outcome(`name=${key}`, `dir=${folder}`)).toBe('none');
    });

    test('joins a capture that runs', async () => {
      await countGdb(folder, 1.5);
      const first = start(...core());
      await once(first.child.stdout, 'data');
      expect(await outcome(`name=${key}`, `dir=${folder}`)).toBe('running');
      expect(readCaptured(await host(...core()))).toMatchObject({ directory: join(folder, key) });
      expect(readHostError((await first.ended).stderr)?.code).toBe('CANCELLED');
      expect(gdbRuns()).toBe(1);
    });

    test.each([0, 200, 500])('gives a whole core when the first call was killed %d ms before', async milliseconds => {
      await countGdb(folder, 1);
      const first = start(...core());
      await until(() => gdbRuns() === 1);
      first.child.kill('SIGKILL');
      await pause(milliseconds);
      const captured = readCaptured(await host(...core()));
      expect(captured?.coreBytes).toBe(statSync(join(folder, key, 'core')).size);
      expect(readFileSync(`/proc/${hung.pid}/stat`, 'utf8')).toMatch(/\) [SR] /);
    });

    test('replaces what a capture left that was ended with its guard', async () => {
      await countGdb(folder, 60);
      const first = start(...core());
      await until(() => gdbRuns() === 1);
      const group = readFileSync(join(folder, key, 'group'), 'utf8').trim();
      first.child.kill('SIGKILL');
      process.kill(Number(readFileSync(join(folder, key, 'guard'), 'utf8')), 'SIGKILL');
      process.kill(-Number(group), 'SIGKILL');
      await first.ended;
      expect(await outcome(`name=${key}`, `dir=${folder}`)).toBe('none');
      await countGdb(folder, 0);
      expect(readCaptured(await host(...core()))).toMatchObject({ directory: join(folder, key) });
    });
  });

  describe('for a recovery', () => {
    test('restarts once for a key, and tells what it did', async () => {
      expect(await outcome(`key=${key}`)).toBe('none');
      const first = await host(...keyed(append()));
      expect(readRecovered(first)).toMatchObject({ answered: true, by: append(), downSeconds: expect.any(Number) });
      expect(await host(...keyed(append()))).toBe(first);
      expect(readOutcome(await host('outcome', `key=${key}`))).toEqual({ state: 'done', result: first });
      expect(restarts()).toBe(1);
      await host('clean', `key=${key}`);
      expect(existsSync(mark())).toBe(false);
    });

    test('restarts each time without a key, and leaves nothing', async () => {
      const before = readdirSync(tmpdir());
      await host(...recover(append()));
      await host(...recover(append()));
      expect(restarts()).toBe(2);
      expect(existsSync(mark())).toBe(false);
      expect(readdirSync(tmpdir()).filter(name => name.startsWith('hangar.') && !before.includes(name))).toEqual([]);
    });

    test('waits for the one that runs, which cannot be forgotten meanwhile', async () => {
      const first = start(...keyed(`sleep 1; ${append()}`));
      await until(() => existsSync(join(mark(), 'runner')));
      expect(await outcome(`key=${key}`)).toBe('running');
      expect(readHostError((await start('clean', `key=${key}`).ended).stderr)?.code).toBe('STILL_RUNNING');
      const second = await host(...keyed(`sleep 1; ${append()}`));
      expect((await first.ended).stdout).toBe(second);
      expect(restarts()).toBe(1);
    });

    test('forgets one that runs as soon as it has ended, where that is asked for', async () => {
      const first = start(...keyed(`sleep 1; ${append()}`));
      await until(() => existsSync(join(mark(), 'runner')));
      await host('clean', `key=${key}`, 'deferred=yes');
      expect(readRecovered((await first.ended).stdout)).toMatchObject({ answered: true });
      expect(existsSync(mark())).toBe(false);
    });

    test('goes on where the first was killed before the hung process ended', async () => {
      hung.child.kill('SIGKILL');
      hung = startProcess('sh', ['-c', "trap '' TERM; echo ready; while :; do sleep 0.2; done"]);
      await once(hung.child.stdout, 'data');
      const first = start(...keyed(append()));
      await until(() => existsSync(join(mark(), '.hangar')));
      first.child.kill('SIGKILL');
      await first.ended;
      expect(await outcome(`key=${key}`)).toBe('none');
      expect(readRecovered(await host(...keyed(append())))).toEqual({ answered: true, by: append() });
      expect((await hung.ended).code).toBe(null);
      expect(restarts()).toBe(1);
    });

    test('waits for a restart that outlived the call which began it', async () => {
      const first = start(...keyed(`sleep 1; ${append()}`));
      await until(() => existsSync(join(mark(), 'runner')));
      first.child.kill('SIGKILL');
      await first.ended;
      expect(await outcome(`key=${key}`)).toBe('running');
      const by = `sleep 1; ${append()}`;
      expect(readRecovered(await host(...keyed(by)))).toEqual({ answered: true, by });
      expect(restarts()).toBe(1);
    });

    test('restarts nothing where the hung process is gone and the service answers', async () => {
      await killedOnceTheHungProcessIsGone();
      expect(readRecovered(await host(...keyed(append())))).toEqual({
        answered: true,
        by: 'an earlier call that was cut off',
      });
      expect(restarts()).toBe(0);
    });

    test('restarts where the hung process is gone and the service does not answer', async () => {
      await killedOnceTheHungProcessIsGone();
      expect(readRecovered(await host(...silent()))).toEqual({ answered: true, by: append() });
      expect(restarts()).toBe(1);
    });

    test('tells a failed restart again, and restarts nothing', async () => {
      const command = `${append()}; exit 7`;
      for (let calls = 0; calls < 2; calls++) {
        const { stderr } = await start(...keyed(command)).ended;
        expect(readHostError(stderr)).toMatchObject({ code: 'RECOVER_FAILED', text: `'${command}' ended with 7:` });
      }
      expect(restarts()).toBe(1);
    });

    test('ends a worker once', async () => {
      const worker = ['recover', 'mode=worker', `pid=${hung.pid}`, 'check=true', `key=${key}`];
      const first = await host(...worker);
      expect(readRecovered(first)).toMatchObject({ answered: true, by: `ended process ${hung.pid}` });
      expect(await host(...worker)).toBe(first);
    });
  });
});

interface Process {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly pid: number;
  readonly startTicks: number;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

function startProcess(command: string, args: readonly string[], variables: NodeJS.ProcessEnv = {}): Process {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...variables } });
  const pid = child.pid ?? 0;
  const startTicks = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, stdout, stderr }));
  return { child, pid, startTicks, ended };
}

/** Puts a gdb into the folder that counts its runs, and takes its time. */
async function countGdb(folder: string, seconds: number): Promise<void> {
  const { stdout } = await run('which', ['gdb']);
  const text = `case $1 in --version) ;; *) echo run >>${folder}/gdb-runs; sleep ${seconds} ;; esac\nexec ${stdout.trim()} "$@"\n`;
  writeFileSync(join(folder, 'gdb'), `#!/bin/sh\n${text}`, { mode: 0o755 });
}

function linesOf(path: string): number {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
}

async function until(reached: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (reached()) return;
    await pause(25);
  }
  throw new Error('waited in vain');
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds));
}
