import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { HostFacts } from '../../../src/host/facts.ts';
import { readHostError } from '../../../src/host/host-error.ts';
import { readFacts } from '../../../src/host/read-facts.ts';
import { requireRoot } from '../../support/hosts/require-root.ts';
import { requireInterpreter } from '../../support/interpreters.ts';
import { startTarget, type Target } from '../../support/targets.ts';

const run = promisify(execFile);
const program = join(import.meta.dirname, '..', '..', '..', 'src', 'host', 'program.sh');

const transcript = `Welcome to web3
facts
access program
user ops
machine-id 3d1219c7c4c5404aaa1f6d2a48adfda4
stamp first
stamp second
os-name Debian GNU/Linux 11 (bullseye)
os-version 11
os-id debian
os-codename bullseye
package apt|ii |2.2.4|amd64
package dpkg|ii |1.20.13|amd64
package gdb|iF |10.1-1.7|amd64
package libc6|ii |2.31-13+deb11u10|i386
package libc6|ii |2.31-13+deb11u11|amd64
package nginx|rc |1.18.0-6|amd64
package zstd|iiR|1.4.8|amd64
package python2.7-dbg|un ||
package libc6-dbg|un ||
file-absent /etc/sudoers.d/hangar
file-unreadable /root/key
packages-changed 1795619958
file regular file|440|root|root|81|/etc/a|b
directory 755|root|/etc
file symbolic link|777|root|root|7|/bin
directory 1777|root|
target directory|755|root|/bin
sha256 0ae76038c1b1c9dd42647f0d71733523a7633b371d2f2ce9b7ea39b1a95e53ce  /etc/a|b
sysctl-absent kernel.yama.ptrace_scope
sysctl net.ipv4.tcp_rmem 4096\t131072\t6291456
sysctl kernel.domainname 
disk /var/tmp|/dev/mapper/my disk  3145728   228   3145500       1% /my mount
core 271000000|1795632000|/var/tmp/hangar/0123456789abcdef
python 54 root
python 57 www-data
version 57 2.7
uses 57 executable 1
uses 57 libpython 2
replaced 57 /usr/lib/x86_64-linux-gnu/libpython2.7.so.1.0
command 54 /usr/sbin/apache2 -k start
command 57 (wsgi:shop)
command 57 second line
memory 54 dense=0 resident=0 rss=0
memory 57 dense=193564672 resident=9000000 rss=12000000
belongs 54 apache2
belongs 57 apache2
image 1 map none 8d86f7c3a0a2ee3569e70022ab899f044879439d apache2-bin /usr/sbin/apache2
image 2 none separate - - /opt/my python/libpython2.7.so.1.0
offered python2.7-dbg 2.7.18-8+deb11u1
offered libc6-dbg -
sudoers no /etc/sudoers.d/x:1:5: syntax error
gdb yes
repository release yes unchecked|http://deb.example/debian|bullseye||
repository symbols no unchecked|http://symbols.example|bullseye-debug|/usr/share/keyrings/a.gpg|404  Not | Found
keyring AAEC /usr/share/keyrings/a.gpg
gap apache|why|do this
clock 1795633131.558124603
end
`;

