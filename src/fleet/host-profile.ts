import type { Profile } from './profile.ts';

/** What the facts of a host say of it, as far as its profile depends on it. */
export interface Platform {
  /** os-release(5): ID, VERSION_ID, VERSION_CODENAME. */
  readonly os: { readonly id: string; readonly versionId: string; readonly codename: string; readonly name: string };
  readonly architecture: string;
  readonly aptVersion?: string;
  /** Who logs in. */
  readonly user: string;
  readonly packages: ReadonlyMap<
    string,
    { readonly status: 'installed' | 'half' | 'absent'; readonly version?: string }
  >;
  /** Interpreters that run: version and the package they are from. */
  readonly pythons: readonly {
    readonly version?: string;
    readonly modules: readonly { readonly path: string; readonly package?: string }[];
  }[];
}

/** A profile as it applies to one host: what that host must have. */
export interface HostProfile {
  readonly name: string;
  readonly requirements: readonly Requirement[];
  readonly allowUpgrades: boolean;
}

/** How bad it is where a requirement is not met: `warning` never makes a preparation fail. */
export type Severity = 'error' | 'warning';

interface Common {
  /** Names the check, and `runbook prepare --only ID`: as `package:gdb`, `sudo-rule`. */
  readonly id: string;
  readonly severity: Severity;
  /** What goes wrong without it. */
  readonly why: string;
}

export type Requirement = Common &
  (
    | {
        readonly kind: 'package';
        readonly name: string;
        /** First of these packages that is installed: its version is the one that is needed. */
        readonly versionOf: readonly string[];
        /** Only where a source offers it. */
        readonly ifOffered: boolean;
      }
    | {
        readonly kind: 'symbol-source';
        readonly path: string;
        readonly text: string;
        /** Files under which it may stand in another form. */
        readonly obsolete: readonly string[];
      }
    | {
        readonly kind: 'symbol-key';
        readonly path: string;
        /** The keyring's bytes in base64, or the package that brings it. */
        readonly from: { readonly base64: string } | { readonly package: string };
      }
    /** Asked, never mended. */
    | { readonly kind: 'symbol-repository'; readonly url: string; readonly suites: readonly string[] }
    | {
        readonly kind: 'sysctl';
        readonly name: string;
        readonly value: string;
        /** A lower number will do. */
        readonly orLess: boolean;
      }
    | { readonly kind: 'core-directory'; readonly path: string }
    | {
        readonly kind: 'host-program';
        /** What it may run as root for who has the sudo rule: the services' own checks and restarts. */
        readonly commands: readonly string[];
      }
    | { readonly kind: 'sudo-rule'; readonly path: string; readonly user: string }
    | { readonly kind: 'free-disk'; readonly path: string; readonly minBytes: number; readonly cores: number }
    | { readonly kind: 'left-over-cores'; readonly path: string; readonly keepSeconds: number }
    | { readonly kind: 'replaced-programs'; readonly services: readonly string[]; readonly restart: boolean }
  );

/** How root is reached, and what the host is for. */
export interface ProfiledHost {
  readonly become: 'sudo' | 'none';
  readonly services: readonly { readonly name: string; readonly check?: string; readonly restart?: string }[];
}

/** Fixed paths of what a preparation puts there. */
export const profilePaths = {
  sudoRule: '/etc/sudoers.d/hangar',
  sysctls: '/etc/sysctl.d/60-hangar.conf',
  sources: '/etc/apt/sources.list.d',
  keyrings: '/usr/share/keyrings',
} as const;

/** What a host of that platform must have, in the order in which it is prepared. Pure. */
export function resolveProfile(profile: Profile, platform: Platform, host: ProfiledHost): HostProfile {
  return {
    name: profile.name,
    allowUpgrades: profile.allowUpgrades,
    requirements: [
      { kind: 'core-directory', ...requirement.coreDirectory, path: profile.coreDirectory },
      ...(profile.symbols ? symbolRequirements(profile, platform) : []),
      ...packages(profile, platform),
      ...sysctls(profile),
      { kind: 'host-program', ...requirement.hostProgram, commands: commandsOf(host) },
      ...sudoRule(host, platform),
      ...leftOverCores(profile),
      {
        kind: 'free-disk',
        ...requirement.freeDisk,
        path: profile.coreDirectory,
        minBytes: profile.minFreeDiskBytes,
        cores: profile.freeCores,
      },
      {
        kind: 'replaced-programs',
        ...requirement.replacedPrograms,
        severity: profile.restartReplaced ? 'error' : 'warning',
        services: host.services.map(({ name }) => name),
        restart: profile.restartReplaced,
      },
    ],
  };
}

