import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runSchema } from '../../src/run/run.ts';
import { type Controller, makeController } from '../support/hosts/controller.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { type Shop, startShop } from '../support/hosts/shop.ts';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';

let host: TestHost;
let shop: Shop;
let controller: Controller;

beforeAll(async () => {
  if (!requireRoot.isRoot) return;
  host = await startHost({ name: 'web3', release: 'bookworm' });
  shop = await startShop(host, '3.11');
  controller = await makeController([{ host, services: [shop.entry, 'nginx'] }]);
});
afterAll(async () => {
  await controller?.remove();
  await host?.stop();
});

/** Runs a command on a fleet file of its own; gives the exit code and the one JSON document. */
async function outcome(changes: Readonly<Record<string, unknown>>, ...args: readonly string[]) {
  const other = await makeController([{ host, services: [shop.entry], changes }]);
  try {
    const { code, stdout, stderr } = await other.run(...args, '--format', 'json');
    const run = runSchema.parse(JSON.parse(stdout));
    return { code, stderr, run, error: run.hosts[0]?.error };
  } finally {
    await other.remove();
  }
}

test('a host that nobody is at is told as unreachable (5)', async context => {
  requireRoot(context);
  const { code, error } = await outcome({ port: 2222 }, 'hang', '--host', 'web3');
  expect([code, error?.code]).toEqual([5, 'UNREACHABLE']);
  expect(error?.message).toContain(`cannot be reached at ${host.address} port 2222: nobody listens there`);
});

test('a wrong host key is refused (5)', async context => {
  requireRoot(context);
  const hostKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
  const { code, error } = await outcome({ hostKey }, 'hang', '--host', 'web3');
  expect([code, error?.code]).toEqual([5, 'HOST_KEY_MISMATCH']);
  expect(error?.message).toMatch(/shows the host key ssh-ed25519 SHA256:\S+, which is not the one expected, /);
});

test('an unknown host key is refused with the command that shows and adds it (5)', async context => {
  requireRoot(context);
  const { code, error } = await outcome({ hostKey: undefined }, 'hang', '--host', 'web3');
  expect([code, error?.code]).toEqual([5, 'HOST_KEY_UNKNOWN']);
  expect(error?.fix).toContain(`ssh-keyscan -p 22 ${host.address} >> `);
});

test('a login that is refused says who was refused, and with which keys (5)', async context => {
  requireRoot(context);
  const { code, error } = await outcome({ user: 'nobody' }, 'hang', '--host', 'web3');
  expect([code, error?.code]).toEqual([5, 'LOGIN_REFUSED']);
  expect(error?.message).toContain(`does not let nobody in; tried ${host.identityFile}`);
});

test('sudo that asks for a password is an error with its fix (3)', async context => {
  requireRoot(context);
  await host.run("mv /etc/sudoers.d/ops /root/ops; echo 'ops ALL=(ALL) ALL' >/etc/sudoers.d/asks");
  try {
    const { code, error } = await outcome({}, 'hang', '--host', 'web3');
    expect([code, error?.code]).toEqual([3, 'SUDO_REFUSED']);
    expect(error?.fix).toContain('runbook prepare --host web3');
  } finally {
    await host.run('rm /etc/sudoers.d/asks; mv /root/ops /etc/sudoers.d/ops');
  }
});

test('a service without a Python process, and one that does not run, are told by name (3)', async context => {
  requireRoot(context);
  await host.run('cp /bin/sleep /tmp/plain && (setsid /tmp/plain 600 >/dev/null 2>&1 &)');
  const plain = await outcome({ services: [{ name: 'plain' }] }, 'hang', '--host', 'web3');
  expect([plain.code, plain.error?.code]).toEqual([3, 'NO_PYTHON_PROCESS']);
  const absent = await outcome({ services: ['absent'] }, 'hang', '--host', 'web3');
  expect([absent.code, absent.error?.code]).toEqual([3, 'SERVICE_NOT_RUNNING']);
  await host.run('pkill -x plain');
});

test('a process that is gone is told as such (3)', async context => {
  requireRoot(context);
  const { code, error } = await outcome({}, 'capture', '--host', 'web3', '--pid', '99999');
  expect([code, error?.code]).toEqual([3, 'PROCESS_GONE']);
});

test('without gdb no core is taken and nothing is restarted; the fix prepares the host (3)', async context => {
  requireRoot(context);
  await shop.hang(['busy', 'recv', 'sleep', 'till']);
  const before = await shopPid();
  await host.run('mv /usr/bin/gdb /usr/bin/gdb.away');
  try {
    const text = await controller.run('hang', '--host', 'web3', '--service', 'shop');
    expect(text.code).toBe(3);
    expect(text.stdout.split('\n')[0], text.stdout + text.stderr).toMatch(
      /SHOP IS STILL DOWN; restart it: runbook hang --host web3 --on-capture-failure recover/,
    );
    expect(text.stdout).toContain('GDB_MISSING');
    expect(await shopPid()).toBe(before);
    const insisted = await outcome({}, 'hang', '--host', 'web3', '--on-capture-failure', 'recover');
    expect(insisted.run.hosts[0]?.steps.map(({ id, status }) => `${id} ${status}`)).toEqual([
      'find succeeded',
      'evidence succeeded',
      'core failed',
      'recover succeeded',
      'pull skipped',
      'analyze skipped',
      'witness succeeded',
      'clean succeeded',
    ]);
    expect(await shop.get('/health')).toBe(200);
  } finally {
    await host.run('mv /usr/bin/gdb.away /usr/bin/gdb');
  }
});

