import { readFile } from 'node:fs/promises';
import { HangarError } from '../errors.ts';
import { besideFleet } from './beside-fleet.ts';
import { defined } from './defined.ts';
import { type Fleet, type FleetFile, fleetSchema } from './fleet.ts';
import type { Host, HostName, Service } from './host.ts';
import { readProfiles } from './profile.ts';
import { checkSchedules } from './schedules.ts';
import { YamlFile } from './yaml-problems.ts';

/** Reads an inventory whole. @throws HangarError `NO_FLEET_FILE`, `INVALID_FLEET` with every problem and its place */
export async function loadFleet(path: string): Promise<Fleet> {
  return parseFleet(path, await read(path));
}

/** The same of a text; `path` names it in messages. @throws HangarError `INVALID_FLEET` */
export async function parseFleet(path: string, text: string): Promise<Fleet> {
  const file = new YamlFile(path, text);
  const fleet = file.check(fleetSchema);
  if (fleet) checkNames(file, fleet);
  if (fleet) checkSchedules(file, fleet);
  const profiles = await readProfiles(file, fleet?.profiles);
  file.failIfWrong('INVALID_FLEET', 'the fleet file');
  if (!fleet) throw new TypeError('a fleet file that has another shape has a problem');
  const hosts = Object.entries(fleet.hosts).map(
    ([name, each]) => [name, toHost(name, each ?? {}, fleet, path)] as const,
  );
  return {
    path,
    hosts: new Map<HostName, Host>(hosts),
    approvals: fleet.approvals,
    profiles,
    schedules: fleet.schedules,
  };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new HangarError({
      code: 'NO_FLEET_FILE',
      message: `the fleet file "${path}" cannot be read`,
      fix: 'name the inventory: --fleet FILE',
      failure: 'usage',
      cause,
    });
  }
}

/** What one part of the file says of another. */
function checkNames(file: YamlFile, { hosts, profiles = {} }: FleetFile): void {
  for (const [name, host] of Object.entries(hosts)) {
    const at = ['hosts', name];
    if (name === 'all') file.add(at, '"all" is not a host name: it selects every host', { atKey: true });
    if (host?.jump === name) file.add([...at, 'jump'], `"${name}" cannot be its own jump host`);
    if (host?.profile !== undefined && !(host.profile in profiles))
      file.add([...at, 'profile'], `there is no profile "${host.profile}"`);
    const seen = new Set<string>();
    for (const [index, service] of (host?.services ?? []).entries()) {
      const { name: each } = toService(service);
      if (seen.has(each)) file.add([...at, 'services', index], `"${name}" has two services "${each}"`);
      seen.add(each);
    }
  }
}

function toHost(
  name: HostName,
  host: NonNullable<FleetFile['hosts'][string]>,
  { defaults = {} }: FleetFile,
  path: string,
): Host {
  const { services = [], labels = {}, ...own } = host;
  const merged = { ...defined(defaults), ...defined(own) };
  const { identityFile, become = 'sudo', ...rest } = merged;
  return {
    ...rest,
    name,
    become,
    labels,
    services: services.map(toService),
    ...(identityFile !== undefined && { identityFile: besideFleet(identityFile, path) }),
  };
}

function toService(service: string | FleetService): Service {
  return typeof service === 'string' ? { name: service } : { ...defined(service), name: service.name };
}

type FleetService = Exclude<NonNullable<NonNullable<FleetFile['hosts'][string]>['services']>[number], string>;
