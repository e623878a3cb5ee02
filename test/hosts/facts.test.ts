import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askFacts } from '../../src/compliance/ask-facts.ts';
import { factsRequest } from '../../src/compliance/facts-request.ts';
import type { Host } from '../../src/fleet/host.ts';
import { defaultProfile, type Profile } from '../../src/fleet/profile.ts';
import type { HostFacts, PythonModule } from '../../src/host/facts.ts';
import { programPath, programSha256, programText } from '../../src/host/program.ts';
import { sudoRule } from '../../src/host/sudo-rule.ts';
import { openSession } from '../../src/ssh/open-session.ts';
import type { SshSession } from '../../src/ssh/session.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { startShop } from '../support/hosts/shop.ts';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';
import { type SymbolRepository, startSymbolRepository } from '../support/symbol-repository.ts';

let machine: TestHost;
let repository: SymbolRepository;
let session: SshSession;
let host: Host;

beforeAll(async () => {
  if (!requireRoot.isRoot) return;
  machine = await startHost({ name: 'web3', release: 'bullseye' });
  repository = await startSymbolRepository({ address: machine.address.replace(/\d+$/, '1') });
  await write('etc/apt/sources.list', `deb [trusted=yes] ${repository.url} ${repository.suite} main\n`);
  const shop = await startShop(machine, '2.7');
  host = {
    name: 'web3',
    address: machine.address,
    user: 'ops',
    become: 'sudo',
    hostKey: machine.hostKey,
    identityFile: machine.identityFile,
    labels: {},
    services: [shop.entry],
  };
  session = await openSession(host);
});
afterAll(async () => {
  await session?.close();
  await repository?.stop();
  await machine?.stop();
});

test('a host with full sudo tells all of itself', async context => {
  requireRoot(context);
  const facts = await ask();
  expect(facts).toMatchObject({
    access: 'root',
    user: 'ops',
    os: { id: 'debian', versionId: '11', codename: 'bullseye' },
    architecture: 'amd64',
    aptVersion: expect.stringMatching(/^2\.2/),
    sudoers: { isValid: true },
    gdbHasPython: true,
    cores: [],
    gaps: [],
  });
  expect(Object.fromEntries(facts.packages)).toMatchObject({
    gdb: { status: 'installed', version: expect.stringMatching(/^10\.1/) },
    'python2.7-dbg': { status: 'installed' },
    'libc6-dbg': { status: 'absent' },
  });
  expect(facts.files.get(programPath)).toEqual({ status: 'absent' });
  expect(facts.disk?.freeBytes).toBeGreaterThan(1e9);
});

test('its Python processes are told with their service, their files and where symbols of those are', async context => {
  requireRoot(context);
  const { pythons } = await ask();
  const daemon = pythons.find(({ command }) => command.startsWith('(wsgi:shop)'));
  expect(daemon).toMatchObject({ user: 'www-data', services: ['apache2'], version: '2.7', replaced: [] });
  expect(daemon?.coreBytes).toBeGreaterThan(1e7);
  expect(daemon?.modules.map(({ role, package: name, symbols }) => [role, name, symbols])).toEqual([
    ['executable', 'apache2-bin', 'none'],
    ['libpython', 'libpython2.7', 'separate'],
    ['mod_wsgi', undefined, 'own'],
  ]);
  expect(daemon?.modules.every(({ buildId, isReadable }) => isReadable && /^[0-9a-f]{40}$/.test(buildId ?? ''))).toBe(
    true,
  );
});

test('a repository is fetched, and its signature checked by the keyring that is named, armoured or not', async context => {
  requireRoot(context);
  await write('usr/share/keyrings/shop.asc', repository.keyArmoured);
  const base = { url: repository.url, suite: 'CODENAME' };
  const request = {
    ...factsRequest(profile, []),
    repositories: [
      { ...base, keyring: '/usr/share/keyrings/shop.asc' },
      { ...base, keyring: '/usr/share/keyrings/debian-archive-keyring.gpg' },
      { ...base, keyring: '/usr/share/keyrings/none.gpg' },
      { ...base, suite: 'none', keyring: '/usr/share/keyrings/shop.asc' },
      { ...base, distribution: 'ubuntu', keyring: '/usr/share/keyrings/shop.asc' },
    ],
  };
  const { repositories } = await askFacts(session, request);
  expect(repositories.map(each => [each.role, each.suite, each.isReachable, each.signature])).toEqual([
    ['release', 'bullseye', true, 'unchecked'],
    ['symbols', 'bullseye', true, 'valid'],
    ['symbols', 'bullseye', true, 'invalid'],
    ['symbols', 'bullseye', true, 'unchecked'],
    ['symbols', 'none', false, 'unchecked'],
  ]);
  expect(repositories[1]?.said).toContain(`good signature of ${repository.fingerprint.slice(-16)}`);
  expect(Buffer.from(repositories[1]?.keyring?.base64 ?? '', 'base64').toString()).toBe(repository.keyArmoured);
  expect(repositories[2]?.said).toContain('which the keyring does not have');
  expect(repositories[4]?.said).toContain('404');
});

