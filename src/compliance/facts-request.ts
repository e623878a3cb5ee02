import type { Service } from '../fleet/host.ts';
import type { Platform, Requirement } from '../fleet/host-profile.ts';
import { resolveProfile, servers, symbolSourcesOf } from '../fleet/host-profile.ts';
import type { Profile } from '../fleet/profile.ts';
import type { FactsRequest } from '../host/facts.ts';
import { commandsPath, programPath } from '../host/program.ts';

/** What has to be asked of a host for its profile, before anything is known of it: enough for each distribution. Pure. */
export function factsRequest(profile: Profile, services: readonly Pick<Service, 'name' | 'match'>[]): FactsRequest {
  const requirements = distributions.flatMap(
    id => resolveProfile(profile, anyPlatform(id), { become: 'sudo', services }).requirements,
  );
  const asked = requirements.map(asksFor);
  return {
    packages: unique(asked.flatMap(({ packages = [] }) => packages).flatMap(patternsOf)),
    wanted: unique(asked.flatMap(({ wanted = [] }) => wanted)),
    files: unique(asked.flatMap(({ files = [] }) => files)),
    sysctls: unique(asked.flatMap(({ sysctls = [] }) => sysctls)),
    coreDirectory: profile.coreDirectory,
    services: services.map(({ name, match }) => ({ name, ...(match !== undefined && { match }) })),
    repositories: profile.symbols ? distributions.flatMap(id => repositoriesOf(profile, id)) : [],
  };
}

const distributions = ['debian', 'ubuntu'] as const;

/** A host on which all that the profile may ask for is asked for; `X.Y` and `CODENAME` stand for what it will say. */
function anyPlatform(id: (typeof distributions)[number]): Platform {
  return {
    os: { id, versionId: '', codename: 'CODENAME', name: id },
    architecture: '',
    user: '',
    packages: new Map(servers.map(name => [name, { status: 'installed' }])),
    pythons: [{ version: anyVersion, modules: [{ path: '', package: `python${anyVersion}-minimal` }] }],
  };
}

const anyVersion = 'X.Y';

type Asked = Partial<Pick<FactsRequest, 'packages' | 'wanted' | 'files' | 'sysctls'>>;

function asksFor(requirement: Requirement): Asked {
  switch (requirement.kind) {
    case 'package':
      return { packages: requirement.versionOf, wanted: [requirement.name] };
    case 'symbol-source':
      return { files: [requirement.path, ...requirement.obsolete] };
    case 'symbol-key':
      return { files: [requirement.path] };
    case 'sysctl':
      return { sysctls: [requirement.name] };
    case 'core-directory':
    case 'sudo-rule':
      return { files: [requirement.path] };
    case 'host-program':
      return { files: [programPath, commandsPath] };
    // Asked for by the fields of their own, or whatever the profile.
    case 'symbol-repository':
    case 'free-disk':
    case 'left-over-cores':
    case 'replaced-programs':
      return {};
    default:
      return requirement satisfies never;
  }
}

/** As dpkg-query(1) takes it: of every version, and no other package that begins so. Those that are there are known then. */
function patternsOf(name: string): readonly string[] {
  if (!name.includes(anyVersion)) return [name];
  return ['[23].?', '[23].??'].map(version => name.replace(anyVersion, version));
}

function repositoriesOf(profile: Profile, distribution: string): FactsRequest['repositories'] {
  return symbolSourcesOf(profile, distribution).flatMap(({ url, suites, keyring }) =>
    suites.map(suite => ({ distribution, url, suite, keyring })),
  );
}

function unique(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}
