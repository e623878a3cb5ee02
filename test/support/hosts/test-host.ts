import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Release, rootFilesystem } from './root-filesystem.ts';

const run = promisify(execFile);

export interface HostOptions {
  readonly name: string;
  readonly release: Release;
  /** A directory as `TestHost.changes` of another host of that release, which has ended: this one begins with what that was. */
  readonly changes?: string;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A Debian host of its own on this machine: network, process numbers, mounts, host name and sshd; the user `ops` logs in
 * with a key made for it and may sudo without a password. No systemd. Needs root.
 */
export interface TestHost {
  readonly name: string;
  readonly address: string;
  /** `TYPE BASE64` */
  readonly hostKey: string;
  readonly identityFile: string;
  /** The host's / as this machine sees it. */
  readonly root: string;
  /** What it has otherwise than its release, as overlayfs keeps it. */
  readonly changes: string;
  /** Its init as this machine numbers it. */
  readonly initPid: number;
  /** Names its end of the cable here: `ip link set … down` silences the host. */
  readonly link: string;
  /** Runs a shell command as root inside the host. */
  run(command: string): Promise<Ran>;
  /** Ends the host and everything that runs in it; nothing is left. */
  stop(): Promise<void>;
}

export async function startHost({ name, release, changes }: HostOptions): Promise<TestHost> {
  const bare = await rootFilesystem(release);
  const base = changes === undefined ? bare : `${changes}:${bare}`;
  const folder = await mkdtemp(join(tmpdir(), 'hangar-host-'));
  const undo: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const each of undo.splice(0).toReversed()) await each().catch(() => undefined);
    running.delete(stop);
  };
  running.add(stop);
  try {
    const root = await mountOverlay(base, folder, undo);
    const identity = await installKeys(root, folder);
    const network = await connectNetwork(undo);
    const child = await boot(name, root, network.namespace, undo);
    await listening(network.address);
    return {
      name,
      address: network.address,
      ...identity,
      root,
      changes: join(folder, 'disk', 'upper'),
      initPid: child,
      link: network.link,
      run: command => runInside(child, command),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Hosts that a worker leaves behind are ended with it. */
const running = new Set<() => Promise<void>>();
process.once('beforeExit', () => void Promise.all([...running].map(stop => stop())));

type Undo = (() => Promise<unknown>)[];

/** What the host writes goes to memory; its root filesystem stays as it is. */
async function mountOverlay(base: string, folder: string, undo: Undo): Promise<string> {
  const disk = join(folder, 'disk');
  const root = join(folder, 'root');
  await Promise.all([mkdir(disk), mkdir(root)]);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=3g,mode=755', 'tmpfs', disk]);
  undo.push(() => run('umount', ['-l', disk]));
  await Promise.all([mkdir(join(disk, 'upper')), mkdir(join(disk, 'work'))]);
  const layers = `lowerdir=${base},upperdir=${join(disk, 'upper')},workdir=${join(disk, 'work')}`;
  await run('mount', ['-t', 'overlay', '-o', layers, 'overlay', root]);
  undo.push(() => run('umount', ['-l', root]));
  return root;
}

async function installKeys(root: string, folder: string): Promise<Pick<TestHost, 'hostKey' | 'identityFile'>> {
  const identityFile = join(folder, 'id_ed25519');
  const hostKeyFile = join(root, 'etc/ssh/ssh_host_ed25519_key');
  await rm(hostKeyFile, { force: true });
  for (const file of [identityFile, hostKeyFile])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file]);
  const home = join(root, 'home/ops/.ssh');
  await mkdir(home, { recursive: true, mode: 0o700 });
  await copyFile(`${identityFile}.pub`, join(home, 'authorized_keys'));
  await run('chroot', [root, 'chown', '-R', 'ops:ops', '/home/ops']);
  await writeFile(
    join(root, 'etc/ssh/sshd_config'),
    [
      'HostKey /etc/ssh/ssh_host_ed25519_key',
      'UsePAM no',
      'UseDNS no',
      'PasswordAuthentication no',
      'MaxStartups 100',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  const [type, base64] = (await readFile(`${hostKeyFile}.pub`, 'utf8')).split(' ');
  return { hostKey: `${type} ${base64}`, identityFile };
}

interface Network {
  readonly namespace: string;
  readonly address: string;
  readonly link: string;
}

/** A cable of its own for each host: 10.77.N.1 here, 10.77.N.3 there, N the first that nobody has. */
async function connectNetwork(undo: Undo): Promise<Network> {
  for (let number = 0; number < 255; number++) {
    const namespace = `hangar${number}`;
    const taken = await run('ip', ['netns', 'add', namespace]).then(
      () => false,
      () => true,
    );
    if (taken) continue;
    undo.push(() => run('ip', ['netns', 'delete', namespace]));
    const [link, inside] = [`hangar${number}`, 'eth0'];
    await run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', inside, 'netns', namespace]);
    undo.push(() => run('ip', ['link', 'delete', link]));
    await run('ip', ['address', 'add', `10.77.${number}.1/24`, 'dev', link]);
    await run('ip', ['link', 'set', link, 'up']);
    const address = `10.77.${number}.3`;
    await run('ip', ['-n', namespace, 'address', 'add', `${address}/24`, 'dev', inside]);
    await run('ip', ['-n', namespace, 'link', 'set', inside, 'up']);
    await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
    await run('ip', ['-n', namespace, 'route', 'add', 'default', 'via', `10.77.${number}.1`]);
    return { namespace, address, link };
  }
  throw new Error('no free network for a test host: end those that are left over (ip netns list)');
}

/** Init is a shell: it adopts and reaps what services leave behind. */
const init = `
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -p /run/sshd /run/lock
hostname "$1"
printf '127.0.0.1 localhost %s\\n' "$1" >/etc/hosts
/usr/sbin/sshd -D -e &
while :; do wait "$!"; sleep 1; done
`;

async function boot(name: string, root: string, namespace: string, undo: Undo): Promise<number> {
  const args = ['netns', 'exec', namespace, 'unshare', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child'];
  const child = spawn('ip', [...args, 'chroot', root, '/bin/sh', '-c', init, 'init', name], { stdio: 'ignore' });
  undo.push(() => ended(child));
  for (let tries = 0; tries < 200; tries++) {
    const [pid] = childrenOf(child.pid ?? 0);
    if (pid !== undefined) return pid;
    await pause(20);
  }
  throw new Error(`host ${name} did not start`);
}

function childrenOf(pid: number): readonly number[] {
  try {
    const text = execFileSync('cat', [`/proc/${pid}/task/${pid}/children`], { encoding: 'utf8' });
    return text.trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>(resolve => child.once('exit', () => resolve()));
  child.kill('SIGKILL');
  await gone;
  // The namespace's processes go a moment after its init.
  await pause(100);
}

async function listening(address: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const answered = await new Promise<boolean>(resolve => {
      const socket = createConnection({ host: address, port: 22 });
      socket.setTimeout(500, () => socket.destroy(new Error('silent')));
      socket.once('data', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (answered) return;
    await pause(50);
  }
  throw new Error(`sshd at ${address} does not answer`);
}

async function runInside(pid: number, command: string): Promise<Ran> {
  const inside = ['-t', String(pid), '-m', '-u', '-i', '-n', '-p', '-r', '-w', '--', 'sh', '-c', command];
  return new Promise(resolve => {
    execFile('nsenter', inside, { maxBuffer: 64 * 1024 * 1024, timeout: 120_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
      resolve({ code, stdout, stderr });
    });
  });
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds));
}
