import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Debian releases whose Python a test wants: 11 has 2.7 and 3.9, 12 has 3.11, 13 has 3.13, sid has 3.14. A bare one has
 * nothing that a preparation brings: no gdb, no zstd, no symbols. Nobody logs in to sid: it is an interpreter's home.
 */
export type Release = 'bullseye' | 'bookworm' | 'trixie' | 'bullseye-bare' | 'bookworm-bare' | 'sid';

interface Recipe {
  readonly packages: readonly string[];
  /** Debian's name of the release; absent: the recipe's own. */
  readonly suite?: string;
  /** Builds mod_wsgi of that version for Python 2.7, which no release since 10 has as a package. */
  readonly modWsgi?: string;
  /** Options of apt besides the common ones. */
  readonly aptOptions?: readonly string[];
  /** Without a user to log in as. */
  readonly nobody?: boolean;
}

const common = [
  'openssh-server',
  'sudo',
  'gdb',
  'python3',
  'procps',
  'mount',
  'zstd',
  'iproute2',
  'curl',
  'ca-certificates',
];
/** For the release's own Python 3. */
const packagedModWsgi = ['apache2', 'libapache2-mod-wsgi-py3'];
const bare = ['openssh-server', 'sudo', 'procps', 'iproute2', 'mount', 'ca-certificates', 'apache2'];
const recipes: Readonly<Record<Release, Recipe>> = {
  bullseye: {
    packages: [
      ...common,
      'python2.7',
      'python2.7-dbg',
      'python2.7-dev',
      'apache2',
      'apache2-dev',
      'gcc',
      'make',
      'file',
    ],
    modWsgi: '4.9.4',
  },
  bookworm: { packages: [...common, ...packagedModWsgi] },
  trixie: { packages: [...common, ...packagedModWsgi] },
  'bullseye-bare': { suite: 'bullseye', packages: [...bare, 'python2.7'] },
  'bookworm-bare': { suite: 'bookworm', packages: [...bare, 'python3'] },
  sid: {
    // Its own gdb, for older ones leave out stacks that have a guard page of glibc 2.42 (madvise(2), MADV_GUARD_INSTALL).
    packages: ['python3.14', 'python3.14-dbg', 'gdb'],
    // A mirror may be a snapshot; only sid's index says until when it is valid.
    aptOptions: ['Acquire::Check-Valid-Until "false"'],
    nobody: true,
  },
};

/** Part of the cache's key: to be raised when what is done here changes. */
const edition = 1;

/**
 * The root filesystem of a release, read-only by agreement: built once into the user's cache (about three minutes for
 * bullseye), reused by later runs. Needs root.
 */
export async function rootFilesystem(release: Release): Promise<string> {
  const { cache, root } = placeOf(release);
  if (existsSync(root)) return root;
  await mkdir(cache, { recursive: true });
  // Two test workers may want the same one: flock(1) lets the second wait for the first.
  await withLock(join(cache, `${release}.lock`), async () => {
    if (!existsSync(root)) await build(release, root);
  });
  return root;
}

/** The root filesystem of a release, if an earlier run built it. */
export function builtRootFilesystem(release: Release): string | undefined {
  const { root } = placeOf(release);
  return existsSync(root) ? root : undefined;
}

function placeOf(release: Release): { readonly cache: string; readonly root: string } {
  const cache = testCache();
  const key = createHash('sha256')
    .update(JSON.stringify([edition, recipes[release]]))
    .digest('hex')
    .slice(0, 12);
  return { cache, root: join(cache, `${release}-${key}`) };
}

/** Folder of the user's cache in which tests keep what they build. */
export function testCache(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'hangar-test');
}

/** Acts while no other process that asks for the same lock file does (flock(1)). */
export async function withLock(path: string, act: () => Promise<void>): Promise<void> {
  const holder = execFile('flock', [path, 'sh', '-c', 'echo locked; read -r _']);
  await new Promise<void>((resolve, reject) => {
    holder.stdout?.once('data', () => resolve());
    holder.once('error', reject);
  });
  try {
    await act();
  } finally {
    holder.stdin?.end('\n');
  }
}