/** What they have in common, by kind. */
const requirement = {
  coreDirectory: {
    id: 'core-directory',
    severity: 'error',
    why: 'cores hold secrets: nobody but root may look into the directory where they are written',
  },
  hostProgram: {
    id: 'host-program',
    severity: 'error',
    why: 'what runs as root is this one program with fixed verbs, and another version of it answers in another way',
  },
  freeDisk: {
    id: 'free-disk',
    severity: 'error',
    why: 'a core is not taken where it would fill the disk, and then nobody learns why the service hung',
  },
  replacedPrograms: {
    id: 'replaced-programs',
    why: 'the process runs code that is on no disk any more: symbols and sources of the new version mislead',
  },
} as const satisfies Readonly<Record<string, Omit<Common, 'severity'> & Partial<Common>>>;

/** Where debug symbols come from; the sources stand in one file. */
export interface ResolvedSource {
  readonly url: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly keyring: string;
  /** Absent: the keyring belongs to a package. */
  readonly keyBase64?: string;
  readonly keyPackage?: string;
}

/**
 * The symbol sources of a host of that distribution; empty where it has no archive of its own that we know.
 * Ubuntu: ddebs.ubuntu.com (Ubuntu Server documentation, "Debug symbol packages"); Debian: the debug archive (Debian wiki,
 * "AutomaticDebugPackages").
 */
export function symbolSourcesOf(profile: Profile, distribution: string): readonly ResolvedSource[] {
  if (profile.symbolSources !== undefined)
    return profile.symbolSources.map(({ key, ...source }, index) => ({
      ...source,
      ...(key === undefined ? distributionKeyring(distribution) : ownKeyring(key, index)),
    }));
  const keyring = distributionKeyring(distribution);
  switch (distribution) {
    case 'ubuntu':
      return [
        {
          url: 'http://ddebs.ubuntu.com',
          suites: ['CODENAME', 'CODENAME-updates', 'CODENAME-proposed'],
          components: ['main', 'restricted', 'universe', 'multiverse'],
          ...keyring,
        },
      ];
    case 'debian':
      return [
        {
          url: 'http://deb.debian.org/debian-debug',
          suites: ['CODENAME-debug', 'CODENAME-proposed-updates-debug'],
          components: ['main'],
          ...keyring,
        },
      ];
    default:
      return [];
  }
}

function distributionKeyring(distribution: string): Pick<ResolvedSource, 'keyring' | 'keyPackage'> {
  return distribution === 'ubuntu'
    ? { keyring: `${profilePaths.keyrings}/ubuntu-dbgsym-keyring.gpg`, keyPackage: 'ubuntu-dbgsym-keyring' }
    : { keyring: `${profilePaths.keyrings}/debian-archive-keyring.gpg`, keyPackage: 'debian-archive-keyring' };
}

function ownKeyring(armoured: string, index: number): Pick<ResolvedSource, 'keyring' | 'keyBase64'> {
  return { keyring: `${profilePaths.keyrings}/hangar-symbols-${index + 1}.gpg`, keyBase64: dearmoured(armoured) };
}

/** The base64 body of an armoured key, without headers and checksum (RFC 9580, 6.2): apt before 1.4 reads no armour. */
function dearmoured(text: string): string {
  const blocks = text.matchAll(/-----BEGIN PGP PUBLIC KEY BLOCK-----([^]*?)-----END PGP PUBLIC KEY BLOCK-----/g);
  const bytes = [...blocks].map(([, body = '']) => {
    const lines = body.trim().split(/\r?\n/);
    const blank = lines.findIndex(line => line.trim() === '');
    const hasHeaders = lines[0]?.includes(':') === true;
    const data = (hasHeaders ? lines.slice(blank + 1) : lines).filter(line => !line.startsWith('='));
    return Buffer.from(data.join(''), 'base64');
  });
  return Buffer.concat(bytes).toString('base64');
}

