import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { type Compliance, complianceSchema, type HostCompliance } from '../../src/compliance/schema.ts';
import { type Controller, makeController } from '../support/hosts/controller.ts';
import { connectMirror, type PackageMirror } from '../support/hosts/package-mirror.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';

let hosts: readonly TestHost[] = [];
let mirrors: readonly PackageMirror[] = [];
let controller: Controller;

beforeAll(async () => {
  if (!requireRoot.isRoot) return;
  hosts = await Promise.all(['web3', 'web4'].map(name => startHost({ name, release: 'bookworm-bare' })));
  mirrors = await Promise.all(hosts.map(connectMirror));
  controller = await makeController(
    hosts.map(host => ({ host, changes: { profile: 'plain' } })),
    { plain: { symbols: false } },
  );
});
afterAll(async () => {
  await controller?.remove();
  await Promise.all(mirrors.map(mirror => mirror.close()));
  await Promise.all(hosts.map(host => host.stop()));
});
beforeEach(requireRoot);

test('two hosts are prepared at once, and then both pass', async () => {
  const { code, stdout } = await controller.run('prepare', '--host', 'all');
  expect(code, stdout).toBe(0);
  const checked = await compliance('all');
  expect([checked.code, checked.hosts.map(({ host, state }) => [host, state])]).toEqual([
    0,
    [
      ['web3', 'pass'],
      ['web4', 'pass'],
    ],
  ]);
});

test('of a host that cannot be reached nothing is known but what was known last, and the other is judged', async () => {
  const before = (await compliance('web4')).hosts[0];
  const [web3, web4] = hosts;
  // Its sshd alone: the sessions of others went on.
  await web4?.run('kill "$(pgrep -o -x sshd)"');
  const silent = await compliance('all');
  expect(silent.code).toBe(5);
  expect(silent.hosts.map(({ state }) => state)).toEqual(['pass', 'unknown']);
  const [, unreached] = silent.hosts;
  expect(unreached?.error?.code).toBe('UNREACHABLE');
  expect(unreached?.checks.map(({ id, state, lastKnownState }) => [id, state, lastKnownState])).toEqual(
    before?.checks.map(({ id, state }) => [id, 'unknown', state]),
  );
  expect(unreached?.checks.map(({ lastKnownAt }) => lastKnownAt)).toEqual(
    before?.checks.map(({ lastKnownAt }) => lastKnownAt),
  );

  await web3?.run('chmod 755 /var/tmp/hangar');
  const worse = await compliance('all');
  expect([worse.code, worse.hosts.map(({ state }) => state)]).toEqual([3, ['fail', 'unknown']]);
});

test('a deviation that somebody answers for is waived, what it really is stays visible', async () => {
  const waiver = { host: 'web3', reason: 'moved next week', owner: 'ops@shop.example' };

  await writeChecks({
    waivers: [{ ...waiver, check: 'core-directory', expires: '2999-12-24 18:00', timezone: 'Europe/Berlin' }],
  });
  const waived = await compliance('web3');
  expect([waived.code, checkOf(waived.hosts[0], 'core-directory')]).toEqual([
    0,
    expect.objectContaining({
      state: 'waived',
      actualState: 'fail',
      actual: '/var/tmp/hangar has mode 0755 instead of 0700',
      waiver: { reason: waiver.reason, owner: waiver.owner, expires: '2999-12-24T18:00:00+01:00' },
    }),
  ]);

  await writeChecks({ waivers: [{ ...waiver, check: 'core-directory', expires: '2020-01-01T00:00:00Z' }] });
  const expired = await compliance('web3');
  expect([expired.code, checkOf(expired.hosts[0], 'core-directory')?.state]).toEqual([3, 'fail']);
  expect(problemsOf(expired.compliance)).toEqual([['core-directory', 'fail', expect.stringMatching(/^it expired at/)]]);

  const unusedToo = [
    { ...waiver, check: 'core-directory', expires: '2999-01-01T00:00:00Z' },
    { ...waiver, check: 'clock', expires: '2999-01-01T00:00:00Z' },
  ];
  await writeChecks({ waivers: unusedToo });
  const unused = await compliance('web3');
  expect([unused.code, problemsOf(unused.compliance)]).toEqual([
    4,
    [['clock', 'warn', expect.stringMatching(/^nothing deviates/)]],
  ]);
});

test('checks of one own are asked on the host, of each kind one that is met and one that is not', async () => {
  const own = [
    ['command', { run: 'id -u', become: false, stdout: { matches: '^[1-9]' } }, { run: 'exit 3' }],
    [
      'file',
      { path: '/etc/passwd', mode: '0644', owner: 'root', contains: { matches: '^ops:' } },
      { path: '/etc/none' },
    ],
    ['package', { name: 'gdb', version: { atLeast: '13' } }, { name: 'apache2', installed: false }],
    ['service', { name: 'ssh' }, { name: 'apache2' }],
    ['sysctl', { name: 'kernel.hostname', value: 'web3' }, { name: 'net.ipv4.ip_forward', value: 2 }],
    ['port', { port: 22, address: '0.0.0.0' }, { port: 8080 }],
  ] as const;
  const checks = own.flatMap(([kind, met, unmet]) => [
    { id: `${kind}-met`, why: 'a test wants it', fix: 'nothing', [kind]: met },
    { id: `${kind}-unmet`, why: 'a test wants it', fix: `mend the ${kind}`, severity: 'warning', [kind]: unmet },
  ]);
  await hosts[0]?.run('chmod 700 /var/tmp/hangar');
  await writeChecks({ checks });
  const {
    code,
    hosts: [web3],
  } = await compliance('web3');
  const found = web3?.checks.filter(({ origin }) => origin === 'own') ?? [];
  expect([code, found.map(({ id, state, fix }) => [id, state, fix])]).toEqual([
    4,
    own.flatMap(([kind]) => [
      [`${kind}-met`, 'pass', ''],
      [`${kind}-unmet`, 'warn', `mend the ${kind}`],
    ]),
  ]);
  expect(found.filter(({ state }) => state === 'warn').map(({ actual }) => actual)).toEqual([
    'exit code 3',
    '/etc/none is not there',
    expect.stringMatching(/^apache2 2\.4/),
    'apache2 is not running',
    'net.ipv4.ip_forward = 0',
    'nothing listens',
  ]);
});

async function compliance(selector: string): Promise<Asked> {
  const { code, stdout, stderr } = await controller.run('compliance', '--host', selector, '--format', 'json');
  expect(stdout, stderr).not.toBe('');
  const found = complianceOutput.parse(JSON.parse(stdout)).compliance;
  return { code, compliance: found, hosts: found.hosts };
}

interface Asked {
  readonly code: number | null;
  readonly compliance: Compliance;
  readonly hosts: readonly HostCompliance[];
}

const complianceOutput = z.looseObject({ compliance: complianceSchema });

async function writeChecks(content: object): Promise<void> {
  await writeFile(join(controller.folder, 'checks.yaml'), stringify({ version: 1, ...content }));
}

function checkOf(host: HostCompliance | undefined, id: string) {
  return host?.checks.find(check => check.id === id);
}

function problemsOf({ waivers }: Compliance) {
  return waivers.map(({ check, state, problem }) => [check, state, problem]);
}
