import type { Duplex } from 'node:stream';
import { Client } from 'ssh2';

/** What the stand-in honours of a connection; as the real provider it verifies no key that it was not given. */
export interface Connection {
  readonly host: string;
  readonly port?: number;
  readonly user?: string;
  readonly hostKey?: string;
  readonly agentSocketPath?: string;
  readonly dialErrorLimit?: number;
  readonly proxy?: Omit<Connection, 'proxy'>;
}

export interface Executed {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command, as the real provider does: without any limit of time. @throws Error when the dials are spent */
export async function execute(connection: Connection, command: string, stdin: string): Promise<Executed> {
  const jump = connection.proxy && (await dial(connection.proxy));
  try {
    const socket = jump && (await forward(jump, connection));
    const client = await dial(connection, socket);
    try {
      return await runCommand(client, command, stdin);
    } finally {
      client.end();
    }
  } finally {
    jump?.end();
  }
}

async function dial(connection: Connection, socket?: Duplex): Promise<Client> {
  const limit = connection.dialErrorLimit ?? 10;
  for (let tries = 1; ; tries++) {
    try {
      return await connect(connection, socket);
    } catch (error) {
      if (tries >= limit || socket !== undefined)
        throw new Error(`after ${tries} failed attempts: ${String(error)}`, { cause: error });
      await new Promise(resolve => setTimeout(resolve, 100 * tries));
    }
  }
}

function connect(
  { host, port = 22, user = 'root', hostKey, agentSocketPath }: Connection,
  sock?: Duplex,
): Promise<Client> {
  const expected = hostKey?.split(' ')[1];
  return new Promise((resolve, reject) => {
    const client = new Client();
    client.once('ready', () => resolve(client));
    client.on('error', reject);
    client.connect({
      host,
      port,
      username: user,
      readyTimeout: 15_000,
      ...(sock && { sock }),
      ...(agentSocketPath !== undefined && { agent: agentSocketPath }),
      ...(hostKey !== undefined && { hostVerifier: (key: Buffer) => key.toString('base64') === expected }),
    });
  });
}

function forward(jump: Client, { host, port = 22 }: Connection): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    jump.forwardOut('127.0.0.1', 0, host, port, (error, channel) => (error ? reject(error) : resolve(channel)));
  });
}

function runCommand(client: Client, command: string, stdin: string): Promise<Executed> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) return reject(error);
      const output = { stdout: '', stderr: '' };
      let exit = -1;
      channel.on('data', (chunk: Buffer) => (output.stdout += chunk.toString('utf8')));
      channel.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString('utf8')));
      channel.on('exit', (code: number | null) => (exit = code ?? -1));
      channel.on('close', () => resolve({ exit, ...output }));
      channel.end(stdin);
    });
  });
}
