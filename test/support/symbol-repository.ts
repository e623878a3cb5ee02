import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { buildSymbolPackages, type SymbolPackages } from './symbol-packages.ts';

const run = promisify(execFile);

export interface SymbolRepositoryOptions {
  /** To listen at: loopback, or this machine's end of a test host's cable. */
  readonly address: string;
  /** Until the key expires, from now; default never. */
  readonly expiresDays?: number;
  /** As Ubuntu's symbol archive has them: `CODENAME`, `CODENAME-updates`; default one, `bullseye`. */
  readonly suites?: readonly string[];
}

/** A signed apt repository of debug symbol packages, in the layout of Ubuntu's `ddebs`: `deb URL SUITE main`. */
export interface SymbolRepository {
  readonly url: string;
  /** The first one. */
  readonly suite: string;
  /** The public key, for `signed-by` (sources.list(5)). */
  readonly keyArmoured: string;
  /** 40 hex digits, upper case. */
  readonly fingerprint: string;
  readonly packages: SymbolPackages;
  /** Paths that were asked for. */
  readonly requests: readonly string[];
  /** Nobody listens at its address any more, until `open`. */
  close(): Promise<void>;
  /** Listens again, at the address of before. */
  open(): Promise<void>;
  /** The server ends; nothing is left. May be called again. */
  stop(): Promise<void>;
}

export async function startSymbolRepository(options: SymbolRepositoryOptions): Promise<SymbolRepository> {
  const { address, expiresDays, suites = ['bullseye'] } = options;
  const folder = await mkdtemp(join(tmpdir(), 'hangar-symbols-'));
  const undo: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const each of undo.splice(0).toReversed()) await each();
  };
  try {
    const packages = await buildSymbolPackages(folder);
    const key = await makeKey(join(folder, 'gnupg'), expiresDays);
    undo.push(() => key.end());
    const archive = join(folder, 'archive');
    for (const suite of suites) await publish(archive, suite, packages, key);
    const requests: string[] = [];
    let server = await serve(archive, { host: address, port: 0 }, requests);
    undo.push(() => closed(server));
    const { keyArmoured, fingerprint } = key;
    const at = addressOf(server);
    return {
      url: `http://${at.address}:${at.port}`,
      suite: suites[0] ?? '',
      keyArmoured,
      fingerprint,
      packages,
      requests,
      close: () => closed(server),
      async open() {
        server = await serve(archive, { host: at.address, port: at.port }, requests);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface SigningKey {
  readonly keyArmoured: string;
  readonly fingerprint: string;
  /** Signs a file: gpg(1) `--clearsign` or `--detach-sign`. */
  sign(how: 'clearsign' | 'detach-sign', path: string, signature: string): Promise<void>;
  /** Ends the agent that gpg started. */
  end(): Promise<void>;
}

async function makeKey(home: string, expiresDays: number | undefined): Promise<SigningKey> {
  await mkdir(home, { mode: 0o700 });
  const gpg = async (...args: readonly string[]): Promise<string> => {
    const fixed = ['--homedir', home, '--batch', '--quiet', '--yes', '--armor'];
    return (await run('gpg', [...fixed, ...args])).stdout;
  };
  const expiry = expiresDays === undefined ? 'never' : `${expiresDays}d`;
  const owner = 'Shop debug symbols <symbols@shop.example>';
  await gpg('--passphrase', '', '--quick-generate-key', owner, 'ed25519', 'sign', expiry);
  const listed = await gpg('--with-colons', '--list-keys');
  return {
    keyArmoured: await gpg('--export'),
    fingerprint: /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? '',
    sign: async (how, path, signature) => void (await gpg('--output', signature, `--${how}`, path)),
    end: async () => void (await run('gpgconf', ['--homedir', home, '--kill', 'all'])),
  };
}

/** Writes `dists/SUITE` and the pool of one suite. */
async function publish(archive: string, suite: string, packages: SymbolPackages, key: SigningKey): Promise<void> {
  const { architecture } = packages;
  const pool = 'pool/main/libs';
  const dist = join(archive, 'dists', suite);
  const folder = `main/binary-${architecture}`;
  await Promise.all([join(archive, pool), join(dist, folder)].map(each => mkdir(each, { recursive: true })));
  await copyFile(packages.symbols, join(archive, pool, basename(packages.symbols)));
  const index = await packagesIndex(packages.symbols, `${pool}/${basename(packages.symbols)}`);
  const files = [
    [`${folder}/Packages`, Buffer.from(index)],
    [`${folder}/Packages.gz`, gzipSync(index)],
  ] as const;
  for (const [name, content] of files) await writeFile(join(dist, name), content);
  const release = join(dist, 'Release');
  await writeFile(release, releaseFile(suite, architecture, files));
  await key.sign('clearsign', release, join(dist, 'InRelease'));
  await key.sign('detach-sign', release, join(dist, 'Release.gpg'));
}

/** One stanza of Packages: the control file, and where the package is (deb-src-control(5), Debian repository format). */
async function packagesIndex(path: string, filename: string): Promise<string> {
  const control = (await run('dpkg-deb', ['--field', path])).stdout.trimEnd();
  const content = await readFile(path);
  return `${control}\nFilename: ${filename}\nSize: ${content.length}\nSHA256: ${sha256(content)}\n\n`;
}

function releaseFile(suite: string, architecture: string, files: readonly (readonly [string, Buffer])[]): string {
  return [
    'Origin: Shop',
    'Label: Shop debug symbols',
    `Suite: ${suite}`,
    `Codename: ${suite}`,
    `Date: ${new Date().toUTCString().replace('GMT', 'UTC')}`,
    `Architectures: ${architecture}`,
    'Components: main',
    'SHA256:',
    ...files.map(([name, content]) => ` ${sha256(content)} ${content.length} ${name}`),
    '',
  ].join('\n');
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

async function serve(archive: string, at: ListenOptions, requests: string[]): Promise<Server> {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://shop.example').pathname));
    requests.push(path);
    readFile(join(archive, path)).then(
      content => response.writeHead(200, { 'Content-Length': content.length }).end(content),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, resolve);
  });
  return server;
}

function addressOf(server: Server): AddressInfo {
  const at = server.address();
  if (at === null || typeof at === 'string') throw new Error('the symbol repository does not listen');
  return at;
}

async function closed(server: Server): Promise<void> {
  const gone = new Promise<void>(resolve => server.close(() => resolve()));
  server.closeAllConnections();
  await gone;
}