function symbolRequirements(profile: Profile, platform: Platform): readonly Requirement[] {
  const sources = symbolSourcesOf(profile, platform.os.id);
  if (sources.length === 0) return [];
  return [...symbolKeys(sources), symbolSource(profile, platform, sources), ...symbolRepositories(sources, platform)];
}

/** One keyring may be that of several sources. */
function symbolKeys(sources: readonly ResolvedSource[]): readonly Requirement[] {
  const keyrings = new Map(sources.map(source => [source.keyring, source]));
  return [...keyrings.values()].map(({ keyring, keyBase64, keyPackage = '' }, index) => ({
    kind: 'symbol-key',
    id: index === 0 ? 'symbol-key' : `symbol-key:${index + 1}`,
    severity: 'error',
    why: 'apt takes symbol packages only from a repository whose signature it can check',
    path: keyring,
    from: keyBase64 === undefined ? { package: keyPackage } : { base64: keyBase64 },
  }));
}

function symbolSource(profile: Profile, platform: Platform, sources: readonly ResolvedSource[]): Requirement {
  const name =
    profile.symbolSources !== undefined ? 'hangar-symbols' : platform.os.id === 'ubuntu' ? 'ddebs' : 'debian-debug';
  const [deb822, oneLine] = [`${profilePaths.sources}/${name}.sources`, `${profilePaths.sources}/${name}.list`];
  const isDeb822 = readsDeb822(platform.aptVersion);
  const path = isDeb822 ? deb822 : oneLine;
  const texts = sources.map(source => (isDeb822 ? deb822Text : oneLineText)(inRelease(source, platform)));
  return {
    kind: 'symbol-source',
    id: 'symbol-source',
    severity: 'error',
    why: 'native frames have a file and a line only with the symbol package of the very version that runs',
    path,
    text: `# Debug symbol packages; written by runbook prepare.\n${texts.join('\n')}`,
    obsolete: symbolSourceFiles.filter(each => each !== path),
  };
}

/** Every file that may hold our symbol sources, in either form. */
export const symbolSourceFiles: readonly string[] = ['hangar-symbols', 'ddebs', 'debian-debug'].flatMap(name => [
  `${profilePaths.sources}/${name}.sources`,
  `${profilePaths.sources}/${name}.list`,
]);

function symbolRepositories(sources: readonly ResolvedSource[], platform: Platform): readonly Requirement[] {
  return sources.map((source, index) => ({
    kind: 'symbol-repository',
    id: index === 0 ? 'symbol-repository' : `symbol-repository:${index + 1}`,
    severity: 'warning',
    why: 'the symbols of a library that nobody thought of are fetched from there when it hangs',
    url: source.url,
    suites: inRelease(source, platform).suites,
  }));
}

function inRelease(source: ResolvedSource, { os }: Platform): ResolvedSource {
  return { ...source, suites: source.suites.map(suite => suite.replaceAll('CODENAME', os.codename)) };
}

/** sources.list(5), deb822 style. */
function deb822Text({ url, suites, components, keyring }: ResolvedSource): string {
  const isFlat = suites.every(suite => suite.endsWith('/'));
  return [
    'Types: deb',
    `URIs: ${url}`,
    `Suites: ${suites.join(' ')}`,
    ...(isFlat ? [] : [`Components: ${components.join(' ')}`]),
    `Signed-By: ${keyring}`,
    '',
  ].join('\n');
}

/** sources.list(5), one-line style. */
function oneLineText({ url, suites, components, keyring }: ResolvedSource): string {
  const lines = suites.map(
    suite => `deb [signed-by=${keyring}] ${url} ${suite}${suite.endsWith('/') ? '' : ` ${components.join(' ')}`}\n`,
  );
  return lines.join('');
}

/**
 * apt reads deb822 sources since 1.1, but the other tools of that time (python-apt, software-properties,
 * unattended-upgrades of Ubuntu 16.04 and Debian 8) do not.
 */
function readsDeb822(aptVersion: string | undefined): boolean {
  const found = /^(\d+)\.(\d+)/.exec(aptVersion ?? '');
  if (found === null) return true;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return major > 1 || (major === 1 && minor >= 3);
}

