import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Host } from '../fleet/host.ts';
import { runTool } from './run-tool.ts';

/** How to reach a host: the fleet file's word, then ssh_config(5)'s. */
export interface ClientSettings {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** Private keys, in the order in which they are tried; not all of them need exist. */
  readonly identityFiles: readonly string[];
  /** The first of them was asked for by name: not to have it is an error. */
  readonly isIdentityNamed: boolean;
  readonly identitiesOnly: boolean;
  /** Socket of the agent; absent: none. */
  readonly agent?: string;
  /** `[user@]host[:port]`, several separated by commas. */
  readonly jump?: string;
  readonly hasProxyCommand: boolean;
  /** Names under which known_hosts may know the host. */
  readonly knownAs: readonly string[];
  readonly knownHostsFiles: readonly string[];
}

/** Asks `ssh -G`, which is the truth about OpenSSH client configuration; defaults where there is no ssh. */
export async function clientSettings(host: Host, env: NodeJS.ProcessEnv = process.env): Promise<ClientSettings> {
  const configured = readSettings((await runTool('ssh', sshArguments(host))) ?? '');
  const last = (name: string): string | undefined => configured.get(name)?.at(-1);
  const address = host.address ?? last('hostname') ?? bareName(host.name);
  const port = host.port ?? Number(last('port') ?? 22);
  const alias = last('hostkeyalias');
  const agent = agentSocket(last('identityagent'), env);
  const jump = host.jump ?? given(last('proxyjump'));
  return {
    address,
    port,
    user: host.user ?? last('user') ?? userInfo().username,
    identityFiles: [
      ...(host.identityFile === undefined ? [] : [host.identityFile]),
      ...(configured.get('identityfile') ?? defaultKeys).map(expandHome),
    ],
    isIdentityNamed: host.identityFile !== undefined,
    identitiesOnly: host.identityFile !== undefined || last('identitiesonly') === 'yes',
    ...(agent !== undefined && { agent }),
    ...(jump !== undefined && { jump }),
    hasProxyCommand: given(last('proxycommand')) !== undefined,
    knownAs: alias === undefined ? [knownName(address, port), ...(port === 22 ? [] : [address])] : [alias],
    knownHostsFiles: [...words(last('userknownhostsfile')), ...words(last('globalknownhostsfile'))].map(expandHome),
  };
}

const defaultKeys = ['~/.ssh/id_ed25519', '~/.ssh/id_ecdsa', '~/.ssh/id_rsa'];

function sshArguments({ name, port, user }: Host): readonly string[] {
  return [
    '-G',
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(user === undefined ? [] : ['-l', user]),
    '--',
    name,
  ];
}

/** `name value` lines; some names come more than once. */
function readSettings(text: string): ReadonlyMap<string, readonly string[]> {
  const settings = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const at = line.indexOf(' ');
    if (at < 0) continue;
    const name = line.slice(0, at);
    settings.set(name, [...(settings.get(name) ?? []), line.slice(at + 1)]);
  }
  return settings;
}

function agentSocket(configured: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  if (configured === 'none') return undefined;
  if (configured === undefined || configured === 'SSH_AUTH_SOCK') return env['SSH_AUTH_SOCK'] || undefined;
  return configured.startsWith('$') ? env[configured.slice(1)] : expandHome(configured);
}

function given(value: string | undefined): string | undefined {
  return value === 'none' ? undefined : value;
}

function words(value: string | undefined): readonly string[] {
  return value === undefined ? ['~/.ssh/known_hosts', '/etc/ssh/ssh_known_hosts'] : value.split(' ').filter(Boolean);
}

function expandHome(path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path;
}

/** As known_hosts names it: with the port where that is not 22 (sshd(8), `SSH_KNOWN_HOSTS FILE FORMAT`). */
export function knownName(address: string, port: number): string {
  return port === 22 ? address : `[${address}]:${port}`;
}

/** `ssh://ops@web3:2222` → `web3` */
function bareName(name: string): string {
  return name
    .replace(/^ssh:\/\//, '')
    .replace(/^[^@]*@/, '')
    .replace(/(:\d+)?\/?$/, '');
}
