import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Host } from '../../src/fleet/host.ts';

export interface Sshd {
  /** How to reach it, with its key and ours. */
  readonly host: Host;
  readonly folder: string;
  /** Ends the processes that serve connections, as a crash of the host would: the connections close. */
  dropConnections(): void;
  stop(): Promise<void>;
}

/** A real OpenSSH server on loopback, with keys made for it; it lets this user in. `more`: sshd_config(5). */
export async function startSshd(name = 'loopback', more: Readonly<Record<string, string>> = {}): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), 'hangar-sshd-'));
  const [hostKey, identityFile] = [join(folder, 'host'), join(folder, 'id')];
  for (const file of [hostKey, identityFile]) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  const port = await freePort();
  const settings = {
    ListenAddress: `127.0.0.1:${port}`,
    HostKey: hostKey,
    AuthorizedKeysFile: `${identityFile}.pub`,
    PidFile: 'none',
    UsePAM: 'no',
    StrictModes: 'no',
    PermitRootLogin: 'yes',
    ...more,
  };
  const config = join(folder, 'sshd_config');
  writeFileSync(
    config,
    Object.entries(settings)
      .map(([key, value]) => `${key} ${value}\n`)
      .join(''),
  );
  execFileSync('mkdir', ['-p', '/run/sshd']);
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: 'ignore' });
  await listening(port);
  const [type, base64] = readFileSync(`${hostKey}.pub`, 'utf8').split(' ');
  return {
    folder,
    host: {
      name,
      address: '127.0.0.1',
      port,
      user: userInfo().username,
      become: 'none',
      hostKey: `${type} ${base64}`,
      identityFile,
      labels: {},
      services: [],
    },
    dropConnections: () => {
      execFileSync('pkill', ['-KILL', '-P', String(child.pid)]);
    },
    async stop() {
      const gone = new Promise(resolve => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const isThere = await new Promise<boolean>(resolve => {
      const socket = createConnection({ host: '127.0.0.1', port });
      socket.once('data', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (isThere) return;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error('sshd does not answer');
}