function packages(profile: Profile, platform: Platform): readonly Requirement[] {
  const wanted: readonly WantedPackage[] = [
    { name: 'gdb', why: 'gdb takes the core' },
    { name: 'zstd', why: 'cores and libraries are sent compressed' },
    ...(profile.symbols ? symbolPackages(profile, platform) : []),
    ...profile.packages.map(name => ({ name, why: `the profile "${profile.name}" names it` })),
  ];
  const byName = new Map(wanted.map(each => [each.name, each]));
  return [...byName.values()].map(({ name, why, versionOf = [], ifOffered = false }) => ({
    kind: 'package',
    id: `package:${name}`,
    severity: 'error',
    why,
    name,
    versionOf,
    ifOffered,
  }));
}

interface WantedPackage {
  readonly name: string;
  readonly why: string;
  readonly versionOf?: readonly string[];
  readonly ifOffered?: boolean;
}

function symbolPackages(profile: Profile, platform: Platform): readonly WantedPackage[] {
  return [
    { name: 'libc6-dbg', why: 'frames in the C library, where most waits end, have names', versionOf: ['libc6'] },
    ...pythonVersions(profile, platform).map(version => ({
      name: `python${version}-dbg`,
      why: `frames of Python ${version} itself have a file and a line`,
      versionOf: [`python${version}-minimal`, `libpython${version}-minimal`, `python${version}`, `libpython${version}`],
    })),
    ...servers
      .filter(name => platform.packages.get(name)?.status === 'installed')
      .map(name => ({
        name: `${name}-dbgsym`,
        why: `frames of ${name} have a file and a line`,
        versionOf: [name],
        ifOffered: true,
      })),
  ];
}

/** Packages whose code stands between the web server and Python. */
export const servers = ['apache2-bin', 'libapache2-mod-wsgi', 'libapache2-mod-wsgi-py3'] as const;

/** Those of the profile, and those that run from a package; an interpreter of one's own has no package of symbols. */
function pythonVersions({ pythons }: Profile, platform: Platform): readonly string[] {
  const running = platform.pythons.flatMap(({ version, modules }) =>
    version !== undefined && modules.some(each => each.package?.includes(`python${version}`) === true) ? [version] : [],
  );
  return [...new Set([...pythons, ...running])].sort(byVersion);
}

function byVersion(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

function sysctls(profile: Profile): readonly Requirement[] {
  const asked = { ...profile.sysctls };
  const ptrace = asked[ptraceScope];
  delete asked[ptraceScope];
  return [
    {
      kind: 'sysctl',
      id: `sysctl:${ptraceScope}`,
      severity: 'error',
      why: 'with 3 nobody, not even root, may attach a debugger to a process',
      name: ptraceScope,
      value: ptrace ?? '2',
      orLess: ptrace === undefined,
    },
    ...Object.entries(asked).map(
      ([name, value]): Requirement => ({
        kind: 'sysctl',
        id: `sysctl:${name}`,
        severity: 'error',
        why: `the profile "${profile.name}" names it`,
        name,
        value,
        orLess: false,
      }),
    ),
  ];
}

/** Linux, Documentation/admin-guide/LSM/Yama.rst. */
const ptraceScope = 'kernel.yama.ptrace_scope';

/** Who logs in as root needs none. */
function sudoRule({ become }: ProfiledHost, { user }: Platform): readonly Requirement[] {
  if (become === 'none' || user === 'root') return [];
  return [
    {
      kind: 'sudo-rule',
      id: 'sudo-rule',
      severity: 'error',
      why: `"${user}" may run the host program as root without a password, and needs nothing else`,
      path: profilePaths.sudoRule,
      user,
    },
  ];
}

/** A URL is asked, not run. */
function commandsOf({ services }: ProfiledHost): readonly string[] {
  return services
    .flatMap(({ check, restart }) => [check, restart])
    .filter(each => each !== undefined)
    .filter(each => !/^https?:\/\//.test(each));
}

function leftOverCores({ keepCoresSeconds, coreDirectory }: Profile): readonly Requirement[] {
  if (keepCoresSeconds === undefined) return [];
  return [
    {
      kind: 'left-over-cores',
      id: 'left-over-cores',
      severity: 'error',
      why: 'a core that nobody fetched holds secrets and space',
      path: coreDirectory,
      keepSeconds: keepCoresSeconds,
    },
  ];
}
