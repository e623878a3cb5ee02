import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Report, reportSchema } from '../../src/report/schema.ts';
import type { Run } from '../../src/run/run.ts';
import { type BareHost, type Checked, startBareHost } from '../support/hosts/ready-host.ts';
import { requireRoot } from '../support/hosts/require-root.ts';

describe.each([
  ['bullseye-bare', '2.7'],
  ['bookworm-bare', '3.11'],
] as const)('a %s host with Python %s', (release, python) => {
  let bare: BareHost;
  let packages: string;
  let paths: readonly string[];
  let unprepared: Checked;

  beforeAll(async () => {
    if (!requireRoot.isRoot) return;
    bare = await startBareHost(release);
    [packages, paths] = [await packagesOf(bare), await pathsOf(bare)];
  });
  afterAll(async () => await bare?.stop());
  beforeEach(requireRoot);

  test('fails what it lacks, each with the command that gives it that', async () => {
    unprepared = await bare.compliance();
    expect(unprepared.code).toBe(3);
    const failed = unprepared.compliance.hosts[0]?.checks.filter(({ state }) => state === 'fail') ?? [];
    const lacking = [
      'core-directory',
      'symbol-key',
      'symbol-source',
      'package:gdb',
      'package:zstd',
      'package:libc6-dbg',
      `package:python${python}-dbg`,
      'sysctl:net.ipv4.tcp_fin_timeout',
      'host-program',
      'sudo-rule',
    ];
    expect(failed.map(({ id, fix }) => [id, fix])).toEqual(
      lacking.map(id => [id, `runbook prepare --host web3 --only ${id}`]),
    );
  });

  test('passes every check after one run of prepare', async () => {
    const prepared = await bare.prepare();
    expect([prepared.code, prepared.run.hosts[0]?.error], prepared.stderr).toEqual([0, undefined]);
    const { code, states } = await bare.compliance();
    expect(code).toBe(0);
    expect(Object.values(states).filter(state => state !== 'pass' && state !== 'not-applicable')).toEqual([]);
    expect(Object.keys(states)).toEqual(Object.keys(unprepared.states));
  });

  test('has its hang explained to a user who may run the host program and nothing else', async () => {
    await bare.run('rm /etc/sudoers.d/ops');
    expect((await bare.host.run('su ops -c "sudo -n id"')).code).not.toBe(0);
    const run = await bare.hang();
    const report = reportOf(run);
    expect([run.exitCode, report.recovery?.succeeded]).toEqual([0, true]);
    expect(report.findings.map(finding => finding.class)).toEqual(['busy-native']);
    expect(report.process.pythons).toEqual([expect.stringMatching(`^${python}`)]);
    expect(report.summary).toContain('computes in stock_reserve');
  });

  test('is not touched by a second run, which that user may make too', async () => {
    const was = await diskOf(bare);
    const second = await bare.prepare();
    expect([
      second.code,
      second.changed,
      second.run.hosts[0]?.steps.find(({ id }) => id === 'prepare')?.status,
    ]).toEqual([0, [], 'skipped']);
    expect(await diskOf(bare)).toEqual(was);
    expect((await bare.compliance()).code).toBe(0);
    expect(await diskOf(bare)).toEqual(was);
  });

  test('is as it was before once that is taken back', async () => {
    await bare.run('echo "ops ALL=(ALL:ALL) NOPASSWD: ALL" >/etc/sudoers.d/ops && chmod 440 /etc/sudoers.d/ops');
    const removed = await bare.prepare('--remove');
    expect([removed.code, removed.run.hosts[0]?.error], removed.stderr).toEqual([0, undefined]);
    const { code, states } = await bare.compliance();
    expect(code).toBe(3);
    // But for apt's lists, which say by now that no source has these symbols.
    expect(states).toEqual({ ...unprepared.states, 'package:apache2-bin-dbgsym': 'not-applicable' });
    expect(await packagesOf(bare)).toBe(packages);
    const now = await pathsOf(bare);
    expect(now.filter(path => !paths.includes(path) && !isLeftByDebian(path))).toEqual([]);
    expect(paths.filter(path => !now.includes(path))).toEqual([]);
  });
});

function reportOf({ hosts }: Run): Report {
  return reportSchema.parse(hosts[0]?.report);
}

function packagesOf(bare: BareHost): Promise<string> {
  return bare.run("dpkg-query -W -f '${Package} ${db:Status-Abbrev} ${Version}\\n'");
}

/** Every file of the host's own disk, and all of it that a change would change. */
function diskOf(bare: BareHost): Promise<readonly string[]> {
  return list(bare, '%p %y %m %U:%G %s %i %T@ %C@ %l');
}

/** But for what apt keeps of its own work. */
async function pathsOf(bare: BareHost): Promise<readonly string[]> {
  const paths = await list(bare, '%p %y %m %U:%G %l');
  return paths.filter(path => !/^\/var\/(cache|lib|log)\/apt\//.test(path));
}

/** What packages of Debian do not take with them (tzdata, libpython3.11-dbg). */
function isLeftByDebian(path: string): boolean {
  return /^\/etc\/timezone |^\/usr\/lib\/python3\.11\/config-3\.11d-/.test(path);
}

/** What lies in memory is left out: there sshd, sudo and our own sessions write. */
async function list(bare: BareHost, format: string): Promise<readonly string[]> {
  const memory = '-path /proc -o -path /run -o -path /tmp';
  const listed = await bare.run(`find / -xdev \\( ${memory} \\) -prune -o -printf '${format}\\n'`);
  return listed.trim().split('\n').sort();
}
