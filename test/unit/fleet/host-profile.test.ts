import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Platform, type Requirement, resolveProfile } from '../../../src/fleet/host-profile.ts';
import { defaultProfile, type Profile } from '../../../src/fleet/profile.ts';

type PackageState = Platform['packages'] extends ReadonlyMap<string, infer State> ? State : never;
const installed: PackageState = { status: 'installed', version: '1' };

function platform(more: Partial<Platform> = {}): Platform {
  return {
    os: { id: 'debian', versionId: '11', codename: 'bullseye', name: 'Debian GNU/Linux 11 (bullseye)' },
    architecture: 'amd64',
    aptVersion: '2.2.4',
    user: 'ops',
    packages: new Map(),
    pythons: [],
    ...more,
  };
}

const xenial: Partial<Platform> = {
  os: { id: 'ubuntu', versionId: '16.04', codename: 'xenial', name: 'Ubuntu 16.04.7 LTS' },
  aptVersion: '1.2.35',
};
const noble: Partial<Platform> = {
  os: { id: 'ubuntu', versionId: '24.04', codename: 'noble', name: 'Ubuntu 24.04.1 LTS' },
  aptVersion: '2.7.14',
};

const host = { become: 'sudo', services: [{ name: 'apache2' }] } as const;

function resolve(profile: Partial<Profile>, on: Partial<Platform> = {}): readonly Requirement[] {
  return resolveProfile({ ...defaultProfile, name: 'web', ...profile }, platform(on), host).requirements;
}

function idsOf(requirements: readonly Requirement[]): readonly string[] {
  return requirements.map(({ id }) => id);
}

function the<Kind extends Requirement['kind']>(requirements: readonly Requirement[], kind: Kind) {
  const found = requirements.find((each): each is Extract<Requirement, { kind: Kind }> => each.kind === kind);
  if (found === undefined) throw new Error(`no requirement of kind ${kind}`);
  return found;
}

test('a host has the debugger, symbols of the C library and of each Python of the profile, and what root needs', () => {
  expect(idsOf(resolve({ pythons: ['2.7'], keepCoresSeconds: 60 }))).toEqual([
    'core-directory',
    'symbol-key',
    'symbol-source',
    'symbol-repository',
    'package:gdb',
    'package:zstd',
    'package:libc6-dbg',
    'package:python2.7-dbg',
    'sysctl:kernel.yama.ptrace_scope',
    'host-program',
    'sudo-rule',
    'left-over-cores',
    'free-disk',
    'replaced-programs',
  ]);
});

test('a Python that runs from a package is one of the profile, one of its own build is not', () => {
  const pythons = [
    { version: '3.9', modules: [{ path: '/usr/bin/python3.9', package: 'python3.9-minimal' }] },
    { version: '3.7', modules: [{ path: '/opt/python3.7/bin/python3.7' }] },
    { modules: [] },
  ];
  const ids = idsOf(resolve({ pythons: ['2.7'] }, { pythons }));
  expect(ids.filter(id => id.includes('python'))).toEqual(['package:python2.7-dbg', 'package:python3.9-dbg']);
});

test('symbols of the interpreter are wanted in the version that is installed', () => {
  const requirements = resolve({ pythons: ['2.7'] });
  expect(requirements.find(({ id }) => id === 'package:python2.7-dbg')).toMatchObject({
    versionOf: ['python2.7-minimal', 'libpython2.7-minimal', 'python2.7', 'libpython2.7'],
  });
});

test('symbols of the web server and of mod_wsgi are wanted where they are installed and a source offers them', () => {
  const packages = new Map<string, PackageState>([
    ['apache2-bin', installed],
    ['libapache2-mod-wsgi-py3', installed],
    ['libapache2-mod-wsgi', { status: 'absent' }],
  ]);
  const wanted = resolve({}, { packages }).filter(({ id }) => id.endsWith('-dbgsym'));
  expect(wanted).toMatchObject([
    { name: 'apache2-bin-dbgsym', versionOf: ['apache2-bin'], ifOffered: true },
    { name: 'libapache2-mod-wsgi-py3-dbgsym', ifOffered: true },
  ]);
});

test('without symbols there is no symbol source, no key and no debug package', () => {
  const ids = idsOf(resolve({ symbols: false, pythons: ['2.7'] }));
  expect(ids.filter(id => id.startsWith('symbol') || id.includes('-dbg'))).toEqual([]);
  expect(ids).toContain('package:gdb');
});

