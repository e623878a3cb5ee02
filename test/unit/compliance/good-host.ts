import { createHash } from 'node:crypto';
import { generateKey } from 'openpgp';
import { builtInChecks } from '../../../src/compliance/built-in-checks.ts';
import { judgeHost } from '../../../src/compliance/judge-host.ts';
import { readKeyrings } from '../../../src/compliance/key-expiry.ts';
import type { CheckResult } from '../../../src/compliance/schema.ts';
import type { Host } from '../../../src/fleet/host.ts';
import { type HostProfile, profilePaths, resolveProfile } from '../../../src/fleet/host-profile.ts';
import { defaultProfile, type Profile } from '../../../src/fleet/profile.ts';
import type { FileFact, HostFacts, PackageFact, PythonProcess } from '../../../src/host/facts.ts';
import { commandsPath, commandsText, programPath, programSha256 } from '../../../src/host/program.ts';
import { sudoRule } from '../../../src/host/sudo-rule.ts';

export const now = new Date('2026-11-25T12:00:00Z');
export const days = 86_400;

/** A new armoured public key, made long ago, that expires in so many days from `now`; undefined: never. */
export async function makeKey(expiresInDays?: number, subkeys = 0): Promise<string> {
  const made = new Date('2020-01-01T00:00:00Z');
  const seconds = (now.getTime() - made.getTime()) / 1000 + (expiresInDays ?? 0) * days;
  const { publicKey } = await generateKey({
    userIDs: [{ name: 'Symbols' }],
    date: made,
    ...(expiresInDays !== undefined && { keyExpirationTime: seconds }),
    subkeys: Array.from({ length: subkeys }, () => ({ sign: true })),
  });
  return publicKey;
}

export function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

export const host: Host = {
  name: 'web3',
  become: 'sudo',
  user: 'ops',
  labels: {},
  services: [{ name: 'apache2', check: 'apachectl status' }],
};

/** Facts in which each part may be changed. */
export type Facts = { -readonly [Key in keyof HostFacts]: HostFacts[Key] };

export interface Case {
  profile: HostProfile;
  facts: Facts;
  host: Host;
  sent: Date;
  received: Date;
}

export function files({ facts }: Case): Map<string, FileFact> {
  return new Map(facts.files);
}

export const apache: PythonProcess = {
  pid: 55,
  user: 'www-data',
  command: '(wsgi:shop) -k start',
  services: ['apache2'],
  version: '2.7',
  coreBytes: 420 * 2 ** 20,
  modules: [
    {
      role: 'executable',
      path: '/usr/sbin/apache2',
      isReadable: true,
      buildId: 'aa11',
      package: 'apache2-bin',
      symbols: 'offered',
    },
    {
      role: 'libpython',
      path: '/usr/lib/x86_64-linux-gnu/libpython2.7.so.1.0',
      isReadable: true,
      buildId: 'bb22',
      package: 'libpython2.7',
      symbols: 'separate',
    },
    { role: 'mod_wsgi', path: '/opt/wsgi/mod_wsgi.so', isReadable: true, buildId: 'cc33', symbols: 'own' },
  ],
  replaced: [],
};

const packageNames = ['gdb', 'zstd', 'libc6', 'libc6-dbg', 'libpython2.7', 'python2.7-dbg', 'apache2-bin', 'tree'];

export function present(
  text: string,
  mode = '0644',
  more: Partial<Extract<FileFact, { status: 'present' }>> = {},
): FileFact {
  return {
    status: 'present',
    kind: 'file',
    mode,
    owner: 'root',
    group: 'root',
    bytes: text.length,
    sha256: sha256(text),
    directory: { mode: '0755', owner: 'root' },
    ...more,
  };
}

const key = await makeKey(700);