describe('the answer of `facts`', () => {
  const facts = readFacts(transcript);

  test('tells how the host was asked, and what it is', () => {
    expect(facts).toMatchObject({
      access: 'program',
      user: 'ops',
      machineId: '3d1219c7c4c5404aaa1f6d2a48adfda4',
      stamp: 'first\nsecond',
      os: { id: 'debian', versionId: '11', codename: 'bullseye', name: 'Debian GNU/Linux 11 (bullseye)' },
      architecture: 'amd64',
      aptVersion: '2.2.4',
      packagesChangedSeconds: 1795619958,
      clockSeconds: expect.closeTo(1795633131.558, 2),
      disk: { path: '/var/tmp', freeBytes: 3145500 * 1024, totalBytes: 3145728 * 1024 },
      gdbHasPython: true,
      sudoers: { isValid: false, said: '/etc/sudoers.d/x:1:5: syntax error' },
      gaps: [{ what: 'apache', why: 'why', fix: 'do this' }],
    });
    expect(facts).not.toHaveProperty('refusal');
  });

  test('tells packages apart by state, and of two architectures the one of the host', () => {
    expect(Object.fromEntries(facts?.packages ?? [])).toEqual({
      apt: { status: 'installed', version: '2.2.4' },
      dpkg: { status: 'installed', version: '1.20.13' },
      gdb: { status: 'half', version: '10.1-1.7' },
      libc6: { status: 'installed', version: '2.31-13+deb11u11' },
      nginx: { status: 'absent' },
      zstd: { status: 'half', version: '1.4.8' },
      'python2.7-dbg': { status: 'absent', offered: '2.7.18-8+deb11u1' },
      'libc6-dbg': { status: 'absent', offered: null },
    });
  });

  test('describes files with the directory that holds them, whatever their names hold', () => {
    expect(Object.fromEntries(facts?.files ?? [])).toEqual({
      '/etc/sudoers.d/hangar': { status: 'absent' },
      '/root/key': { status: 'unreadable' },
      '/etc/a|b': {
        status: 'present',
        kind: 'file',
        mode: '0440',
        owner: 'root',
        group: 'root',
        bytes: 81,
        sha256: '0ae76038c1b1c9dd42647f0d71733523a7633b371d2f2ce9b7ea39b1a95e53ce',
        directory: { mode: '0755', owner: 'root' },
      },
      '/bin': {
        status: 'present',
        kind: 'link',
        mode: '0777',
        owner: 'root',
        group: 'root',
        bytes: 7,
        target: { kind: 'directory', mode: '0755', owner: 'root' },
        directory: { mode: '1777', owner: 'root' },
      },
    });
  });

  test('gives settings with single blanks, and those that the kernel does not have as undefined', () => {
    expect([...(facts?.sysctls ?? [])]).toEqual([
      ['kernel.yama.ptrace_scope', undefined],
      ['net.ipv4.tcp_rmem', '4096 131072 6291456'],
      ['kernel.domainname', ''],
    ]);
  });

  test('joins each Python process with its files', () => {
    expect(facts?.pythons).toEqual([
      {
        pid: 54,
        user: 'root',
        command: '/usr/sbin/apache2 -k start',
        services: ['apache2'],
        modules: [],
        replaced: [],
      },
      {
        pid: 57,
        user: 'www-data',
        command: '(wsgi:shop) second line',
        services: ['apache2'],
        version: '2.7',
        coreBytes: 193564672,
        modules: [
          {
            role: 'executable',
            path: '/usr/sbin/apache2',
            isReadable: true,
            buildId: '8d86f7c3a0a2ee3569e70022ab899f044879439d',
            package: 'apache2-bin',
            symbols: 'none',
          },
          { role: 'libpython', path: '/opt/my python/libpython2.7.so.1.0', isReadable: false, symbols: 'separate' },
        ],
        replaced: ['/usr/lib/x86_64-linux-gnu/libpython2.7.so.1.0'],
      },
    ]);
  });

  test('gives left-over cores their age by the clock of the host', () => {
    const [core] = facts?.cores ?? [];
    expect(core).toMatchObject({ directory: '/var/tmp/hangar/0123456789abcdef', bytes: 271000000 });
    expect(core?.ageSeconds).toBeCloseTo(1131.558, 3);
  });

  test('gives repositories with what they said and their keyring', () => {
    expect(facts?.repositories).toEqual([
      {
        role: 'release',
        url: 'http://deb.example/debian',
        suite: 'bullseye',
        isReachable: true,
        said: '',
        signature: 'unchecked',
      },
      {
        role: 'symbols',
        url: 'http://symbols.example',
        suite: 'bullseye-debug',
        isReachable: false,
        said: '404  Not | Found',
        signature: 'unchecked',
        keyring: { path: '/usr/share/keyrings/a.gpg', base64: 'AAEC' },
      },
    ]);
  });

  test('is none where it breaks off', () => {
    expect(readFacts(transcript.replace('end\n', ''))).toBeUndefined();
    expect(readFacts(transcript.slice(0, transcript.indexOf('clock')))).toBeUndefined();
    expect(readFacts(transcript.replace('\nfacts\n', '\n'))).toBeUndefined();
  });
});

