import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { layouts } from '../../src/python/layouts/index.ts';
import { startSshServer } from '../support/ssh-server.ts';

/**
 * A hung Python service of this machine behind an SSH server on loopback, and the runbook that a user runs. Needs no
 * root; leaves nothing behind.
 */
const causes = ['busy', 'deadlock-stock', 'deadlock-cart', 'recv'];

async function demonstrate(): Promise<number> {
  const python = findPython();
  if (python === undefined) {
    say('There is no Python here that can be shown: install python3 (3.6 or later).');
    return 3;
  }
  if (!haveGdb()) return 3;
  const folder = mkdtempSync(join(tmpdir(), 'hangar-demo-'));
  const server = await startSshServer();
  const service = new Service(folder, python, await freePort());
  const leave = async (): Promise<void> => {
    await server.close();
    service.kill();
    rmSync(folder, { recursive: true, force: true });
    removeIfEmpty(process.getuid?.() === 0 ? '/var/tmp/hangar' : `/var/tmp/hangar-${process.getuid?.()}`);
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => void leave().then(() => process.exit(6)));
  try {
    say(
      `A shop on ${execFileSync(python, ['--version'], { encoding: 'utf8' }).trim()} starts, and hangs: a busy loop, a deadlock, a silent peer.`,
    );
    await service.start();
    await service.hang();
    writeFileSync(join(folder, 'id'), server.identity, { mode: 0o600 });
    writeFileSync(join(folder, 'fleet.yaml'), fleet(server.port, server.hostKey, service));
    say('$ runbook hang --host demo\n');
    return await runbook(folder);
  } finally {
    await leave();
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The first Python whose version the analysis knows. */
function findPython(): string | undefined {
  const candidates = ['python3', 'python3.13', 'python3.11', 'python3.9', 'python2.7'];
  return candidates.find(name => {
    try {
      const version = execFileSync(name, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], {
        encoding: 'utf8',
      });
      return layouts.some(({ minor }) => minor === version.trim());
    } catch {
      return false;
    }
  });
}

/** gdb is installed where we may; else the command that does it is printed. */
function haveGdb(): boolean {
  if (has('gdb')) return true;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) {
    say('gdb is missing. Install it, then run this again: sudo apt-get install -y gdb');
    return false;
  }
  say('gdb is missing: apt-get install -y gdb');
  execFileSync('sh', [
    '-c',
    'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gdb >/dev/null',
  ]);
  return has('gdb');
}

function has(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** The service and what restarts it: a script, as on a host. */
class Service {
  readonly port: number;
  readonly restart: string;
  readonly #folder: string;
  readonly #pidFile: string;

  constructor(folder: string, python: string, port: number) {
    this.port = port;
    this.#folder = folder;
    this.#pidFile = join(folder, 'pid');
    this.restart = join(folder, 'restart');
    const program = join(import.meta.dirname, 'service.py');
    writeFileSync(
      this.restart,
      `#!/bin/sh
[ ! -f ${this.#pidFile} ] || kill -KILL "$(cat ${this.#pidFile})"
SHOP_JOURNAL=${join(folder, 'arrived')} PYTHONDONTWRITEBYTECODE=1 setsid ${python} ${program} ${port} ${causes.length} >${join(folder, 'log')} 2>&1 </dev/null &
echo $! >${this.#pidFile}
`,
      { mode: 0o700 },
    );
  }

  async start(): Promise<void> {
    execFileSync(this.restart, { stdio: 'ignore' });
    await until(() => this.#answers('/health'));
  }

  /** One request for each cause: then no thread is left for anybody else. */
  async hang(): Promise<void> {
    for (const cause of causes)
      get({ port: this.port, path: `/${cause}`, agent: false })
        .on('error', () => undefined)
        .on('socket', socket => socket.unref());
    const journal = join(this.#folder, 'arrived');
    await until(async () => {
      const arrived = existsSync(journal) ? readFileSync(journal, 'utf8').split('\n') : [];
      return causes.every(cause => arrived.includes(cause));
    });
  }

  kill(): void {
    try {
      process.kill(Number(readFileSync(this.#pidFile, 'utf8')), 'SIGKILL');
    } catch {
      // It never started.
    }
  }

  #answers(path: string): Promise<boolean> {
    return new Promise(resolve => {
      get({ port: this.port, path, timeout: 1000 }, answer => {
        answer.resume();
        resolve(answer.statusCode === 200);
      }).on('error', () => resolve(false));
    });
  }
}

async function until(test: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await test()) return;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  throw new Error('the service did not get into the state that is to be shown');
}

function fleet(port: number, hostKey: string, { port: servicePort, restart }: Service): string {
  const service = {
    name: 'hangar-demo',
    match: `service.py ${servicePort}`,
    check: `http://127.0.0.1:${servicePort}/health`,
    restart,
  };
  const host = {
    address: '127.0.0.1',
    port,
    user: 'demo',
    become: 'none',
    hostKey,
    identityFile: 'id',
    services: [service],
  };
  return stringify({ version: 1, hosts: { demo: host } });
}

function runbook(folder: string): Promise<number> {
  const command = join(import.meta.dirname, '..', '..', 'bin', 'runbook');
  const args = ['--state', join(folder, 'state'), '--fleet', join(folder, 'fleet.yaml'), 'hang', '--host', 'demo'];
  const child: ChildProcess = spawn(command, args, {
    stdio: 'inherit',
    env: { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', code => resolve(code ?? 1));
  });
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It is not there, or holds what others put there.
  }
}

process.exit(await demonstrate());