test('where apt has sqv in place of gpgv, that checks signatures', async context => {
  requireRoot(context);
  const other = await startHost({ name: 'web4', release: 'trixie' });
  try {
    expect((await other.run('command -v gpgv')).code).not.toBe(0);
    await writeFile(join(other.root, 'usr/share/keyrings/shop.asc'), repository.keyArmoured);
    await writeFile(join(other.root, 'etc/apt/sources.list'), `deb ${repository.url} ${repository.suite} main\n`);
    const { address, hostKey, identityFile } = other;
    const there = await openSession({ ...host, name: 'web4', address, hostKey, identityFile });
    const base = { url: repository.url, suite: repository.suite };
    const [shop, debian] = ['shop.asc', 'debian-archive-keyring.gpg'].map(name => `/usr/share/keyrings/${name}`);
    const { repositories, files } = await askFacts(there, {
      ...factsRequest(profile, []),
      files: [`${debian}`],
      repositories: [
        { ...base, keyring: `${shop}` },
        { ...base, keyring: `${debian}` },
      ],
    });
    await there.close();
    expect(repositories.slice(1).map(({ signature }) => signature)).toEqual(['valid', 'invalid']);
    expect(repositories[1]?.said).toContain(repository.fingerprint);
    // A link there since Debian 13.
    expect(files.get(`${debian}`)).toMatchObject({
      kind: 'link',
      target: { kind: 'file', mode: '0644', owner: 'root' },
    });
  } finally {
    await other.stop();
  }
});

test('symbols that the apt sources have are told, by version or by build-id', async context => {
  requireRoot(context);
  const before = await apache();
  expect(before.symbols).toBe('none');
  const version = (await ask()).packages.get('apache2-bin')?.version ?? '';
  try {
    await offer({ Version: version });
    expect((await ask()).packages.get('apache2-bin-dbgsym')).toEqual({ status: 'absent', offered: version });
    expect((await apache()).symbols).toBe('offered');
    await offer({ Version: '1.0' });
    expect((await apache()).symbols).toBe('none');
    await offer({ Version: '1.0', 'Build-Ids': `0123456789abcdef ${before.buildId}` });
    expect((await apache()).symbols).toBe('offered');
  } finally {
    await machine.run('rm -r /srv/offers /etc/apt/sources.list.d/offers.list; rm -f /var/lib/apt/lists/*_offers_*');
  }
});

async function apache(): Promise<PythonModule> {
  const { pythons } = await ask();
  const found = pythons.flatMap(({ modules }) => modules).find(({ role }) => role === 'executable');
  if (found === undefined) throw new Error('apache2 does not run');
  return found;
}

/** A source of one package, apache2's symbols. */
async function offer(fields: Readonly<Record<string, string>>): Promise<void> {
  const stanza = { Package: 'apache2-bin-dbgsym', Architecture: 'amd64', Filename: './none.deb', Size: '1', ...fields };
  const lines = Object.entries(stanza).map(([name, value]) => `${name}: ${value}\n`);
  await write('srv/offers/Packages', `${lines.join('')}SHA256: ${'0'.repeat(64)}\n`);
  await write('etc/apt/sources.list.d/offers.list', 'deb [trusted=yes] file:/srv/offers ./\n');
  const { code, stderr } = await machine.run('apt-get -q update -o Dir::Etc::SourceList=/dev/null');
  if (code !== 0) throw new Error(stderr);
}

test('a core that was left over is told', async context => {
  requireRoot(context);
  const directory = '/var/tmp/hangar/0123456789abcdef';
  await machine.run(
    `mkdir -m 700 -p ${directory} && truncate -s 1M ${directory}/core && touch -d '2 days ago' ${directory}/core`,
  );
  const { cores } = await ask();
  await machine.run('rm -r /var/tmp/hangar');
  expect(cores).toMatchObject([{ directory, bytes: 2 ** 20 }]);
  expect(cores[0]?.ageSeconds).toBeGreaterThan(86_400);
});

