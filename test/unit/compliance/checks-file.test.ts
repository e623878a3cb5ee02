import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ChecksFile, findChecksFile, loadChecks } from '../../../src/compliance/checks-file.ts';
import { checksJsonSchema } from '../../../src/compliance/checks-schema.ts';
import type { Fleet } from '../../../src/fleet/fleet.ts';
import { loadFleet } from '../../../src/fleet/load-fleet.ts';

const fleetText = `version: 1
hosts:
  web3: { labels: { role: web } }
  web4: { labels: { role: web } }
  db1:
`;

async function inFolder<T>(files: Readonly<Record<string, string>>, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'hangar-checks-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function load(text: string, withFleet = true): Promise<ChecksFile> {
  return inFolder({ 'fleet.yaml': fleetText, 'checks.yaml': text }, async folder => {
    const fleet: Fleet | undefined = withFleet ? await loadFleet(join(folder, 'fleet.yaml')) : undefined;
    return loadChecks(join(folder, 'checks.yaml'), fleet);
  });
}

/** `LINE:COLUMN: MESSAGE` of each problem. */
async function problemsOf(text: string, withFleet = true): Promise<readonly string[]> {
  const error: unknown = await load(text, withFleet).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'INVALID_CHECKS', exitCode: 2 });
  const message = error instanceof Error ? error.message : '';
  return [...message.matchAll(/checks\.yaml:(\d+:\d+: .*)/g)].map(([, problem = '']) => problem);
}

const example = `version: 1
checks:
  - id: backup-fresh
    title: last night's backup is there
    severity: warning
    why: a mistake could not be taken back
    fix: see the backup job
    host: [role=web, db1]
    command: { run: "find /backup -mtime -1 | wc -l", stdout: { atLeast: 1 }, become: true, timeout: 30s }
  - { id: key, why: w, fix: f, host: web3, file: { path: /etc/shop/key, mode: "600", owner: root, sha256: ${'AB'.repeat(32)} } }
  - { id: no-telnet, why: w, fix: f, package: { name: telnetd, installed: false } }
  - { id: cron, why: w, fix: f, service: { name: cron } }
  - { id: cron-enabled, why: w, fix: f, service: { name: cron, enabled: true } }
  - { id: forward, why: w, fix: f, sysctl: { name: net.ipv4.ip_forward, value: 0 } }
  - { id: redis, why: w, fix: f, port: { port: 6379, address: 127.0.0.1 } }
waivers:
  - { check: "package:*", host: "web*", reason: r, owner: o, expires: 2026-12-24 18:00, timezone: Europe/Berlin }
  - { check: clock, host: db1, reason: r, owner: o, expires: "2026-12-24T18:00:00+01:00" }
`;

test('checks have their questions, hosts and defaults, and waivers their moment', async () => {
  const { checks, waivers } = await load(example);
  const hosts = ['web3', 'web4', 'db1'];
  expect(checks.map(({ id, severity, isFor }) => [id, severity, hosts.filter(isFor).length])).toEqual([
    ['backup-fresh', 'warning', 3],
    ['key', 'error', 1],
    ['no-telnet', 'error', 3],
    ['cron', 'error', 3],
    ['cron-enabled', 'error', 3],
    ['forward', 'error', 3],
    ['redis', 'error', 3],
  ]);
  expect(checks.map(({ asks }) => asks)).toEqual([
    {
      kind: 'command',
      run: 'find /backup -mtime -1 | wc -l',
      exitCode: 0,
      stdout: { atLeast: 1 },
      become: true,
      timeoutSeconds: 30,
    },
    { kind: 'file', path: '/etc/shop/key', exists: true, mode: '0600', owner: 'root', sha256: 'ab'.repeat(32) },
    { kind: 'package', name: 'telnetd', installed: false },
    { kind: 'service', name: 'cron', running: true },
    { kind: 'service', name: 'cron', enabled: true },
    { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '0' },
    { kind: 'port', port: 6379, listening: true, address: '127.0.0.1' },
  ]);
  expect(waivers.map(({ expires, isFor }) => [expires.toISOString(), hosts.filter(isFor)])).toEqual([
    ['2026-12-24T17:00:00.000Z', ['web3', 'web4']],
    ['2026-12-24T17:00:00.000Z', ['db1']],
  ]);
});

