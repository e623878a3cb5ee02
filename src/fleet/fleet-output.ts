import type { Fleet, FleetFile } from './fleet.ts';
import type { Host, HostName } from './host.ts';
import { defaultProfile, type Profile } from './profile.ts';

/** What a stack knows better than the fleet file: where its hosts are by now. */
export interface Reached {
  readonly address: string;
  readonly hostKey: string;
}

/**
 * The inventory as a stack output: in the fleet file's own form, whole, and free of files that lie beside it. What
 * `--fleet pulumi:STACK` reads.
 */
export function fleetOutput(fleet: Fleet, reached: ReadonlyMap<HostName, Partial<Reached>> = new Map()): FleetFile {
  const hosts = [...fleet.hosts.values()].map(host => [host.name, hostOutput(host, reached.get(host.name))] as const);
  const profiles = [...fleet.profiles.values()].map(profile => [profile.name, profileOutput(profile)] as const);
  return {
    version: 1,
    hosts: Object.fromEntries(hosts),
    profiles: Object.fromEntries(profiles),
    ...(fleet.approvals && { approvals: fleet.approvals }),
    ...(fleet.schedules && { schedules: fleet.schedules }),
  };
}

function hostOutput(
  { name: _name, services, ...host }: Host,
  reached: Partial<Reached> = {},
): FleetFile['hosts'][string] {
  return { ...host, ...reached, services: services.map(service => ({ ...service })), labels: { ...host.labels } };
}

function profileOutput(profile: Profile): NonNullable<FleetFile['profiles']>[string] {
  const { name: _name, keepCoresSeconds, minFreeDiskBytes, symbolSources, pythons, packages, ...rest } = profile;
  return {
    ...rest,
    sysctls: { ...profile.sysctls },
    pythons: [...pythons],
    packages: [...packages],
    ...(keepCoresSeconds !== undefined && { keepCores: `${keepCoresSeconds}s` }),
    ...(minFreeDiskBytes !== defaultProfile.minFreeDiskBytes && { minFreeDisk: `${minFreeDiskBytes}B` }),
    ...(symbolSources && {
      symbolSources: symbolSources.map(source => ({
        ...source,
        suites: [...source.suites],
        components: [...source.components],
      })),
    }),
  };
}