/** A host that has all that its profile asks for. */
export function goodCase(changed: Partial<Profile> = {}, symbolKey = key): Case {
  const packages = new Map<string, PackageFact>(
    packageNames.map(name => [name, { status: 'installed', version: '1.2-3' }]),
  );
  packages.set('apache2-bin-dbgsym', { status: 'absent', offered: null });
  const profile: Profile = {
    ...defaultProfile,
    name: 'python-web',
    pythons: ['2.7'],
    packages: ['tree'],
    sysctls: { 'net.ipv4.tcp_rmem': '4096 131072 6291456' },
    keepCoresSeconds: 14 * days,
    symbolSources: [
      { url: 'http://127.0.0.1:8/symbols', suites: ['CODENAME-debug'], components: ['main'], key: symbolKey },
    ],
    ...changed,
  };
  const facts: Facts = {
    access: 'program',
    user: 'ops',
    clockSeconds: now.getTime() / 1000 + 0.3,
    os: { id: 'debian', versionId: '12', codename: 'bookworm', name: 'Debian GNU/Linux 12 (bookworm)' },
    architecture: 'amd64',
    aptVersion: '2.6.1',
    packages,
    files: new Map(),
    sysctls: new Map([
      ['kernel.yama.ptrace_scope', '1'],
      ['net.ipv4.tcp_rmem', '4096\t131072\t6291456'],
    ]),
    keptSysctls: new Map([['net.ipv4.tcp_rmem', '4096 131072 6291456']]),
    disk: { path: '/var/tmp', freeBytes: 20 * 2 ** 30, totalBytes: 40 * 2 ** 30 },
    pythons: [apache],
    cores: [{ directory: '/var/tmp/hangar/case-1', bytes: 5e6, ageSeconds: days }],
    repositories: [],
    sudoers: { isValid: true, said: '' },
    gdbHasPython: true,
    gaps: [],
  };
  const resolved = resolveProfile(profile, facts, host);
  facts.files = filesOf(resolved);
  facts.repositories = [
    {
      role: 'release',
      url: 'http://127.0.0.1:8/debian',
      suite: 'bookworm',
      isReachable: true,
      said: '200',
      signature: 'unchecked',
    },
    ...symbolRepositories(resolved),
  ];
  return { profile: resolved, facts, host, sent: now, received: new Date(now.getTime() + 600) };
}

function filesOf({ requirements }: HostProfile): ReadonlyMap<string, FileFact> {
  const found = new Map<string, FileFact>([
    [programPath, present('', '0755', { sha256: programSha256(), bytes: 50_000 })],
    [commandsPath, present(commandsText(['apachectl status']))],
    [profilePaths.sudoRule, present(sudoRule('ops'), '0440')],
    ['/var/tmp/hangar', present('', '0700', { kind: 'directory', directory: { mode: '1777', owner: 'root' } })],
  ]);
  for (const each of requirements) {
    if (each.kind === 'symbol-source') {
      found.set(each.path, present(each.text));
      for (const path of each.obsolete) found.set(path, { status: 'absent' });
    }
    if (each.kind === 'symbol-key')
      found.set(each.path, present('', '0644', { sha256: sha256(keyBytes(each)), bytes: 1000 }));
  }
  return found;
}

function keyBytes({ from }: { readonly from: { readonly base64: string } | { readonly package: string } }): Buffer {
  return 'base64' in from ? Buffer.from(from.base64, 'base64') : Buffer.from('packaged');
}

function symbolRepositories({ requirements }: HostProfile): HostFacts['repositories'] {
  const keyring = requirements.find(each => each.kind === 'symbol-key');
  return requirements.flatMap(each =>
    each.kind !== 'symbol-repository'
      ? []
      : each.suites.map(suite => ({
          role: 'symbols' as const,
          url: each.url,
          suite,
          isReachable: true,
          said: '200',
          signature: 'valid' as const,
          ...(keyring && { keyring: { path: keyring.path, base64: keyBytes(keyring).toString('base64') } }),
        })),
  );
}

export async function judged(asked: Case): Promise<readonly CheckResult[]> {
  return judgeHost({ ...asked, keyrings: await readKeyrings(asked.profile, asked.facts) });
}

/** The check of that id. */
export async function one(asked: Case, id: string): Promise<CheckResult> {
  const found = (await judged(asked)).find(each => each.id === id);
  if (found === undefined) throw new Error(`no check "${id}"`);
  return found;
}

/** Ids of the checks of a case, in their order. */
export function idsOf({ profile }: Pick<Case, 'profile'>): readonly string[] {
  return [...profile.requirements, ...builtInChecks].map(({ id }) => id);
}