test("Ubuntu's symbols come from its ddebs archive, signed by the keyring of its package", () => {
  const requirements = resolve({}, noble);
  expect(the(requirements, 'symbol-source')).toMatchObject({ path: '/etc/apt/sources.list.d/ddebs.sources' });
  expect(the(requirements, 'symbol-source').text).toBe(`# Debug symbol packages; written by runbook prepare.
Types: deb
URIs: http://ddebs.ubuntu.com
Suites: noble noble-updates noble-proposed
Components: main restricted universe multiverse
Signed-By: /usr/share/keyrings/ubuntu-dbgsym-keyring.gpg
`);
  expect(the(requirements, 'symbol-key')).toMatchObject({
    path: '/usr/share/keyrings/ubuntu-dbgsym-keyring.gpg',
    from: { package: 'ubuntu-dbgsym-keyring' },
  });
});

test('an apt of the time of Ubuntu 16.04 gets the one-line form, and the other form goes', () => {
  const source = the(resolve({}, xenial), 'symbol-source');
  expect(source.path).toBe('/etc/apt/sources.list.d/ddebs.list');
  expect(source.obsolete).toContain('/etc/apt/sources.list.d/ddebs.sources');
  expect(source.obsolete).not.toContain(source.path);
  expect(source.text.split('\n')[1]).toBe(
    'deb [signed-by=/usr/share/keyrings/ubuntu-dbgsym-keyring.gpg] http://ddebs.ubuntu.com xenial main restricted universe multiverse',
  );
});

test("Debian's symbols come from its debug archive", () => {
  expect(the(resolve({}), 'symbol-source').text).toContain('Suites: bullseye-debug bullseye-proposed-updates-debug\n');
});

test('a distribution whose archive of symbols is not known has none, unless the profile names one', () => {
  const os = { id: 'kali', versionId: '1', codename: 'rolling', name: 'Kali' };
  expect(idsOf(resolve({}, { os })).filter(id => id.startsWith('symbol'))).toEqual([]);
  const symbolSources = [{ url: 'http://deb.example/dbg', suites: ['CODENAME'], components: ['main'] }];
  expect(the(resolve({ symbolSources }, { os }), 'symbol-source').text).toContain('Suites: rolling\n');
});

test('a repository of our own has its key in a file of its own, without armour', () => {
  const bytes = Buffer.from('any bytes will do, as long as they are more than one line of sixty-four characters');
  const base64 = bytes.toString('base64').replaceAll(/.{64}/g, '$&\n');
  const key = `-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: mine\n\n${base64}\n=AbCd\n-----END PGP PUBLIC KEY BLOCK-----\n`;
  const source = { url: 'http://deb.example/dbg', suites: ['CODENAME', 'flat/'], components: ['main'], key };
  const requirements = resolve({ symbolSources: [source] });
  const found = the(requirements, 'symbol-key');
  expect(found.path).toBe('/usr/share/keyrings/hangar-symbols-1.gpg');
  expect(found.from).toEqual({ base64: bytes.toString('base64') });
  expect(the(requirements, 'symbol-source')).toMatchObject({
    path: '/etc/apt/sources.list.d/hangar-symbols.sources',
    text: expect.stringContaining('Signed-By: /usr/share/keyrings/hangar-symbols-1.gpg\n'),
  });
});

test('ptrace_scope may be stricter than needed, unless the profile says what it is', () => {
  expect(the(resolve({}), 'sysctl')).toMatchObject({ value: '2', orLess: true });
  const sysctls = { 'kernel.yama.ptrace_scope': '1', 'fs.suid_dumpable': '0' };
  expect(resolve({ sysctls }).filter(({ kind }) => kind === 'sysctl')).toMatchObject([
    { name: 'kernel.yama.ptrace_scope', value: '1', orLess: false },
    { name: 'fs.suid_dumpable', value: '0', orLess: false },
  ]);
});

test('who logs in as root needs no sudo rule', () => {
  expect(idsOf(resolve({}, { user: 'root' }))).not.toContain('sudo-rule');
  const { requirements } = resolveProfile(defaultProfile, platform(), { ...host, become: 'none' });
  expect(idsOf(requirements)).not.toContain('sudo-rule');
});

test('each requirement has an id of its own, whatever the profile names', () => {
  const name = fc.constantFrom('gdb', 'zstd', 'libc6-dbg', 'python2.7-dbg', 'strace');
  fc.assert(
    fc.property(fc.array(name), fc.array(fc.constantFrom('2.7', '3.9', '3.13')), (packages, pythons) => {
      const ids = idsOf(resolve({ packages, pythons }));
      expect(new Set(ids).size).toBe(ids.length);
    }),
  );
});
