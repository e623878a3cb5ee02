import { createHash, sign } from 'node:crypto';
import { rmSync } from 'node:fs';
import { lstat, mkdir, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type BaseAgent, type ParsedKey, type PublicKeyEntry, type SigningRequestOptions } from 'ssh2';
import { HangarError } from '../src/errors.ts';
import type { Host } from '../src/fleet/host.ts';
import { clientSettings } from '../src/ssh/client-settings.ts';
import { loginMethods } from '../src/ssh/login-methods.ts';

/**
 * ssh-agents in this process, so that no key has to lie in the stack's state. Each host has its own, because a server
 * ends a login after a few keys that it does not know.
 */
export interface Agents {
  /** Where the agent of a host is found: the same path in each run, so that it is no change. */
  socketFor(host: Host): string;
  /**
   * Serves all hosts that a socket was asked for until this process ends, which it does not keep from ending. Offered is
   * what our own SSH would log in with: key files without a passphrase, and what the user's agent has. Keys are read
   * when they are asked for, and kept nowhere.
   * @throws HangarError `AGENT_FOLDER_UNSAFE`
   */
  serve(): Promise<void>;
}

/** `stack` tells it from others of the same user on this machine, which may be at work at the same time. */
export function agentsOf(stack: string): Agents {
  const hosts = new Map<string, Host>();
  return {
    socketFor(host) {
      // sun_path holds 107 characters (unix(7)).
      const path = join(agentFolder(), `${hash(`${stack} ${host.name}`)}.sock`);
      hosts.set(path, host);
      return path;
    },
    async serve() {
      await makePrivate(agentFolder());
      await Promise.all([...hosts].map(([path, host]) => serve(host, path)));
    },
  };
}

function agentFolder(): string {
  const base = process.env['XDG_RUNTIME_DIR'] || tmpdir();
  return join(base, `hangar-agent-${process.getuid?.() ?? 0}`);
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 20);
}

/** Whoever can connect there can log in as us: the folder must be ours alone. */
async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700, recursive: true });
  const { uid, mode } = await lstat(folder);
  const isOurs = uid === process.getuid?.() && (mode & 0o170_777) === 0o040_700;
  if (isOurs) return;
  throw new HangarError({
    code: 'AGENT_FOLDER_UNSAFE',
    message: `"${folder}" is not a directory of yours with mode 0700, and keys would be offered there`,
    fix: `see whose it is, and remove it: ls -ld ${folder}`,
    failure: 'usage',
  });
}

/** By path: a program that runs again in the same process takes the place of its former run. */
const servers = new Map<string, Server>();
process.once('exit', () => {
  for (const path of servers.keys()) rmSync(path, { force: true });
});

async function serve(host: Host, path: string): Promise<void> {
  servers.get(path)?.close();
  // Left over by a process that was killed.
  await rm(path, { force: true });
  const server = createServer(socket => answer(host, socket));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  server.unref();
  servers.set(path, server);
}

function answer(host: Host, socket: Socket): void {
  socket.unref();
  // The provider keeps its connection until it ends, and then breaks it.
  socket.on('error', () => undefined);
  const protocol = new ssh2.AgentProtocol(false);
  protocol.on('error', () => socket.destroy());
  protocol.on('identities', request => {
    identitiesOf(host).then(
      keys =>
        protocol.getIdentitiesReply(
          request,
          keys.map(({ key }) => key),
        ),
      () => protocol.failureReply(request),
    );
  });
  protocol.on('sign', (request, wanted, data, options) => {
    void signed(host, wanted, data, options).then(signature =>
      signature === undefined ? protocol.failureReply(request) : protocol.signReply(request, signature),
    );
  });
  socket.pipe(protocol).pipe(socket);
}

interface Identity {
  readonly key: ParsedKey;
  /** Absent: the key itself can sign. */
  readonly agent?: BaseAgent;
}

async function identitiesOf(host: Host): Promise<readonly Identity[]> {
  const { methods } = await loginMethods(host, await clientSettings(host));
  const found = await Promise.all(
    methods.map(async method =>
      method.type === 'agent' ? await identitiesOfAgent(method.agent) : identitiesOfKey(method.key),
    ),
  );
  return found.flat();
}

function identitiesOfAgent(given: BaseAgent | string): Promise<readonly Identity[]> {
  const agent = typeof given === 'string' ? ssh2.createAgent(given) : given;
  return new Promise(resolve => {
    agent.getIdentities((error, keys) => {
      const parsed = error ? [] : (keys ?? []).flatMap(key => parseKey(key));
      resolve(parsed.map(key => ({ key, agent })));
    });
  });
}

function identitiesOfKey(key: Parameters<typeof parseKey>[0]): readonly Identity[] {
  return parseKey(key).map(each => ({ key: each }));
}

function parseKey(given: string | Buffer | ParsedKey | PublicKeyEntry): readonly ParsedKey[] {
  const inner = typeof given === 'object' && 'pubKey' in given ? given.pubKey : given;
  const key = typeof inner === 'object' && 'pubKey' in inner ? inner.pubKey : inner;
  const parsed = ssh2.utils.parseKey(key);
  return parsed instanceof Error ? [] : [parsed].flat();
}

async function signed(
  host: Host,
  wanted: ParsedKey,
  data: Buffer,
  options: SigningRequestOptions,
): Promise<Buffer | undefined> {
  try {
    const blob = wanted.getPublicSSH();
    const found = (await identitiesOf(host)).find(({ key }) => key.getPublicSSH().equals(blob));
    if (found === undefined) return undefined;
    return found.agent === undefined ? signHere(found.key, data, options) : await signThere(found, data, options);
  } catch {
    return undefined;
  }
}

/** The hash counts for RSA alone (RFC 8332). */
function signHere(key: ParsedKey, data: Buffer, { hash: algorithm }: SigningRequestOptions): Buffer | undefined {
  if (key.type.startsWith('ecdsa-')) return signEcdsa(key, data);
  const signature: Buffer | Error = key.type === 'ssh-rsa' && algorithm ? key.sign(data, algorithm) : key.sign(data);
  return signature instanceof Error ? undefined : signature;
}

/** ssh2 signs in DER; SSH has r and s as mpints (RFC 5656, 3.1.2). */
function signEcdsa(key: ParsedKey, data: Buffer): Buffer {
  const algorithm = { 256: 'sha256', 384: 'sha384', 521: 'sha512' }[key.type.slice(-3)];
  const both = sign(algorithm, data, { key: key.getPrivatePEM(), dsaEncoding: 'ieee-p1363' });
  const half = both.length / 2;
  return Buffer.concat([mpint(both.subarray(0, half)), mpint(both.subarray(half))]);
}

/** A positive integer, without zeros in front but where its first bit would be a sign (RFC 4251, 5). */
function mpint(number: Buffer): Buffer {
  const first = number.findIndex(byte => byte !== 0);
  const digits = number.subarray(first);
  const body = (digits[0] ?? 0) > 127 ? Buffer.concat([Buffer.of(0), digits]) : digits;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

function signThere(
  { key, agent }: Identity,
  data: Buffer,
  options: SigningRequestOptions,
): Promise<Buffer | undefined> {
  return new Promise(resolve =>
    agent?.sign(key, data, options, (error, signature) => resolve(error ? undefined : signature)),
  );
}
