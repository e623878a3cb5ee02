import { isAbsolute, resolve } from 'node:path';
import * as pulumi from '@pulumi/pulumi';
import { HangarError } from '../src/errors.ts';
import { findFleetFile } from '../src/fleet/find-fleet-file.ts';
import type { Fleet, FleetFile } from '../src/fleet/fleet.ts';
import { fleetOutput, type Reached } from '../src/fleet/fleet-output.ts';
import type { Host, HostName } from '../src/fleet/host.ts';
import { loadFleet } from '../src/fleet/load-fleet.ts';
import { defaultProfile } from '../src/fleet/profile.ts';
import { selectHosts } from '../src/fleet/select-hosts.ts';
import { type Agents, agentsOf } from './agent.ts';
import { connectionOf, type KnownConnection, unknownHostKey } from './connection.ts';
import { PreparedHost, type PreparedHostArgs } from './prepared-host.ts';
import { type Answer, ask, type Readiness } from './readiness.ts';
import { sshReadiness } from './ssh-readiness.ts';

/** What the stack tells. */
export interface ProgramOutputs {
  readonly hosts: Readonly<Record<HostName, HostOutputs>>;
  /** The inventory that `--fleet pulumi:STACK` reads: all of it, also of hosts that were not selected. */
  readonly fleet: FleetFile;
}

type HostOutputs = Pick<PreparedHost, 'address' | 'hostKey' | 'versions' | 'ready'>;

export interface ProgramOptions {
  /** Default: over SSH, what compliance asks. */
  readonly readiness?: (fleet: Fleet) => Readiness;
  /** How long each host may take to answer, once it lets us in, for which it has 10 s; default 30. */
  readonly answerSeconds?: number;
}

/**
 * Every host of the fleet file has what its profile asks for. Configuration: `fleet`, path of the fleet file, default
 * fleet.yaml beside Pulumi.yaml or above; `hosts`, selectors separated by commas, default all.
 * @throws pulumi.RunError with what to do
 */
export async function program(options: ProgramOptions = {}): Promise<ProgramOutputs> {
  try {
    return await declare(options);
  } catch (error) {
    // Others are shown with their stack trace.
    if (error instanceof HangarError) throw new pulumi.RunError(`${error.code}: ${error.message}\n  fix: ${error.fix}`);
    throw error;
  }
}

async function declare({ readiness = sshReadiness, answerSeconds = 30 }: ProgramOptions): Promise<ProgramOutputs> {
  const config = new pulumi.Config();
  const fleet = await loadFleet(fleetPath(config));
  const hosts = selectHosts(fleet, { host: selectors(config), except: [] });

  const agents = agentsOf(`${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()} ${fleet.path}`);
  const asking: Asking = {
    fleet,
    agents,
    readiness: readiness(fleet),
    limits: { answerSeconds },
  };
  const asked = await Promise.all(hosts.map(host => askHost(host, asking)));
  if (!pulumi.runtime.isDryRun()) await agents.serve();

  const prepared = await prepareAll(asked, asking);
  return {
    hosts: Object.fromEntries(hosts.map(({ name }) => [name, outputsOf(prepared.get(name))])),
    fleet: fleetOutput(fleet, new Map(asked.map(({ host, connection }) => [host.name, whereIs(connection)]))),
  };
}

/** The engine runs programs in the folder of `main`; what users write is relative to that of Pulumi.yaml. */
function fleetPath(config: pulumi.Config): string {
  const told = pulumi.getRootDirectory();
  // Where the program is part of another (Automation API) there is no such folder.
  const root = isAbsolute(told) ? told : process.cwd();
  const path = config.get('fleet');
  if (path) return resolve(root, path);
  const found = findFleetFile(root);
  if (found !== undefined) return found;
  throw new HangarError({
    code: 'NO_FLEET_FILE',
    message: `there is no fleet.yaml in "${root}" or above it`,
    fix: 'name the inventory: pulumi config set fleet FILE',
    failure: 'usage',
  });
}

function selectors(config: pulumi.Config): readonly string[] {
  return (config.get('hosts') ?? 'all').split(',').map(each => each.trim());
}

interface Asking {
  readonly fleet: Fleet;
  readonly agents: Agents;
  readonly readiness: Readiness;
  readonly limits: { readonly answerSeconds: number };
}

type AskedHost = Pick<PreparedHostArgs, 'host' | 'profile'> & {
  readonly connection: KnownConnection;
  readonly answer: Answer;
};

async function askHost(host: Host, { fleet, agents, readiness, limits }: Asking): Promise<AskedHost> {
  const profile = (host.profile === undefined ? undefined : fleet.profiles.get(host.profile)) ?? defaultProfile;
  const [{ connection, problem }, answer] = await Promise.all([
    connectionOf(host, agents, fleet),
    ask(readiness, host, profile, { limitSeconds: limits.answerSeconds }),
  ]);
  return { host, profile, connection, answer: problem ? { status: 'unreachable', error: problem } : answer };
}

/** Those that cannot be reached come last: a new one among them fails the update, which then begins nothing more. */
async function prepareAll(
  asked: readonly AskedHost[],
  { readiness, limits }: Asking,
): Promise<ReadonlyMap<HostName, PreparedHost>> {
  const isReachable = ({ answer }: AskedHost): boolean => answer.status === 'asked';
  const prepare = (each: AskedHost): readonly [HostName, PreparedHost] => [
    each.host.name,
    new PreparedHost(each.host.name, { ...each, readiness, limits }),
  ];
  const first = asked.filter(isReachable).map(prepare);
  const last = asked.filter(each => !isReachable(each));
  if (last.length > 0) await Promise.all(first.map(([, each]) => settled(each.command)));
  return new Map([...first, ...last.map(prepare)]);
}

/** Once its resource is registered; what it will be may not be known yet. */
function settled(registered: pulumi.Output<pulumi.URN>): Promise<void> {
  return new Promise(done => registered.apply(() => done()));
}

function outputsOf(host: PreparedHost | undefined): HostOutputs {
  if (host === undefined) throw new TypeError('a selected host was not declared');
  const { address, hostKey, versions, ready } = host;
  return { address, hostKey, versions, ready };
}

function whereIs({ host: address, hostKey }: KnownConnection): Partial<Reached> {
  return { address, ...(hostKey !== unknownHostKey && { hostKey }) };
}