test('an interpreter that was replaced under its processes is told, and is still read from memory', async context => {
  requireRoot(context);
  const path = '/usr/lib/x86_64-linux-gnu/libpython2.7.so.1.0';
  await machine.run(`cp -p ${path} ${path}.new && mv ${path}.new ${path}`);
  const { pythons } = await ask();
  expect(pythons.map(({ replaced }) => replaced)).toEqual(pythons.map(() => [path]));
  expect(pythons.length).toBeGreaterThan(1);
  expect(pythons[0]?.modules.find(({ role }) => role === 'libpython')).toMatchObject({
    path,
    isReadable: true,
    package: 'libpython2.7',
    symbols: 'separate',
  });
});

test('nothing is changed on the host, not even by apt', async context => {
  requireRoot(context);
  await machine.run('touch /run/mark; sleep 0.05');
  await ask();
  const { stdout } = await machine.run(
    "find / -xdev -newer /run/mark \\( -type f -o -type d \\) -not -path '/proc/*' -not -path /run -not -path '/home/ops/*'; ls -d /run/hangar.* /tmp/hangar.* 2>/dev/null",
  );
  expect(stdout).toBe('');
});

test('a host with a rule for the installed program alone is asked through it', async context => {
  requireRoot(context);
  await limitSudo(sudoRule('ops'));
  try {
    await machine.run(`mkdir -p ${programPath.replace(/\/[^/]*$/, '')}`);
    await write(programPath, programText(), 0o755);
    const facts = await ask();
    expect(facts).toMatchObject({ access: 'program', user: 'ops', gaps: [], sudoers: { isValid: true } });
    expect(facts).not.toHaveProperty('refusal');
    expect(facts.files.get(programPath)).toMatchObject({ mode: '0755', owner: 'root', sha256: programSha256() });
    expect(facts.files.get('/etc/sudoers.d/hangar')).toMatchObject({ mode: '0440', sha256: expect.any(String) });
    await write(programPath, `${programText()}# another version\n`, 0o755);
    expect(await ask()).toMatchObject({ access: 'none', refusal: expect.stringMatching(/sudo|not allowed/) });
  } finally {
    await machine.run(`rm -f ${programPath}`);
    await allowSudo();
  }
});

test('a host without sudo is seen as far as anybody may, with the refusal and what was not seen', async context => {
  requireRoot(context);
  await machine.run('mkdir -m 700 /var/tmp/hangar');
  await limitSudo('');
  try {
    const facts = await askFacts(session, {
      ...factsRequest(profile, host.services),
      files: ['/root/secret', '/etc/os-release', '/etc/sudoers', '/var/tmp/hangar'],
    });
    expect(facts).toMatchObject({ access: 'none', user: 'ops', refusal: expect.stringContaining('password') });
    expect(facts.files.get('/root/secret')).toEqual({ status: 'unreadable' });
    expect(facts.files.get('/etc/os-release')).toMatchObject({ status: 'present' });
    expect(facts.files.get('/etc/sudoers')).toMatchObject({ status: 'present', mode: '0440' });
    expect(facts.files.get('/etc/sudoers')).not.toHaveProperty('sha256');
    expect(facts.files.get('/var/tmp/hangar')).toMatchObject({ mode: '0700', owner: 'root' });
    expect(facts.packages.get('gdb')?.status).toBe('installed');
    expect(facts.pythons).toEqual([]);
    expect(facts).not.toHaveProperty('sudoers');
    expect(facts.gaps.map(({ what }) => what)).toEqual(['left-over cores', 'processes of other users', 'sudoers']);
  } finally {
    await machine.run('rmdir /var/tmp/hangar');
    await allowSudo();
  }
});

const profile: Profile = { ...defaultProfile, symbolSources: [] };

function ask(): Promise<HostFacts> {
  return askFacts(session, factsRequest(profile, host.services));
}

async function write(path: string, text: string, mode = 0o644): Promise<void> {
  await mkdir(join(machine.root, path, '..'), { recursive: true });
  await writeFile(join(machine.root, path), text);
  await machine.run(`chmod ${mode.toString(8)} /${path}`);
}

async function limitSudo(rule: string): Promise<void> {
  await write('etc/sudoers.d/hangar', rule, 0o440);
  await machine.run('mv /etc/sudoers.d/ops /root/ops');
}

async function allowSudo(): Promise<void> {
  await machine.run('mv /root/ops /etc/sudoers.d/ops; rm -f /etc/sudoers.d/hangar');
}