async function build(release: Release, root: string): Promise<void> {
  const { packages, modWsgi, suite = release, aptOptions = [], nobody = false } = recipes[release];
  const temporary = await mkdtemp(`${root}.part-`);
  try {
    await run(
      'mmdebstrap',
      [
        '--variant=apt',
        `--include=${packages.join(',')}`,
        ...['Acquire::Languages "none"', ...aptOptions].map(option => `--aptopt=${option}`),
        '--dpkgopt=path-exclude=/usr/share/doc/*',
        '--dpkgopt=path-exclude=/usr/share/man/*',
        suite,
        temporary,
        `deb ${await debianMirror()} ${suite} main`,
      ],
      { maxBuffer: 64 * 1024 * 1024 },
    );
    await chmod(temporary, 0o755);
    if (!nobody) await addUser(temporary);
    if (modWsgi !== undefined) await buildModWsgi(temporary, modWsgi);
    await rename(temporary, root);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** The mirror that this machine's own apt is set to, in either of its two forms (sources.list(5)). */
export async function debianMirror(): Promise<string> {
  const folder = '/etc/apt/sources.list.d';
  const names = existsSync(folder) ? (await readdir(folder)).map(name => join(folder, name)) : [];
  for (const path of ['/etc/apt/sources.list', ...names]) {
    const text = existsSync(path) ? await readFile(path, 'utf8') : '';
    const found = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(\S+\/debian\/?)(?:\s|$)/m.exec(text);
    if (found?.[1] !== undefined) return found[1];
  }
  throw new Error('no Debian mirror in /etc/apt/sources.list or sources.list.d');
}

async function addUser(root: string): Promise<void> {
  // No password, yet not locked: without PAM sshd lets nobody in whose account is locked.
  await run('chroot', [root, 'useradd', '-m', '-s', '/bin/bash', '-p', '*', 'ops']);
  await writeFile(join(root, 'etc/sudoers.d/ops'), 'ops ALL=(ALL:ALL) NOPASSWD: ALL\n', { mode: 0o440 });
}

/** The sdist is fetched here, by this machine's pip, and compiled inside the root. */
async function buildModWsgi(root: string, version: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'mod-wsgi-'));
  try {
    const venv = join(work, 'venv');
    await run('python3', ['-m', 'venv', venv]);
    const pip = join(venv, 'bin', 'pip');
    await run(pip, ['install', '-q', 'setuptools==65.5.0', 'wheel']);
    // pip asks the sdist for its metadata, and that asks Apache: any answer will do.
    await writeFile(
      join(venv, 'bin', 'apxs'),
      '#!/bin/sh\ncase "$*" in *CONFIG*) echo /bin/true ;; *) echo /usr ;; esac\n',
      { mode: 0o755 },
    );
    await run(
      pip,
      ['download', '-q', '--no-deps', '--no-build-isolation', '--no-binary', ':all:', `mod_wsgi==${version}`],
      { cwd: work, env: { ...process.env, PATH: `${join(venv, 'bin')}:${process.env['PATH']}` } },
    );
    const [sdist] = (await readdir(work)).filter(name => name.endsWith('.tar.gz'));
    await mkdir(join(root, 'usr/src/mod_wsgi'), { recursive: true });
    await run('tar', ['-xzf', join(work, sdist ?? ''), '-C', join(root, 'usr/src/mod_wsgi'), '--strip-components=1']);
    const script = 'cd /usr/src/mod_wsgi && ./configure --with-python=/usr/bin/python2.7 && make && make install';
    await run('chroot', [root, 'sh', '-c', script], { maxBuffer: 64 * 1024 * 1024 });
    await rm(join(root, 'usr/src/mod_wsgi'), { recursive: true });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