test('a disk that is too small is seen before gdb starts (3)', async context => {
  requireRoot(context);
  await host.run(
    'mkdir -p /var/tmp/hangar && chmod 700 /var/tmp/hangar && mount -t tmpfs -o size=20m,mode=700 tmpfs /var/tmp/hangar',
  );
  try {
    const { code, error } = await outcome({}, 'capture', '--host', 'web3', '--pid', await shopPid());
    expect([code, error?.code]).toEqual([3, 'DISK_TOO_SMALL']);
    expect(error?.message).toMatch(/has \d+ bytes free, a core of process \d+ may need \d+/);
    expect((await host.run('ls -A /var/tmp/hangar')).stdout).toBe('');
  } finally {
    await host.run('umount /var/tmp/hangar');
  }
});

test('a gdb that fails, or writes half a core, is found out and leaves nothing (3)', async context => {
  requireRoot(context);
  await host.run('mv /usr/bin/gdb /usr/bin/gdb.away');
  const fake = async (text: string): Promise<void> => {
    await writeFile(
      join(host.root, 'usr/bin/gdb'),
      `#!/bin/sh\ncase $1 in --version) exec gdb.away --version ;; esac\n${text}`,
      { mode: 0o755 },
    );
  };
  try {
    await fake('echo "no ptrace here" >&2; exit 1\n');
    const refused = await outcome({}, 'capture', '--host', 'web3', '--pid', await shopPid());
    expect([refused.code, refused.error?.code]).toEqual([3, 'GCORE_FAILED']);
    await fake('gdb.away "$@"; code=$?; set -- /var/tmp/hangar/*/core; truncate -s 10000000 "$1"; exit $code\n');
    const cut = await outcome({}, 'capture', '--host', 'web3', '--pid', await shopPid());
    expect([cut.code, cut.error?.code]).toEqual([3, 'CORE_INCOMPLETE']);
    expect((await host.run('find /var/tmp/hangar -type f')).stdout).toBe('');
    expect(await shop.get('/health')).toBe(200);
  } finally {
    await host.run('mv /usr/bin/gdb.away /usr/bin/gdb');
  }
});

test('capture takes a healthy process when it is named, as hang says of one, and leaves it running', async context => {
  requireRoot(context);
  const pid = await shopPid();
  const { stdout } = await controller.run('hang', '--host', 'web3', '--service', 'shop');
  expect(stdout).toContain(`to look inside all the same: runbook capture --host web3 --pid ${pid}\n`);
  const { code, run, stderr } = await outcome({}, 'capture', '--host', 'web3', '--pid', pid);
  expect(code, stderr).toBe(0);
  expect(run.hosts[0]?.steps.map(({ id, status }) => `${id} ${status}`)).toEqual([
    'find succeeded',
    'evidence succeeded',
    'core succeeded',
    'pull succeeded',
    'clean succeeded',
  ]);
  expect(await shopPid()).toBe(pid);
  expect(await shop.get('/health')).toBe(200);
});

test.for(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
  '%s to the controller in mid-capture leaves the service running and no gdb behind',
  async (signal, context) => {
    requireRoot(context);
    const restore = await slowGdb();
    const pid = await shopPid();
    const command = controller.start('capture', '--host', 'web3', '--service', 'shop', '--pid', pid);
    try {
      await until(async () => (await host.run('pgrep -f [h]angar-guard')).code === 0);
      command.child.kill(signal);
      await command.finished;
      await until(async () => (await host.run("pgrep -f '[h]angar-guard|[g]db.away'")).code !== 0);
      await until(async () => (await host.run('ls -A /var/tmp/hangar')).stdout === '');
      expect(await shopPid()).toBe(pid);
      expect((await host.run(`sed -n 's/^State:.//p' /proc/${pid}/status`)).stdout).toMatch(/^[SR]/);
      expect(await shop.get('/health')).toBe(200);
    } finally {
      await restore();
    }
  },
);

test('Ctrl-C in mid-capture asks on a terminal whether the service shall come back, and restarts it on a yes', async context => {
  requireRoot(context);
  await shop.hang(['busy', 'recv', 'sleep', 'till']);
  const pid = await shopPid();
  const restore = await slowGdb();
  const terminal = controller.startOnTerminal('hang', '--host', 'web3', '--service', 'shop');
  try {
    await until(async () => (await host.run('pgrep -f [h]angar-guard')).code === 0);
    terminal.type('\u0003');
    await until(async () => terminal.shown().includes('the capture was cancelled. Restart shop now? [y/N]'));
    expect(await shopPid()).toBe(pid);
    terminal.type('y\r');
    expect((await terminal.finished).code, terminal.shown()).toBe(6);
    expect(await shopPid()).not.toBe(pid);
    expect(await shop.get('/health')).toBe(200);
    expect((await host.run('ls -A /var/tmp/hangar')).stdout).toBe('');
  } finally {
    await restore();
  }
});

/** A gdb that takes its time, as with a large process. Resolves with what brings the real one back. */
async function slowGdb(): Promise<() => Promise<unknown>> {
  await host.run('mv /usr/bin/gdb /usr/bin/gdb.away');
  await writeFile(
    join(host.root, 'usr/bin/gdb'),
    '#!/bin/sh\ncase $1 in --version) ;; *) sleep 3 ;; esac\nexec gdb.away "$@"\n',
    { mode: 0o755 },
  );
  return () => host.run('mv /usr/bin/gdb.away /usr/bin/gdb');
}

async function shopPid(): Promise<string> {
  return (await host.run('cat /run/shop/shop.pid')).stdout.trim();
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await reached()) return;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  throw new Error('waited in vain');
}
