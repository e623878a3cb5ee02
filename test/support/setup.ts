import { execFileSync } from 'node:child_process';

/** What the tests run besides npm's packages: Debian package → a program of it, or a path where it has none. */
const needed = {
  gdb: 'gdb',
  gcc: 'gcc',
  make: 'make',
  'xz-utils': 'xz',
  'libffi-dev': '/usr/share/doc/libffi-dev',
  mmdebstrap: 'mmdebstrap',
  zstd: 'zstd',
  binutils: 'objcopy',
  dwz: 'dwz',
  gpg: 'gpg',
  'gpg-agent': 'gpg-agent',
  'openssh-server': '/usr/sbin/sshd',
  'openssh-client': 'ssh',
  bubblewrap: 'bwrap',
  busybox: 'busybox',
  dash: 'dash',
  sudo: 'sudo',
  python3: '/usr/bin/python3',
  iproute2: 'ip',
  iptables: 'iptables',
  procps: 'ps',
  strace: 'strace',
  systemd: 'systemd-analyze',
} as const;

/** Installs the Debian packages that the tests need and this machine lacks; without root says which to install. */
export function setup(): void {
  const missing = Object.entries(needed)
    .filter(([, program]) => !isInstalled(program))
    .map(([name]) => name);
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) {
    console.warn(`tests that need ${missing.join(', ')} will be skipped; to run them: sudo ${command}`);
    return;
  }
  execFileSync('sh', ['-c', `apt-get update -qq && DEBIAN_FRONTEND=noninteractive ${command} >/dev/null`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1" || test -e "$1"', 'sh', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