describe.each([
  ['dash', ['dash']],
  ['busybox sh', ['busybox', 'sh']],
])('the host program under %s', (_name, shell) => {
  let folder: string;
  let target: Target;

  const host = async (...args: readonly string[]): Promise<string> => {
    const [command = '', ...rest] = shell;
    const { stdout } = await run(command, [...rest, program, 'facts', ...args], { maxBuffer: 2 ** 26 });
    return stdout;
  };
  const ask = async (...args: readonly string[]): Promise<HostFacts> => {
    const facts = readFacts(await host(...args));
    if (facts === undefined) throw new Error('the answer breaks off');
    return facts;
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hangar-facts-test-'));
    target = await startTarget('idle_server', requireInterpreter('3.11'));
  });
  afterAll(async () => {
    await target?.stop();
    rmSync(folder, { recursive: true });
  });

  test('tells what is asked of this machine, and leaves nothing behind', async () => {
    const before = leftovers();
    const [plain, odd, large] = [join(folder, 'plain'), join(folder, "it's | odd"), join(folder, 'large')];
    writeFileSync(plain, 'hello\n', { mode: 0o640 });
    writeFileSync(odd, '');
    writeFileSync(large, Buffer.alloc(2 ** 20 + 1));
    const facts = await ask(
      'package=dpk?',
      'want=no-such-package-here',
      ...[plain, odd, large, folder, join(folder, 'no', 'such')].map(path => `file=${path}`),
      'sysctl=kernel.core_pattern',
      'sysctl=kernel.pid_max',
      'sysctl=kernel.no_such_setting',
      `cores=${join(folder, 'no', 'cores')}`,
    );
    expect(facts.packages.get('dpkg')?.status).toBe('installed');
    // Null where this machine has ever fetched the lists of its sources.
    expect(facts.packages.get('no-such-package-here')).toMatchObject({ status: 'absent' });
    expect(facts.packages.get('no-such-package-here')?.offered ?? null).toBeNull();
    expect(facts.files.get(plain)).toMatchObject({
      kind: 'file',
      mode: '0640',
      bytes: 6,
      sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
      directory: { mode: '0700', owner: userInfo().username },
    });
    expect(facts.files.get(odd)).toMatchObject({ status: 'present', bytes: 0 });
    expect(facts.files.get(large)).not.toHaveProperty('sha256');
    expect(facts.files.get(folder)).toMatchObject({ kind: 'directory', mode: '0700' });
    expect(facts.files.get(join(folder, 'no', 'such'))).toEqual({ status: 'absent' });
    expect(facts.sysctls.get('kernel.core_pattern')).toEqual(expect.any(String));
    expect(facts.sysctls.get('kernel.pid_max')).toBe(readFileSync('/proc/sys/kernel/pid_max', 'utf8').trim());
    expect(facts.sysctls.has('kernel.no_such_setting')).toBe(true);
    expect(facts.disk).toMatchObject({ path: folder });
    expect(Math.abs(facts.clockSeconds - Date.now() / 1000)).toBeLessThan(60);
    // Other tests run the program on this machine, too: theirs go as well.
    await vi.waitUntil(() => leftovers().every(each => before.includes(each)), { timeout: 60_000 });
  });

  test('finds a Python process, its version, its files and where their symbols are', async () => {
    const { pythons } = await ask();
    const found = pythons.find(({ pid }) => pid === target.pid);
    expect(found).toMatchObject({ version: '3.11', replaced: [] });
    expect(found?.command).toContain('idle_server');
    expect(found?.coreBytes).toBeGreaterThan(1e6);
    expect(found?.modules.find(({ role }) => role === 'executable')).toMatchObject({
      isReadable: true,
      symbols: 'own',
    });
  });

  test('finds the files of a process that lives where others that have them end meanwhile', async () => {
    const interpreter = requireInterpreter('3.9');
    const before = [await startTarget('idle_server', interpreter), await startTarget('idle_server', interpreter)];
    await using after = await startTarget('idle_server', interpreter);
    const [command = '', ...rest] = shell;
    const asked = spawn(command, [...rest, program, 'facts'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    for await (const chunk of asked.stdout) {
      stdout += String(chunk);
      // Who has which file is known by now, and no file has been looked at.
      if (/^python /m.test(stdout)) for (const each of before.splice(0)) await each.stop();
    }
    const found = readFacts(stdout)?.pythons.find(({ pid }) => pid === after.pid);
    expect(found?.modules.map(({ symbols }) => symbols)).not.toContain('none');
  });

  test('tells a core that nobody works on, and not one that somebody does', async () => {
    const cores = join(folder, 'cores');
    // Names that no other test has in a command line of this machine.
    const [idle = '', busy = ''] = [1, 2].map(() => randomBytes(8).toString('hex'));
    for (const name of [idle, busy]) {
      mkdirSync(join(cores, name), { recursive: true });
      writeFileSync(join(cores, name, 'core'), 'core');
    }
    const worker = execFile('sh', ['-c', 'echo here; read -r _', 'host', `name=${busy}`]);
    await new Promise(resolve => worker.stdout?.once('data', resolve));
    const during = await ask(`cores=${cores}`);
    const ended = new Promise(resolve => worker.once('exit', resolve));
    worker.stdin?.end('\n');
    await ended;
    expect(during.cores.map(({ directory }) => directory)).toEqual([join(cores, idle)]);
    expect((await ask(`cores=${cores}`)).cores).toHaveLength(2);
  });

  test('reads a repository on its own disk, and says that one without a signature is not signed', async () => {
    const repository = join(folder, 'repository');
    mkdirSync(join(repository, 'dists', 'stable'), { recursive: true });
    writeFileSync(join(repository, 'dists', 'stable', 'InRelease'), 'Suite: stable\n');
    writeFileSync(join(folder, 'keyring'), '');
    const { repositories } = await ask(
      `repository=|file:${repository}|stable|${join(folder, 'keyring')}`,
      `repository=|file://${repository}|testing|${join(folder, 'keyring')}`,
      `repository=another-distribution|file:${repository}|stable|${join(folder, 'keyring')}`,
    );
    const symbols = repositories.filter(({ role }) => role === 'symbols');
    expect(symbols).toMatchObject([
      { suite: 'stable', isReachable: true, signature: 'invalid', keyring: { base64: '' } },
      { suite: 'testing', isReachable: false, signature: 'unchecked' },
    ]);
    expect(symbols[1]?.said).toContain("there is no '");
  });

  test('shows a program that was replaced under a running process', async context => {
    requireRoot(context);
    // Not below /tmp: what programs make there and remove is not a program that was replaced.
    const home = mkdtempSync(join(homedir(), '.hangar-facts-test-'));
    const [interpreter, { path }] = [join(home, 'python3.11'), requireInterpreter('3.11')];
    copyFileSync(path, interpreter);
    const env = { ...process.env, PYTHONHOME: dirname(dirname(path)) };
    const child = execFile(interpreter, ['-Sc', 'print("up", flush=True); input()'], { env });
    await new Promise(resolve => child.stdout?.once('data', resolve));
    copyFileSync(interpreter, `${interpreter}.new`);
    renameSync(`${interpreter}.new`, interpreter);
    const { pythons } = await ask();
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.stdin?.end('\n');
    await ended;
    rmSync(home, { recursive: true });
    const found = pythons.find(({ pid }) => pid === child.pid);
    expect(found).toMatchObject({ version: '3.11', replaced: [interpreter] });
    expect(found?.modules).toContainEqual(
      expect.objectContaining({ role: 'executable', path: interpreter, isReadable: true, symbols: 'own' }),
    );
  });

  test.each(['file=relative', 'package=$(id)', 'sysctl=../../etc/passwd', 'cores=relative', 'want=a\nb', 'other=1'])(
    'refuses %j',
    async argument => {
      const error = await host(argument).then(
        () => '',
        (thrown: unknown) =>
          typeof thrown === 'object' && thrown !== null && 'stderr' in thrown ? String(thrown.stderr) : '',
      );
      expect(readHostError(error)?.code).toBe('USAGE');
    },
  );
});

/** Temporary directories of the program. */
function leftovers(): readonly string[] {
  return ['/run', '/dev/shm', '/tmp'].flatMap(folder =>
    readdirSync(folder)
      .filter(name => /^hangar\.\w{8}$/.test(name) && statSync(join(folder, name)).isDirectory())
      .map(name => join(folder, name)),
  );
}
