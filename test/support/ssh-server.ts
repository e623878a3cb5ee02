import { type ChildProcess, spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import type { AuthContext, Connection, ServerChannel } from 'ssh2';
import ssh2 from 'ssh2';

export interface SshServer {
  readonly port: number;
  /** `TYPE BASE64` */
  readonly hostKey: string;
  /** Private key that it lets in, OpenSSH format. */
  readonly identity: string;
  /** Ends connections and every process that was started through them. */
  close(): Promise<void>;
}

/** An SSH server on loopback with keys of its own; who has the key runs commands as the user of this process. */
export async function startSshServer(): Promise<SshServer> {
  const [host, client] = [ssh2.utils.generateKeyPairSync('ed25519'), ssh2.utils.generateKeyPairSync('ed25519')];
  const [connections, children] = [new Set<Connection>(), new Set<ChildProcess>()];
  const server = new ssh2.Server({ hostKeys: [host.private] }, connection => {
    connections.add(connection);
    connection.on('error', () => undefined);
    connection.on('close', () => connections.delete(connection));
    connection.on('authentication', context => authenticate(context, client.public));
    connection.on('ready', () =>
      connection.on('session', accept => {
        const session = accept();
        session.on('exec', (acceptExec, _reject, { command }) => execute(command, acceptExec(), children));
      }),
    );
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: portOf(server.address()),
    hostKey: host.public.split(' ').slice(0, 2).join(' '),
    identity: client.private,
    async close() {
      for (const child of children) killGroup(child);
      for (const connection of connections) connection.end();
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      // A client that is gone without a word keeps its connection here for as long as TCP likes.
      await Promise.race([closed, new Promise(resolve => setTimeout(resolve, 1000).unref())]);
    },
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

function authenticate(context: AuthContext, publicKey: string): void {
  const known = ssh2.utils.parseKey(publicKey);
  if (context.method !== 'publickey' || known instanceof Error) return context.reject(['publickey']);
  if (!context.key.data.equals(known.getPublicSSH())) return context.reject();
  // Without a signature the client only asks whether the key would do.
  if (context.signature === undefined || context.blob === undefined) return context.accept();
  // It may also be an error, whatever its type says.
  const isSigned: unknown = known.verify(context.blob, context.signature, context.hashAlgo);
  return isSigned === true ? context.accept() : context.reject();
}

function execute(command: string, channel: ServerChannel, children: Set<ChildProcess>): void {
  const child = spawn('/bin/sh', ['-c', command], { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  children.add(child);
  channel.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.on('close', (code, signal) => {
    children.delete(child);
    if (signal === null) channel.exit(code ?? 255);
    else channel.exit(signal.replace(/^SIG/, ''));
    channel.end();
  });
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
