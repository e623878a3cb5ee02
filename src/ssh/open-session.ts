import type { Readable } from 'node:stream';
import { NodeSSH } from 'node-ssh';
import type { Client } from 'ssh2';
import { HangarError, messageOf } from '../errors.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Host } from '../fleet/host.ts';
import { type ClientSettings, clientSettings } from './client-settings.ts';
import { hostKeyAlgorithms, knownKeys, refuse } from './host-keys.ts';
import { type LoginMethods, loginMethods } from './login-methods.ts';
import { NodeSshSession } from './node-ssh-session.ts';
import type { SshSession } from './session.ts';

export interface OpenOptions {
  /** Explains jump hosts by name. */
  readonly fleet?: Fleet;
  readonly signal?: AbortSignal;
}

/**
 * Logs in to a host. Its key is always verified; nothing is ever asked of a person.
 * @throws HangarError `UNREACHABLE`, `HOST_KEY_MISMATCH`, `HOST_KEY_UNKNOWN`, `LOGIN_REFUSED`, `IDENTITY_UNREADABLE`,
 * `PROXY_COMMAND_UNSUPPORTED`, `JUMP_LOOP`, or the signal's reason
 */
export async function openSession(host: Host, options: OpenOptions = {}): Promise<SshSession> {
  return open(host, options, []);
}

const connectSeconds = 10;

async function open(host: Host, options: OpenOptions, via: readonly string[]): Promise<NodeSshSession> {
  options.signal?.throwIfAborted();
  const settings = await clientSettings(host);
  if (settings.jump === undefined && settings.hasProxyCommand) throw proxyCommand(host);
  const jump = settings.jump === undefined ? undefined : await openJump(settings.jump, host, options, via);
  try {
    const sock = jump && (await jump.forward(settings.address, settings.port));
    const client = await connect(host, settings, sock, options.signal);
    return new NodeSshSession(host, client, jump);
  } catch (error) {
    await jump?.close();
    throw error;
  }
}

/** The last of a list of jump hosts leads to the host; those before it lead to that one. */
async function openJump(
  text: string,
  host: Host,
  options: OpenOptions,
  via: readonly string[],
): Promise<NodeSshSession> {
  const hops = text.split(',').map(hop => hop.trim());
  const [last = '', before] = [hops.at(-1), hops.slice(0, -1).join(',')];
  if (via.includes(last) || via.length > 8) throw jumpLoop(host, [...via, last]);
  const known = options.fleet?.hosts.get(last) ?? { name: last, become: 'none', labels: {}, services: [] };
  return open(before === '' ? known : { ...known, jump: before }, options, [...via, last]);
}

async function connect(
  host: Host,
  settings: ClientSettings,
  sock: Readable | undefined,
  signal: AbortSignal | undefined,
): Promise<Client> {
  const known = await knownKeys(host, settings);
  const login = await loginMethods(host, settings);
  const algorithms = hostKeyAlgorithms(known);
  let refused: HangarError | undefined;
  const ssh = new NodeSSH();
  const opening = ssh.connect({
    host: settings.address,
    port: settings.port,
    username: settings.user,
    ...(sock && { sock }),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- ssh2's types list the algorithms as literals
    ...(algorithms && { algorithms: { serverHostKey: algorithms as never } }),
    authHandler: [...login.methods],
    hostVerifier: (key: Buffer) => {
      refused = refuse(key, known, host, settings);
      return refused === undefined;
    },
    readyTimeout: connectSeconds * 1000,
    // A silent connection is lost after three unanswered questions.
    keepaliveInterval: 15_000,
    keepaliveCountMax: 3,
  });
  const client = ssh.connection;
  // Else each small packet of a command waits for the answer to the one before it (tcp(7), Nagle's algorithm): 40 ms.
  client?.setNoDelay(true);
  // node-ssh takes its listener away once connected; without one a lost connection ends the process.
  client?.on('error', () => undefined);
  const abort = (): void => void client?.destroy();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await opening;
    if (!client) throw new Error('the connection closed at once');
    signal?.throwIfAborted();
    return client;
  } catch (cause) {
    client?.destroy();
    signal?.throwIfAborted();
    throw refused ?? explain(cause, host, settings, login);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function explain(cause: unknown, host: Host, settings: ClientSettings, { tried }: LoginMethods): HangarError {
  if (cause instanceof HangarError) return cause;
  const { name } = host;
  const { user, address, port } = settings;
  const level = cause instanceof Error && 'level' in cause ? cause.level : undefined;
  if (level === 'client-authentication')
    return new HangarError({
      code: 'LOGIN_REFUSED',
      message: `"${name}" does not let ${user} in; tried ${tried.join(', ') || 'nothing, for there is no key'}`,
      fix: `see that this works without a question: ssh -o BatchMode=yes -p ${port} ${user}@${address} true`,
      failure: 'unreachable',
      cause,
    });
  if (/no matching host key/i.test(messageOf(cause)))
    return new HangarError({
      code: 'HOST_KEY_MISMATCH',
      message: `"${name}" has no host key of the type that is known`,
      fix: `compare the keys: ssh-keyscan -p ${port} ${address}`,
      failure: 'unreachable',
      cause,
    });
  return new HangarError({
    code: 'UNREACHABLE',
    message: `"${name}" cannot be reached at ${address} port ${port}: ${reason(cause)}`,
    fix: `see whether it is up and its sshd answers: ssh -o ConnectTimeout=${connectSeconds} -p ${port} ${user}@${address} true`,
    failure: 'unreachable',
    cause,
  });
}

function reason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  switch (code) {
    case 'ECONNREFUSED':
      return 'nobody listens there';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the name cannot be resolved';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no route to it';
    case 'ECONNRESET':
      return 'the connection was reset';
    case 'ETIMEDOUT':
      return 'no answer';
    default:
      return /timed out/i.test(messageOf(cause)) ? `no answer within ${connectSeconds} s` : messageOf(cause);
  }
}

function proxyCommand({ name }: Host): HangarError {
  return new HangarError({
    code: 'PROXY_COMMAND_UNSUPPORTED',
    message: `ssh_config has a ProxyCommand for "${name}", which is not supported`,
    fix: 'use ProxyJump there, or `jump` in the fleet file',
    failure: 'usage',
  });
}

function jumpLoop({ name }: Host, via: readonly string[]): HangarError {
  return new HangarError({
    code: 'JUMP_LOOP',
    message: `the jump hosts of "${name}" lead in a circle: ${via.join(' → ')}`,
    fix: 'mend `jump` in the fleet file, or ProxyJump in ssh_config',
    failure: 'usage',
  });
}