test('every problem is told at once, with its line and column', async () => {
  const text = `version: 1
checks:
  - { id: clock, why: w, fix: f, command: { run: "true" } }
  - { id: "package:mine", why: w, fix: f, command: { run: "true" } }
  - { id: a, why: w, fix: f, command: { run: "true", timeout: soon } }
  - { id: a, why: w, fix: f, command: { run: "true", stdout: { matches: "(" } } }
  - { id: b, why: w, fix: f }
  - { id: c, why: w, fix: f, sysctl: { name: kernel.x, value: 1 }, port: { port: 1 } }
  - { id: d, why: w, fix: f, host: web9, port: { port: 1 } }
  - { id: e, why: w, fix: f, host: [all, role=cache], port: { port: 1 } }
  - { id: f, why: w, fix: f, file: { path: /x, exists: false, owner: root } }
  - { id: g, why: w, fix: f, package: { name: gdb, installed: false, version: { equals: 1 } } }
waivers:
  - { check: clock, host: web3, reason: r, owner: o, expires: "2026-12-24 18:00" }
  - { check: clock, host: web3, reason: r, owner: o, expires: "2026-12-24 18:00", timezone: Europe/Atlantis }
  - { check: clock, host: "mail*", reason: r, owner: o, expires: "2026-12-24T18:00Z" }
`;
  expect(await problemsOf(text)).toEqual([
    '3:11: "clock" is a check of our own: name yours otherwise',
    '4:11: "package:mine" is a check of our own: name yours otherwise',
    '5:63: expected a duration of at most 5m, like 10s, found "soon"',
    '6:11: there are two checks "a"',
    '6:73: not a regular expression: unterminated group',
    '7:5: a check has exactly one of command, file, package, service, sysctl, port; this one has none',
    '8:68: a check has exactly one of command, file, package, service, sysctl, port; this one has sysctl and port',
    expect.stringMatching(/^9:36: "web9": no such host in /),
    '10:42: no host is selected by "role=cache"',
    '11:63: a file that must not exist has no "owner"',
    '12:70: a package that must not be installed has no "version"',
    '14:63: "2026-12-24 18:00" has no time zone: add `timezone: Europe/Berlin`, or an offset (+01:00)',
    '15:93: there is no time zone "Europe/Atlantis"',
    '16:27: no host is selected by "mail*"',
  ]);
});

test('a wrong shape is told with its place, too', async () => {
  const text = `version: 1
checks:
  - { id: a b, why: w, fix: f, command: { run: "true" } }
  - { id: c, why: w, fix: f, commnd: { run: "true" } }
  - { id: d, fix: f, command: { run: "true", stdout: {} } }
  - { id: e, why: w, fix: f, file: { path: etc/x, mode: 0644 } }
  - { id: f, why: w, fix: f, service: { name: "-x" } }
  - { id: g, why: w, fix: f, port: { port: 0 } }
waivers:
  - { check: clock, host: web3, reason: r, expires: "2026-12-24T18:00Z" }
`;
  expect(await problemsOf(text)).toEqual([
    '3:11: a check id has letters, digits, ":", ".", "_" and "-"',
    '4:30: "commnd" is not known here',
    '5:5: "why" is missing',
    '5:54: one of equals, matches, contains, atLeast, atMost is missing',
    '6:44: a path on the host is absolute',
    '6:57: expected a text, found 644',
    '7:47: a service name has letters, digits, "_", "@", ".", ":" and "-"',
    expect.stringMatching(/^8:44: too small/),
    '10:5: "owner" is missing',
  ]);
  expect(await problemsOf('version: 2\n')).toEqual(['1:10: expected 1, found 2']);
  expect(await problemsOf('')).toEqual(['1:1: the file is empty']);
});

test('without a fleet file hosts are meant by their names', async () => {
  const { checks } = await load(
    'version: 1\nchecks: [{ id: a, why: w, fix: f, host: "*.example", port: { port: 1 } }]\n',
    false,
  );
  expect(['ops@web3.example', 'web3'].map(name => checks[0]?.isFor(name))).toEqual([true, false]);
  expect(
    await problemsOf('version: 1\nchecks: [{ id: a, why: w, fix: f, host: role=web, port: { port: 1 } }]\n', false),
  ).toEqual(['2:41: "role=web" selects by label, and there is no fleet file']);
});

test('the file lies beside the fleet file, or is named', async () => {
  await inFolder({ 'fleet.yaml': fleetText }, async folder => {
    const fleet = await loadFleet(join(folder, 'fleet.yaml'));
    expect(await findChecksFile(fleet)).toBeUndefined();
    await writeFile(join(folder, 'checks.yaml'), 'version: 1\n');
    expect(await findChecksFile(fleet)).toBe(join(folder, 'checks.yaml'));
    await expect(loadChecks(join(folder, 'none.yaml'), fleet)).rejects.toMatchObject({
      code: 'NO_CHECKS_FILE',
      exitCode: 2,
    });
  });
});

test('the JSON schema says what an editor shows, and that a check asks one thing', () => {
  const schema = JSON.stringify(checksJsonSchema());
  expect(schema).toContain('"oneOf":[{"required":["command"]},{"required":["file"]}');
  expect(schema).toContain('what goes wrong where it is not met');
});
