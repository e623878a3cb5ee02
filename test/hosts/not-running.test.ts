import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, type TestContext, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { type Report, reportSchema } from '../../src/report/schema.ts';
import { type Run, runSchema } from '../../src/run/run.ts';
import { judgeEvidence } from '../../src/verdict/judge-evidence.ts';
import { evidenceOf } from '../support/analyze-target.ts';
import { compileC } from '../support/cores.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { type Finished, runRunbook } from '../support/run-runbook.ts';
import { type SshServer, startSshServer } from '../support/ssh-server.ts';

const program = join(import.meta.dirname, '..', 'support', 'services', 'journal.py');

/** Whoever calls vfork(2) sleeps, uninterruptible, until its child calls exec or ends; this one does neither. */
const asleep = `
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>
void wait_for_child(void) {
  if (vfork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
}
`;

let folder: string;
let server: SshServer;
let service: ChildProcess;

beforeAll(async () => {
  if (!requireRoot.isRoot) return;
  folder = mkdtempSync(join(tmpdir(), 'hangar-not-running-'));
  compileC(folder, 'asleep.so', asleep, ['-shared', '-fPIC']);
  server = await startSshServer();
  writeFileSync(join(folder, 'id'), server.identity, { mode: 0o600 });
  const { port, hostKey } = server;
  const host = { address: '127.0.0.1', port, user: 'ops', become: 'none', hostKey, identityFile: 'id' };
  const mark = join(folder, 'restarted');
  const services = [{ name: 'journal', match: folder, check: `test -e ${mark}`, restart: `touch ${mark}` }];
  writeFileSync(join(folder, 'fleet.yaml'), stringify({ version: 1, hosts: { web3: { ...host, services } } }));
});
afterAll(async () => {
  await server?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});
afterEach(async () => {
  if (service?.kill('SIGKILL')) await once(service, 'exit');
});

describe('a service with a thread that the kernel holds, of which no core can be had', () => {
  beforeEach(async () => {
    if (!requireRoot.isRoot) return;
    await startService('vfork', join(folder, 'asleep.so'));
    await vi.waitUntil(() => states().includes('D'), { timeout: 20_000 });
  });

  test('is not restarted; the evidence names the thread; nothing is left stopped when the kernel lets go', async context => {
    requireRoot(context);
    const { run, report, code } = await hang();
    const held = threads().find(lwp => stateOf(lwp) === 'D');
    expect(code).toBe(3);
    expect(run.hosts[0]?.error).toMatchObject({ code: 'TARGET_UNINTERRUPTIBLE' });
    expect(report.candidates).toMatchObject([{ state: 'hung', chosen: true }]);
    expect(report.findings).toMatchObject([{ class: 'uninterruptible', confidence: 'proven', roots: [{ lwp: held }] }]);
    expect(report.summary).toMatch(/^uninterruptible: .* in the kernel: .*vfork/);
    expect(report.capture).toBeUndefined();
    expect(report.gaps).toContainEqual(expect.objectContaining({ what: 'core' }));
    expect(run.findings).toMatchObject([{ class: 'uninterruptible', hosts: ['web3'] }]);
    expect(existsSync(join(folder, 'restarted'))).toBe(false);
    expect(states()).toEqual(['D', 'S']);

    const children = readFileSync(`/proc/${service.pid}/task/${held}/children`, 'utf8').split(' ').filter(Boolean);
    expect(children).toHaveLength(1);
    process.kill(Number(children[0]), 'SIGKILL');
    await expect.poll(states, { timeout: 20_000 }).toEqual(['S']);
  });

  test('is said to be down before anything else', async context => {
    requireRoot(context);
    const { stdout } = await runHang();
    expect(stdout).toMatch(/^web3: JOURNAL IS STILL DOWN; restart it: /);
    expect(stdout).toMatch(/^uninterruptible: /m);
    expect(stdout).toMatch(/core: none could be taken: /);
  });

  test('is restarted when told so, and the report says that, too', async context => {
    requireRoot(context);
    const { report, code } = await hang('--on-capture-failure', 'recover');
    expect(code).toBe(0);
    expect(existsSync(join(folder, 'restarted'))).toBe(true);
    rmSync(join(folder, 'restarted'));
    expect(report.recovery).toMatchObject({ service: 'journal', succeeded: true });
    expect(report.findings.map(({ class: kind }) => kind)).toEqual(['uninterruptible']);
  });
});

