import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { AgentAuthMethod, PublicKeyAuthMethod } from 'ssh2';
import { HangarError, messageOf } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import type { ClientSettings } from './client-settings.ts';

/** What we can log in with, in the order in which it is tried. */
export interface LoginMethods {
  readonly methods: readonly (AgentAuthMethod | PublicKeyAuthMethod)[];
  /** The same for people, and what could not be used. */
  readonly tried: readonly string[];
}

/**
 * A key that was named first, then the agent, then the usual keys (ssh_config(5), IdentityFile).
 * @throws HangarError `IDENTITY_UNREADABLE` for a key of the fleet file
 */
export async function loginMethods(host: Host, settings: ClientSettings): Promise<LoginMethods> {
  const { user: username, agent, identityFiles, identitiesOnly, isIdentityNamed } = settings;
  const keys = identityFiles.map((path, at) => readKey(path, username, isIdentityNamed && at === 0, host));
  const usable = keys.flatMap(({ method }) => (method ? [method] : []));
  const told = keys.flatMap(({ what }) => (what === undefined ? [] : [what]));
  const hasAgent = agent !== undefined && (await listens(agent));
  if (!hasAgent || agent === undefined || (identitiesOnly && usable.length > 0))
    return {
      methods: usable,
      tried: [...told, ...(agent === undefined || hasAgent ? [] : ['no agent answers at SSH_AUTH_SOCK'])],
    };
  return { methods: [{ type: 'agent', username, agent }, ...usable], tried: ['the agent', ...told] };
}

interface KeyFile {
  readonly method?: PublicKeyAuthMethod;
  readonly what?: string;
}

function readKey(path: string, username: string, isNamed: boolean, host: Host): KeyFile {
  if (!isNamed && !existsSync(path)) return {};
  try {
    const key = readFileSync(path);
    if (isEncrypted(key.toString('latin1'))) return { what: `${path} (it has a passphrase: ssh-add ${path})` };
    return { method: { type: 'publickey', username, key }, what: path };
  } catch (cause) {
    if (!isNamed) return { what: `${path} (${messageOf(cause)})` };
    throw new HangarError({
      code: 'IDENTITY_UNREADABLE',
      message: `the private key "${path}" of "${host.name}" cannot be read`,
      fix: 'name a key that you may read (fleet file: identityFile), or leave it out and use the agent',
      failure: 'unreachable',
      cause,
    });
  }
}

/** PEM says so in a header; openssh-key-v1 names its cipher behind the magic (OpenSSH, PROTOCOL.key). */
function isEncrypted(text: string): boolean {
  if (/ENCRYPTED/.test(text)) return true;
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END/.exec(text)?.[1];
  if (body === undefined) return false;
  const key = Buffer.from(body, 'base64');
  const at = 'openssh-key-v1\0'.length;
  return key.length > at + 4 && key.toString('latin1', at + 4, at + 4 + key.readUInt32BE(at)) !== 'none';
}

/** A socket that nobody listens at any more would end the login before a key file is tried. */
function listens(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path);
    const done = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, done(false));
    socket.once('connect', done(true)).once('error', done(false));
  });
}
