import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readCaptured, readSentFrame } from '../../../src/host/captured.ts';
import { readHostError } from '../../../src/host/host-error.ts';
import { readMappedModules } from '../../../src/host/mapped-modules.ts';
import { readEvidence } from '../../../src/host/read-evidence.ts';
import { readWatched } from '../../../src/host/watched.ts';
import { compileC } from '../../support/cores.ts';
import { requireInterpreter } from '../../support/interpreters.ts';
import { startTarget, type Target } from '../../support/targets.ts';

const run = promisify(execFile);
const program = join(import.meta.dirname, '..', '..', '..', 'src', 'host', 'program.sh');

describe.each([
  ['dash', ['dash']],
  ['busybox sh', ['busybox', 'sh']],
])('the host program under %s', (_name, shell) => {
  let target: Target;
  let folder: string;

  const host = async (...args: readonly string[]): Promise<string> => {
    const [command = '', ...rest] = shell;
    const { stdout } = await run(command, [...rest, program, ...args], { maxBuffer: 2 ** 26 });
    return stdout;
  };
  const failure = async (...args: readonly string[]): Promise<string | undefined> => {
    const stderr = await host(...args).then(
      () => '',
      (error: unknown) =>
        typeof error === 'object' && error !== null && 'stderr' in error ? String(error.stderr) : '',
    );
    return readHostError(stderr)?.code;
  };

  beforeAll(async () => {
    target = await startTarget('several', requireInterpreter('3.11'));
    folder = mkdtempSync(join(tmpdir(), 'hangar-host-test-'));
  });
  afterAll(async () => {
    await target.stop();
    rmSync(folder, { recursive: true });
  });

  test('watches a process and asks its check', async () => {
    const watched = readWatched(await host('find', `pid=${target.pid}`, 'check=exit 1', 'seconds=1'));
    expect(watched.processes.map(({ pid }) => pid)).toEqual([target.pid]);
    expect(watched.check.outcome).toBe('failed');
    expect(watched.processes[0]?.threads.length).toBe(target.truth.threads.length);
  });

  test('describes a process without stopping it, with its secrets masked', async () => {
    const transcript = await host('evidence', `pid=${target.pid}`);
    const evidence = readEvidence(transcript);
    const busy = target.truth.threads.find(({ place }) => place?.what === 'busy-loop');
    // How much it got depends on what else this machine has to do; nobody else in the process computes.
    const busiest = evidence?.threads.toSorted((one, other) => (other.cpuPercent ?? 0) - (one.cpuPercent ?? 0)).at(0);
    expect(busiest?.tid).toBe(busy?.lwp);
    expect(busiest?.cpuPercent).toBeGreaterThan(0);
    expect(evidence?.descriptors.filter(({ socket }) => socket?.state === 'ESTABLISHED').length).toBeGreaterThan(0);
    expect(transcript).not.toMatch(/^env \w*(SECRET|TOKEN|PASS)\w*=(?!<masked>)/m);
  });

  test('takes a complete core into a private directory, sends it in pieces and removes it', async () => {
    const name = `${Date.now().toString(16)}abcd`;
    const captured = readCaptured(await host('core', `pid=${target.pid}`, `name=${name}`, `dir=${folder}`));
    if (captured === undefined) throw new Error('no core');
    expect(statSync(captured.directory).mode & 0o777).toBe(0o700);
    expect(statSync(captured.remotePath).mode & 0o777).toBe(0o600);
    expect(statSync(captured.remotePath).size).toBe(captured.coreBytes);
    expect(captured.stoppedSeconds).toBeGreaterThan(0);
    expect(readFileSync(`/proc/${target.pid}/stat`, 'utf8')).toMatch(/\) [SR] /);
    const [command = '', ...rest] = shell;
    const sent = await run(
      command,
      [...rest, program, 'core-frame', `core=${captured.remotePath}`, 'index=0', 'bytes=1048576'],
      { encoding: 'buffer' },
    );
    const frame = readSentFrame(sent.stderr.toString());
    expect(frame).toMatchObject({ index: 0, bytes: 1048576, storedBytes: sent.stdout.length, format: 'zstd' });
    expect(execFileSync('zstd', ['-dcq'], { input: sent.stdout })).toEqual(
      readFileSync(captured.remotePath).subarray(0, 1048576),
    );
    await host('clean', `directory=${captured.directory}`);
    expect(existsSync(captured.directory)).toBe(false);
  });

  test('leaves no part of a mapping empty because of guard pages inside it', async context => {
    const guarded = startGuarded(folder);
    try {
      const start = await guarded.start;
      context.skip(start === undefined, 'this kernel has no guard pages inside mappings (Linux 6.13)');
      if (start === undefined) return;
      const name = `${Date.now().toString(16)}cdef`;
      const captured = readCaptured(await host('core', `pid=${guarded.pid}`, `name=${name}`, `dir=${folder}`));
      const core = await openCore(captured?.remotePath ?? '');
      const empty = Array.from({ length: guardedPages }, (_, page) => page).filter(
        page => core.memory.read(start + BigInt(page * 4096), 4).readInt32LE() !== page + 1,
      );
      core.close();
      expect(empty).toEqual([0, 1, 600, 601, 602, 603]);
    } finally {
      guarded.end();
    }
  });

  test('ends a gdb that takes too long, and the process goes on', async () => {
    const slow = join(folder, 'gdb');
    writeFileSync(slow, '#!/bin/sh\ncase $1 in --version) echo "GNU gdb 13.1" ;; *) sleep 60 ;; esac\n', {
      mode: 0o755,
    });
    const before = process.env['PATH'];
    process.env['PATH'] = `${folder}:${before}`;
    try {
      const args = ['core', `pid=${target.pid}`, 'name=0123456789abcdef', `dir=${folder}`, 'limit=1'];
      expect(await failure(...args)).toBe('GCORE_TIMEOUT');
    } finally {
      process.env['PATH'] = before;
    }
    expect(readFileSync(`/proc/${target.pid}/stat`, 'utf8')).toMatch(/\) [SR] /);
    expect(existsSync(join(folder, '0123456789abcdef'))).toBe(false);
  });

  test('names the mapped ELF files by build-id', async () => {
    const listed = readMappedModules(await host('modules', `pid=${target.pid}`));
    const named = listed?.modules.filter(({ buildId }) => buildId !== undefined) ?? [];
    expect(named.some(({ path }) => /libc[.-]/.test(path))).toBe(true);
  });

  test.each([
    [['core', 'pid=1', 'name=0123456789'], 'USAGE'],
    [['evidence', 'pid=999999'], 'PROCESS_GONE'],
    [['find', 'service=../etc'], 'USAGE'],
    [['find', 'service=no-such-service-here'], 'SERVICE_NOT_RUNNING'],
    [['clean', 'directory=/etc'], 'NOT_OURS'],
    [['core-frame', 'core=/etc/shadow', 'index=0', 'bytes=1048576'], 'NOT_OURS'],
    [['explode'], 'USAGE'],
  ])('refuses %s as %s', async (args, code) => {
    expect(await failure(...args)).toBe(code);
  });
});

const guardedPages = 1024;

/** A program with a mapping whose pages hold their own number from 1 on, but for two at its start and four in its middle. */
function startGuarded(folder: string) {
  const source = `
    #include <stdio.h>
    #include <sys/mman.h>
    #include <unistd.h>
    enum { MADV_GUARD_INSTALL_ = 102 };
    int main(void) {
      char *start = mmap(0, ${guardedPages} * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      for (int page = 0; page < ${guardedPages}; page++) *(int *)(start + page * 4096) = page + 1;
      int failed = madvise(start, 2 * 4096, MADV_GUARD_INSTALL_) | madvise(start + 600 * 4096, 4 * 4096, MADV_GUARD_INSTALL_);
      printf("%p\\n", failed ? 0 : (void *)start);
      fflush(stdout);
      for (;;) pause();
    }`;
  const child = spawn(compileC(folder, 'guarded', source), { stdio: ['ignore', 'pipe', 'inherit'] });
  const start = once(child.stdout, 'data').then(([line]: Buffer[]) => {
    const address = String(line).trim();
    return address === '(nil)' ? undefined : BigInt(address);
  });
  return { pid: child.pid, start, end: () => child.kill('SIGKILL') };
}