test('the file is named that a thread waits for in the kernel', async context => {
  requireRoot(context);
  const mount = mountImage(context);
  const freeze = (how: string) => execFileSync('fsfreeze', [how, mount]);
  await startService('write', join(mount, 'journal'));
  freeze('--freeze');
  try {
    service.kill('SIGUSR1');
    await vi.waitUntil(() => states().includes('D'), { timeout: 20_000 });
    const { findings } = judgeEvidence(await evidenceOf(service.pid ?? 0));
    expect(findings).toMatchObject([{ class: 'uninterruptible', confidence: 'proven' }]);
    expect(findings[0]?.summary).toContain(`(system call write on descriptor`);
    expect(findings[0]?.summary).toContain(join(mount, 'journal'));
    expect(findings[0]?.next).toMatch(/froze the file system/);
  } finally {
    freeze('--unfreeze');
    if (service.kill('SIGKILL')) await once(service, 'exit');
    execFileSync('umount', [mount]);
  }
});

// gdb 13 lets a process run that it found stopped by anything but SIGSTOP.
test.for(['SIGSTOP', 'SIGTSTP'] as const)(
  'a service that %s stopped is told so, and stays stopped',
  async (signal, context) => {
    requireRoot(context);
    await startService('idle');
    service.kill(signal);
    await vi.waitUntil(() => states().every(state => state === 'T'), { timeout: 20_000 });
    const { report, code } = await hang('--recover', 'none');
    expect(code).toBe(0);
    expect(report.candidates).toMatchObject([
      { state: 'hung', reasons: expect.arrayContaining(['the process is stopped']) },
    ]);
    expect(report.findings).toMatchObject([{ class: 'stopped', confidence: 'proven' }]);
    expect(report.summary).toContain(signal);
    expect(report.findings[0]?.next).toContain(`kill -CONT ${service.pid}`);
    expect(states()).toEqual(['T', 'T']);
    service.kill('SIGCONT');
    await expect.poll(states, { timeout: 20_000 }).not.toContain('T');
  },
);

test('a service that a debugger holds: the debugger is named', async context => {
  requireRoot(context);
  await startService('idle');
  const gdb = spawn('gdb', ['--nx', '--quiet', '-p', String(service.pid)], { stdio: ['pipe', 'ignore', 'ignore'] });
  try {
    await vi.waitUntil(() => states().every(state => state === 't'), { timeout: 60_000 });
    const { run, report, code } = await hang();
    expect(code).toBe(3);
    expect(run.hosts[0]?.error).toMatchObject({ code: 'GCORE_FAILED' });
    expect(report.findings).toMatchObject([{ class: 'stopped', confidence: 'proven' }]);
    expect(report.summary).toContain(`gdb (process ${gdb.pid})`);
  } finally {
    gdb.kill('SIGKILL');
    await once(gdb, 'exit');
  }
});

async function startService(...how: readonly string[]): Promise<void> {
  service = spawn('/usr/bin/python3', [program, folder, ...how], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (service.stdout) await once(service.stdout, 'data');
}

/** A small file system in a file. */
function mountImage(context: TestContext): string {
  const [image, mount] = [join(folder, 'image'), join(folder, 'mount')];
  mkdirSync(mount);
  try {
    execFileSync('sh', ['-ec', 'truncate -s 16M "$0"; mkfs.ext4 -q "$0"; mount -o loop "$0" "$1"', image, mount], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch (error) {
    return context.skip(`no file system can be mounted from a file here: ${String(error)}`);
  }
  return mount;
}

interface Hung {
  readonly code: number | null;
  readonly run: Run;
  readonly report: Report;
}

async function hang(...more: readonly string[]): Promise<Hung> {
  const { code, stdout } = await runHang('--format', 'json', ...more);
  const run = runSchema.parse(JSON.parse(stdout));
  return { code, run, report: reportSchema.parse(run.hosts[0]?.report) };
}

/** A child of vfork has its parent's memory, hence the same command line: without a process named it would be a candidate. */
function runHang(...more: readonly string[]): Promise<Finished> {
  const where = ['--state', join(folder, 'state'), '--fleet', join(folder, 'fleet.yaml')];
  return runRunbook(['hang', '--host', 'web3', '--pid', String(service.pid), ...more, ...where], { cwd: folder });
}

function threads(): readonly number[] {
  return readdirSync(`/proc/${service.pid}/task`).map(Number);
}

function stateOf(lwp: number): string | undefined {
  return readFileSync(`/proc/${service.pid}/task/${lwp}/stat`, 'utf8').split(') ').at(-1)?.[0];
}

function states(): readonly string[] {
  return threads()
    .map(lwp => stateOf(lwp) ?? '')
    .sort((a, b) => a.localeCompare(b));
}
