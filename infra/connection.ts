import type * as pulumi from '@pulumi/pulumi';
import { HangarError } from '../src/errors.ts';
import type { Fleet } from '../src/fleet/fleet.ts';
import type { Host } from '../src/fleet/host.ts';
import { clientSettings } from '../src/ssh/client-settings.ts';
import { knownKeys } from '../src/ssh/host-keys.ts';
import type { Agents } from './agent.ts';

/** How Pulumi logs in to a host. No key and no password has a place here: they would lie in the stack's state. */
export interface Connection extends Hop {
  /** The jump host; the provider takes one, not a chain. */
  readonly proxy?: Hop;
}

export interface Hop {
  /** Host name or address; may be an output of the resource that makes the machine. */
  readonly host: pulumi.Input<string>;
  readonly port: number;
  readonly user: string;
  /** `TYPE BASE64`; without it the provider would verify nothing. */
  readonly hostKey: pulumi.Input<string>;
  /** Socket of an ssh-agent that has the key. */
  readonly agentSocketPath: string;
}

/** A connection whose values are known. */
export type KnownConnection = Connection & { readonly host: string; readonly hostKey: string };

export interface FoundConnection {
  readonly connection: KnownConnection;
  /** Why the provider cannot use it: `JUMP_CHAIN_UNSUPPORTED`. */
  readonly problem?: HangarError;
}

/**
 * As our own SSH logs in: the fleet file's word, then ssh_config's and known_hosts'. The key of a host that is not known
 * is `unknownHostKey`.
 */
export async function connectionOf(
  host: Host,
  agents: Pick<Agents, 'socketFor'>,
  fleet?: Fleet,
): Promise<FoundConnection> {
  const { jump, ...hop } = await hopOf(host, agents);
  if (jump === undefined) return { connection: hop };
  const known = fleet?.hosts.get(jump) ?? { name: jump, become: 'none', labels: {}, services: [] };
  const { jump: further, ...proxy } = await hopOf(known, agents);
  const isChain = further !== undefined || jump.includes(',');
  return { connection: { ...hop, proxy }, ...(isChain && { problem: jumpChain(host, [further, jump]) }) };
}

/** No key at all to the provider, which then refuses to connect. */
export const unknownHostKey = 'unknown';

type KnownHop = Hop & { readonly host: string; readonly hostKey: string };

async function hopOf(host: Host, agents: Pick<Agents, 'socketFor'>): Promise<KnownHop & { readonly jump?: string }> {
  const settings = await clientSettings(host);
  const { accepted } = await knownKeys(host, settings);
  const [key] = [...accepted].sort((a, b) => rank(a.type) - rank(b.type));
  return {
    host: settings.address,
    port: settings.port,
    user: settings.user,
    hostKey: key === undefined ? unknownHostKey : `${key.type} ${key.base64}`,
    agentSocketPath: agents.socketFor(host),
    ...(settings.jump !== undefined && { jump: settings.jump }),
  };
}

/** The provider asks for the type of the one key that it is given; for RSA that means SHA-1, which new servers refuse. */
function rank(type: string): number {
  const at = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa'].indexOf(
    type,
  );
  return at < 0 ? Number.MAX_SAFE_INTEGER : at;
}

function jumpChain({ name }: Host, jumps: readonly (string | undefined)[]): HangarError {
  return new HangarError({
    code: 'JUMP_CHAIN_UNSUPPORTED',
    message: `"${name}" is behind more than one jump host (${jumps.filter(Boolean).join(', ')}), and Pulumi's command provider takes one`,
    fix: `prepare it without Pulumi: runbook prepare --host ${name}`,
    failure: 'usage',
  });
}
