import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HostProfile, Requirement } from '../../src/fleet/host-profile.ts';
import { stampPath } from '../../src/host/facts.ts';
import { programPath, programText } from '../../src/host/program.ts';
import { sudoRule } from '../../src/host/sudo-rule.ts';
import { prepareScript } from '../../src/prepare/prepare-script.ts';
import { type Prepared, prepareExit, readPrepared } from '../../src/prepare/prepared.ts';
import { removeScript } from '../../src/prepare/remove-script.ts';
import { quote } from '../../src/quote.ts';
import { connectMirror, type PackageMirror } from '../support/hosts/package-mirror.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { startShop } from '../support/hosts/shop.ts';
import { type Ran, startHost, type TestHost } from '../support/hosts/test-host.ts';

const common = { severity: 'error', why: 'a test wants it' } as const;
const cores = '/var/tmp/hangar';
const sourceFile = '/etc/apt/sources.list.d/hangar-symbols.sources';
const keyFile = '/usr/share/keyrings/hangar-symbols-1.gpg';
const key = Buffer.from('no key that apt would take').toString('base64');

function packageOf(name: string, versionOf: readonly string[] = [], ifOffered = false): Requirement {
  return { ...common, id: `package:${name}`, kind: 'package', name, versionOf, ifOffered };
}

function profileOf(...requirements: readonly Requirement[]): HostProfile {
  return { name: 'python-web', requirements, allowUpgrades: false };
}

/** What resolveProfile says of such a host, but for the symbol source: nobody answers there. */
function pythonWeb(python: string): HostProfile {
  return profileOf(
    { ...common, id: 'core-directory', kind: 'core-directory', path: cores },
    { ...common, id: 'symbol-key', kind: 'symbol-key', path: keyFile, from: { base64: key } },
    {
      ...common,
      id: 'symbol-source',
      kind: 'symbol-source',
      path: sourceFile,
      text: `Types: deb\nURIs: http://127.0.0.1:9\nSuites: none\nComponents: main\nSigned-By: ${keyFile}\n`,
      obsolete: ['/etc/apt/sources.list.d/hangar-symbols.list'],
    },
    packageOf('gdb'),
    packageOf('zstd'),
    packageOf('libc6-dbg', ['libc6']),
    packageOf(`python${python}-dbg`, [`python${python}-minimal`, `python${python}`]),
    packageOf('apache2-bin-dbgsym', ['apache2-bin'], true),
    ttl('64'),
    { ...common, id: 'host-program', kind: 'host-program', commands: ['pgrep -x sshd'] },
    { ...common, id: 'sudo-rule', kind: 'sudo-rule', path: '/etc/sudoers.d/hangar', user: 'ops' },
    { ...common, id: 'left-over-cores', kind: 'left-over-cores', path: cores, keepSeconds: 14 * 86_400 },
    { ...common, id: 'free-disk', kind: 'free-disk', path: cores, minBytes: 1_000_000, cores: 2 },
    { ...common, id: 'replaced-programs', kind: 'replaced-programs', services: ['shop'], restart: false },
  );
}

/** A setting that each network namespace has for itself. */
function ttl(value: string, orLess = false): Requirement {
  return { ...common, id: 'sysctl:ttl', kind: 'sysctl', name: 'net.ipv4.ip_default_ttl', value, orLess };
}

interface Outcome extends Prepared {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let scripts = 0;

/** Runs a script as Pulumi and `runbook prepare` do: on stdin, as root. */
async function act(host: TestHost, script: string, token = ''): Promise<Outcome> {
  scripts += 1;
  const name = `script-${scripts}`;
  await writeFile(join(host.root, 'root', name), script);
  const ran = await host.run(`sh -eu -s -- ${token} </root/${name}`);
  return { ...readPrepared(ran.stdout), ...ran };
}

function ids(told: readonly { readonly id: string }[]): readonly string[] {
  return told.map(({ id }) => id);
}

async function said(host: TestHost, command: string): Promise<string> {
  return (await host.run(command)).stdout.trim();
}

/** Every file of the host's own disk, with its times; but for the scripts that the test itself puts there. */
function disk(host: TestHost): Promise<string> {
  return said(
    host,
    "find / -xdev \\( -path /root -o -path /run -o -path /tmp \\) -prune -o -printf '%p %y %m %u %s %T@ %C@\\n' | sort; md5sum /var/log/dpkg.log",
  );
}

function packagesOf(host: TestHost): Promise<string> {
  return said(host, "dpkg-query -W -f '${Package} ${db:Status-Abbrev} ${Version}\\n'");
}

describe.each([
  ['bullseye-bare', '2.7'],
  ['bookworm-bare', '3.11'],
] as const)('a %s host', (release, python) => {
  const profile = pythonWeb(python);
  let host: TestHost;
  let mirror: PackageMirror;
  let before: string;
  let first: Outcome;

  beforeAll(async () => {
    if (!requireRoot.isRoot) return;
    host = await startHost({ name: 'web3', release });
    mirror = await connectMirror(host);
    // From here on ops may do only what the rule says.
    await host.run('rm /etc/sudoers.d/ops');
    await host.run(
      'mkdir -p /etc/apt/sources.list.d && echo "# of the owner" >/etc/apt/sources.list.d/hangar-symbols.list',
    );
    before = await packagesOf(host);
    first = await act(host, prepareScript(profile), 'token-1');
  });
  afterAll(async () => {
    await mirror?.close();
    await host?.stop();
  });
  beforeEach(requireRoot);

  test('has after one run what its profile says, though a symbol repository cannot be reached', async () => {
    expect(first).toMatchObject({ code: 0, failed: [], isDone: true, stderr: '' });
    expect(ids(first.changed)).toEqual([
      'symbol-key',
      'symbol-source',
      'symbol-source',
      'package:gdb',
      'package:zstd',
      'package:libc6-dbg',
      `package:python${python}-dbg`,
      'core-directory',
      'sysctl:ttl',
      'host-program',
      'sudo-rule',
    ]);
    expect(first.stdout.length).toBeLessThan(4096);
    expect(await said(host, 'gdb -batch -ex "python print(6 * 7)"; zstd --version >/dev/null && echo zstd')).toBe(
      '42\nzstd',
    );
    const versions = await said(host, `dpkg-query -W -f '\${Version} ' python${python}-dbg python${python}-minimal`);
    expect(new Set(versions.split(' ')).size).toBe(1);
    const modes = `stat -c '%a %U:%G %n' ${cores} ${programPath} /usr/local/lib/hangar /etc/sudoers.d/hangar ${stampPath}`;
    expect(await said(host, modes)).toBe(
      [
        `700 root:root ${cores}`,
        `755 root:root ${programPath}`,
        '755 root:root /usr/local/lib/hangar',
        '440 root:root /etc/sudoers.d/hangar',
        `644 root:root ${stampPath}`,
      ].join('\n'),
    );
    expect((await host.run(`cat ${programPath}`)).stdout).toBe(programText());
    expect(await said(host, `cat ${stampPath}; base64 ${keyFile}`)).toBe(`token-1\n${key}`);
    expect(await said(host, 'ls /usr/sbin/policy-rc.d /var/cache/apt/archives/*.deb')).toBe('');
  });

  test('lets ops run the host program as root, and nothing else', async () => {
    expect((await asOps(host, `sudo -n ${programPath} outcome key=0123456789`)).stdout).toBe('outcome none\n');
    expect((await asOps(host, 'sudo -n id')).code).toBe(1);
  });

  test('lets ops run as root no command but those that the host was prepared for, and none in their place', async () => {
    const ask = (check: string, path = ''): Promise<Ran> =>
      asOps(host, `${path}sudo -n ${programPath} find pid=$$ seconds=0 samples=1 'check=${check}'`);
    expect((await ask('pgrep -x sshd')).stdout).toMatch(/^check answered /m);
    expect((await ask('http://127.0.0.1:9/')).stdout).toMatch(/^check (refused|unknown) /m);
    const refused = await ask('touch /root/mine');
    expect(refused).toMatchObject({ code: 26, stderr: expect.stringMatching(/^error NOT_PERMITTED /m) });
    const restart = await asOps(
      host,
      `sudo -n ${programPath} recover service=cron mode=service 'restart=id >/root/mine'`,
    );
    expect(restart).toMatchObject({ code: 26, stderr: expect.stringMatching(/^error NOT_PERMITTED /m) });
    await asOps(
      host,
      `mkdir -p ~/bin && for each in pgrep awk sed grep; do printf '#!/bin/sh\\ntouch /root/mine\\n' >~/bin/$each; chmod 755 ~/bin/$each; done`,
    );
    expect(await said(host, 'ls ~ops/bin')).toBe('awk\ngrep\npgrep\nsed');
    // Also where the host's own sudoers sets no path.
    await host.run("sed -i.bak '/secure_path/d' /etc/sudoers");
    expect((await ask('pgrep -x sshd', 'PATH=$HOME/bin:$PATH ')).stdout).toMatch(/^check answered /m);
    await host.run('mv /etc/sudoers.bak /etc/sudoers; rm -r ~ops/bin');
    expect(await said(host, 'ls /root/mine')).toBe('');
  });

  test('is not touched by a second run', async () => {
    const [was, asked] = [await disk(host), mirror.asked()];
    expect(asked).toBeGreaterThan(0);
    const second = await act(host, prepareScript(profile), 'token-1');
    expect(second.stdout).toBe('done\n');
    expect(second.code).toBe(0);
    expect(await disk(host)).toBe(was);
    expect(mirror.asked()).toBe(0);
  });

  test('is left alone by a script that was cut off', async () => {
    await host.run(`chmod 755 ${cores}`);
    const script = prepareScript(profile);
    for (const cut of [script.slice(0, -12), script.slice(0, script.length / 2)]) {
      const { code, stdout } = await act(host, cut, 'token-1');
      expect([code === 0, stdout]).toEqual([false, '']);
    }
    expect(await said(host, `stat -c %a ${cores}`)).toBe('755');
    await host.run(`chmod 700 ${cores}`);
  });

  test('has what was changed by hand mended, that alone, and each time again', async () => {
    const mutations: readonly (readonly [id: string, command: string])[] = [
      ['core-directory', `chmod 2755 ${cores}`],
      ['core-directory', `chown ops ${cores}`],
      ['host-program', `echo '#' >>${programPath}`],
      ['host-program', 'chmod 777 /usr/local/lib/hangar'],
      ['host-program', `ln -sf /bin/true ${programPath}`],
      ['sudo-rule', 'echo "ops ALL=(ALL) NOPASSWD: ALL" >>/etc/sudoers.d/hangar'],
      ['sudo-rule', 'chmod 600 /etc/sudoers.d/hangar'],
      ['symbol-key', `echo x >${keyFile}`],
      ['sysctl:ttl', 'echo 99 >/proc/sys/net/ipv4/ip_default_ttl'],
      ['sysctl:ttl', 'rm /etc/sysctl.d/60-hangar.conf'],
      ['core-directory', `chmod 2755 ${cores}`],
    ];
    for (const [id, command] of mutations) {
      expect((await host.run(command)).code, command).toBe(0);
      const mended = await act(host, prepareScript(profile, { only: [id] }));
      expect([ids(mended.changed), mended.failed, mended.code], command).toEqual([[id], [], 0]);
    }
    const after = await act(host, prepareScript(profile), 'token-1');
    expect(after.stdout).toBe('done\n');
    expect(await said(host, 'cat /etc/sudoers.d/hangar')).toBe(sudoRule('ops').trim());
    expect(await said(host, `stat -c %F ${programPath}; cat /proc/sys/net/ipv4/ip_default_ttl`)).toBe(
      'regular file\n64',
    );
  });

  test('gets a missing symbol package again, in the version that runs, from a half configured one on', async () => {
    const name = `python${python}-dbg`;
    await host.run(`dpkg --force-depends --purge ${name} >/dev/null`);
    await host.run(
      'awk \'/^Package: zstd$/ { at = 1 } at && /^Status:/ { $0 = "Status: install ok half-configured"; at = 0 } { print }\' /var/lib/dpkg/status >/root/status && cp /root/status /var/lib/dpkg/status',
    );
    const mended = await act(host, prepareScript(profile), 'token-1');
    expect([ids(mended.changed), mended.failed]).toEqual([[`package:${name}`], []]);
    expect(await said(host, `dpkg-query -W -f '\${db:Status-Abbrev}' ${name} zstd`)).toBe('ii ii');
  });

  test('gives everything back but what was there before, and cores', async () => {
    await host.run(`mkdir -m 700 ${cores}/0123456789ab && touch ${cores}/0123456789ab/core`);
    const removed = await act(host, removeScript(profile));
    expect(removed).toMatchObject({ code: 0, failed: [], isDone: true });
    expect(removed.kept).toEqual([{ id: 'core-directory', text: expect.stringContaining(`${cores} holds 1`) }]);
    expect(await packagesOf(host)).toBe(before);
    expect(
      await said(
        host,
        `ls -d /usr/local/lib/hangar /etc/sudoers.d/hangar /etc/sysctl.d/60-hangar.conf ${sourceFile} ${keyFile} ${stampPath}`,
      ),
    ).toBe('');
    expect(await said(host, 'cat /etc/apt/sources.list.d/hangar-symbols.list')).toBe('# of the owner');
    await host.run(`rm -r ${cores}/0123456789ab`);
    expect((await act(host, removeScript(profile))).stdout).toBe('done\n');
    expect(await said(host, `ls -d ${cores} /var/lib/hangar`)).toBe('');
    expect((await act(host, removeScript(profile))).stdout).toBe('done\n');
  });
});

describe('a host with an apt repository of its own', () => {
  let host: TestHost;

  beforeAll(async () => {
    if (!requireRoot.isRoot) return;
    host = await startHost({ name: 'web4', release: 'bookworm-bare' });
    await makeRepository(host);
  });
  afterAll(async () => await host?.stop());
  beforeEach(requireRoot);

  test('has no package upgraded for a new one, unless the profile allows it', async () => {
    const wanted = profileOf(packageOf('hangar-tool'), packageOf('hangar-plain'), packageOf('hangar-none'));
    const refused = await act(host, prepareScript(wanted), 'token');
    expect(refused.code).toBe(prepareExit.failed);
    expect(refused.changed).toEqual([{ id: 'package:hangar-plain', text: 'installed hangar-plain 1.0' }]);
    expect(refused.failed.map(({ id, text }) => `${id} ${text}`)).toEqual([
      expect.stringMatching(
        /^package:hangar-tool it needs newer packages: .* --only-upgrade hangar-base\), .*allowUpgrades: true; hangar-base 1\.0 to 2\.0$/,
      ),
      expect.stringMatching(/^package:hangar-none no source of packages offers hangar-none/),
    ]);
    expect(await said(host, `cat ${stampPath}`)).toBe('');
    expect(await version(host, 'hangar-base')).toBe('1.0');
    const allowed = await act(host, prepareScript({ ...profileOf(packageOf('hangar-tool')), allowUpgrades: true }));
    expect([ids(allowed.changed), await version(host, 'hangar-base')]).toEqual([['package:hangar-tool'], '2.0']);
    await host.run('apt-get -qq purge -y hangar-tool; dpkg -i /srv/repository/hangar-base_1.0_all.deb');
  });

  test('gets symbols in the version that is installed, is told where none are, and gets wrong ones exchanged', async () => {
    const symbols = profileOf(packageOf('hangar-base-dbg', ['hangar-none', 'hangar-base']));
    await host.run(
      'apt-get -qq install -y --allow-downgrades hangar-base-dbg=2.0 hangar-base=2.0 && dpkg --force-depends -i /srv/repository/hangar-base_1.0_all.deb',
    );
    const exchanged = await act(host, prepareScript(symbols));
    expect([exchanged.changed, exchanged.failed]).toEqual([
      [{ id: 'package:hangar-base-dbg', text: 'installed hangar-base-dbg 1.0' }],
      [],
    ]);
    expect(await version(host, 'hangar-base')).toBe('1.0');
    const absent = await act(
      host,
      prepareScript(profileOf(packageOf('hangar-plain', ['hangar-none', 'hangar-base-none'])), {}),
    );
    expect(absent.failed).toEqual([]);
    const other = await act(host, prepareScript(profileOf(packageOf('hangar-plain', ['libc6']))));
    expect(other.failed[0]?.text).toMatch(
      /^libc6 is installed as 2\.36.*, but hangar-plain is only offered for 1\.0: upgrade libc6 .*allowUpgrades: true$/,
    );
  });

  test('never loses a package for another one', async () => {
    const { code, failed } = await act(host, prepareScript(profileOf(packageOf('hangar-rival'))));
    expect([code, failed]).toEqual([
      prepareExit.failed,
      [{ id: 'package:hangar-rival', text: expect.stringContaining('apt would remove hangar-base') }],
    ]);
    expect(await version(host, 'hangar-base')).toBe('1.0');
  });

  test('waits for whoever holds the lock of dpkg', async () => {
    await host.run('dpkg --purge hangar-plain');
    // struct flock of Linux on 64 bits (fcntl(2)): F_WRLCK, the whole file.
    const hold =
      'use Fcntl; open F, "+>", "/var/lib/dpkg/lock-frontend"; $l = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $l) or die; open H, ">", "/root/held"; close H; sleep 4; rename "/root/held", "/root/let-go"';
    await host.run(
      `rm -f /root/held /root/let-go; perl -e '${hold}' >/dev/null 2>&1 & for each in $(seq 200); do [ -e /root/held ] || sleep 0.05; done`,
    );
    const { changed } = await act(host, prepareScript(profileOf(packageOf('hangar-plain'))));
    expect(ids(changed)).toEqual(['package:hangar-plain']);
    expect(await said(host, 'ls /root/let-go')).toBe('/root/let-go');
  });

  test('is prepared by one of two that come at once, and the other finds it done', async () => {
    await host.run('dpkg --purge hangar-plain');
    const script = prepareScript(
      profileOf(packageOf('hangar-plain'), { ...common, id: 'host-program', kind: 'host-program', commands: [] }),
    );
    const both = await Promise.all([act(host, script), act(host, script)]);
    expect(both.map(({ code, failed }) => [code, failed])).toEqual([
      [0, []],
      [0, []],
    ]);
    expect(both.flatMap(({ changed }) => ids(changed))).toEqual(['package:hangar-plain', 'host-program']);
  });

  test('has its packages whole though the preparation is killed in the middle of one', async () => {
    const script = prepareScript(profileOf(packageOf('hangar-slow')));
    await writeFile(join(host.root, 'root/slow'), script);
    // As a cancel does: the whole group, first with TERM, then with KILL.
    const kill = 'kill -TERM -"$group"; sleep 0.2; kill -KILL -"$group"';
    const ran = await host.run(
      `rm -f /root/began /root/ended; setsid sh -eu -s </root/slow >/dev/null 2>&1 & group=$!; until [ -e /root/began ]; do sleep 0.05; done; ${kill}; ls /root/ended`,
    );
    // It was in the middle.
    expect(ran.stdout).toBe('');
    await host.run('until [ -e /root/ended ]; do sleep 0.1; done; while pgrep -x dpkg; do sleep 0.1; done');
    expect(await said(host, 'dpkg --audit')).toBe('');
    expect(await version(host, 'hangar-slow')).toBe('1.0');
    expect(await act(host, script)).toMatchObject({ code: 0, changed: [], failed: [] });
  });

  test('is left without a source of symbols that would make its own apt-get update fail', async () => {
    const path = '/etc/apt/sources.list.d/hangar-symbols.list';
    const dead = profileOf({
      ...common,
      id: 'symbol-source',
      kind: 'symbol-source',
      path,
      text: 'deb [trusted=yes] file:/srv/nothing-here ./\n',
      obsolete: [],
    });
    const ran = await act(host, prepareScript(dead));
    expect(ran).toMatchObject({ code: 0, isDone: true });
    expect(ran.failed).toEqual([
      { id: 'symbol-source', text: expect.stringMatching(/^took \/etc\/apt\S+ out again: E: /) },
    ]);
    expect(await said(host, `ls ${path}`)).toBe('');
    expect((await host.run('apt-get -q update')).code).toBe(0);
  });

  test('keeps what others need by now, and what was there before', async () => {
    const tool = profileOf(packageOf('hangar-plain'), packageOf('hangar-base'));
    await host.run('dpkg --purge hangar-plain');
    expect(ids((await act(host, prepareScript(tool))).changed)).toEqual(['package:hangar-plain']);
    await host.run('apt-get -qq install -y hangar-user');
    const removed = await act(host, removeScript(tool));
    expect(removed.kept).toEqual([{ id: 'package:hangar-plain', text: 'needed by hangar-user by now' }]);
    expect(await version(host, 'hangar-plain')).toBe('1.0');
    await host.run('dpkg --purge hangar-user');
    expect(ids((await act(host, removeScript(tool))).changed)).toEqual(['packages']);
    expect([await version(host, 'hangar-plain'), await version(host, 'hangar-base')]).toEqual(['', '1.0']);
  });

  test('never has a sudoers text that sudo cannot read', async () => {
    const rule = profileOf({
      ...common,
      id: 'sudo-rule',
      kind: 'sudo-rule',
      path: '/etc/sudoers.d/hangar',
      user: 'ops',
    });
    const broken = prepareScript(rule).replace('ops ALL=(root)', 'ops ALL=(root');
    const refused = await act(host, broken);
    expect([refused.code, refused.failed[0]?.text]).toEqual([
      prepareExit.failed,
      expect.stringMatching(/^visudo refuses the rule: /),
    ]);
    await host.run('echo "ops ALL=(root" >/etc/sudoers.d/others && chmod 440 /etc/sudoers.d/others');
    const takenBack = await act(host, prepareScript(rule));
    expect(takenBack.failed[0]?.text).toMatch(/taken back: .*\/etc\/sudoers\.d\/others/);
    expect(await said(host, 'ls -A /etc/sudoers.d')).toBe('README\nops\nothers');
    await host.run('rm /etc/sudoers.d/others; sed -i s/includedir/nothing/ /etc/sudoers');
    const unread = await act(host, prepareScript(rule));
    expect(unread.failed[0]?.text).toMatch(/^\/etc\/sudoers does not include/);
    await host.run('sed -i s/nothing/includedir/ /etc/sudoers');
    expect((await act(host, prepareScript(rule))).failed).toEqual([]);
  });

  test('follows no link and takes no file where cores are to lie', async () => {
    const wanted = prepareScript(profileOf({ ...common, id: 'core-directory', kind: 'core-directory', path: cores }));
    await host.run(`mkdir -m 755 /srv/other && ln -s /srv/other ${cores}`);
    expect((await act(host, wanted)).failed[0]?.text).toMatch(/is a link: it is never followed/);
    expect(await said(host, 'stat -c %a /srv/other')).toBe('755');
    await host.run(`rm ${cores} && touch ${cores}`);
    expect((await act(host, wanted)).failed[0]?.text).toMatch(/is no directory/);
    await host.run(`rm ${cores}`);
    expect(ids((await act(host, wanted)).changed)).toEqual(['core-directory']);
  });

  test('loses only cores that are old, ours, and that nobody works on', async () => {
    const expiring = profileOf(
      { ...common, id: 'core-directory', kind: 'core-directory', path: cores },
      { ...common, id: 'left-over-cores', kind: 'left-over-cores', path: cores, keepSeconds: 86_400 },
    );
    const make = (name: string, more = '') =>
      host.run(
        `mkdir -p -m 700 ${cores}/${name} && cd ${cores}/${name} && echo "77 1 S x" >.hangar && echo core >core ${more}; find . -exec touch -d '2 days ago' {} +`,
      );
    await act(host, prepareScript(expiring));
    await Promise.all([make('aaaaaaaa01'), make('aaaaaaaa02'), make('aaaaaaaa03', '&& rm .hangar')]);
    await host.run(`sh -c 'sleep 60; :' aaaaaaaa04 >/dev/null 2>&1 & echo $! >/root/worker`);
    await make('aaaaaaaa04', '&& cp /root/worker asker');
    await host.run(`touch ${cores}/aaaaaaaa02/core; mkdir -p /run/systemd/system`);
    const { changed, failed } = await act(host, prepareScript(expiring));
    await host.run('kill $(cat /root/worker); rmdir /run/systemd/system');
    expect(failed).toEqual([]);
    expect(changed.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^removed 1 that nobody fetched/),
      'wrote /etc/tmpfiles.d/hangar.conf',
    ]);
    expect(await said(host, `ls ${cores}`)).toBe('aaaaaaaa02\naaaaaaaa03\naaaaaaaa04');
  });

  test('is told with numbers when too little is free, after the cache of packages was emptied', async () => {
    await host.run('fallocate -l 1M /var/cache/apt/archives/x_1_all.deb');
    const short = await act(host, tight(2 ** 50, 'error'), 'token');
    expect([ids(short.changed), short.code]).toEqual([['free-disk'], prepareExit.failed]);
    expect(short.failed[0]?.text).toMatch(/^[\d.]+ GiB are free in \/var\/tmp.*, 1048576\.0 GiB are needed: /);
    expect(await said(host, 'ls /var/cache/apt/archives/*.deb')).toBe('');
    const warned = await act(host, tight(2 ** 50, 'warning'), 'token');
    expect([ids(warned.failed), warned.code]).toEqual([['free-disk'], 0]);
    expect(await said(host, `cat ${stampPath}`)).toBe('token');
  });

  test('keeps a lower number where that will do, and passes over what its kernel does not have', async () => {
    const file = 'cat /etc/sysctl.d/60-hangar.conf';
    expect((await act(host, prepareScript(profileOf(ttl('65', true))))).stdout).toBe('done\n');
    expect(await said(host, file)).toBe('');
    const none: Requirement = {
      ...common,
      id: 'sysctl:none',
      kind: 'sysctl',
      name: 'kernel.none',
      value: '1',
      orLess: true,
    };
    const { changed } = await act(host, prepareScript(profileOf(ttl('63', true), none)));
    expect(changed).toEqual([{ id: 'sysctl:ttl', text: 'net.ipv4.ip_default_ttl is 63, was 64' }]);
    expect(await said(host, file)).toMatch(/\nnet\.ipv4\.ip_default_ttl = 63$/);
    const refused = await act(host, prepareScript(profileOf(ttl('4711'))));
    expect(refused.failed[0]?.text).toBe('net.ipv4.ip_default_ttl is 63 and does not become 4711');
  });

  test('has a service restarted that runs what was replaced, where that is wanted', async () => {
    await startShop(host, '3.11');
    const services = { ...common, id: 'replaced-programs', kind: 'replaced-programs', services: ['shop'] } as const;
    const wanted = prepareScript(profileOf({ ...services, restart: true }));
    expect((await act(host, wanted)).stdout).toBe('done\n');
    await host.run('cp /usr/bin/python3.11 /usr/bin/new && mv /usr/bin/new /usr/bin/python3.11');
    expect((await act(host, prepareScript(profileOf({ ...services, restart: false })))).stdout).toBe('done\n');
    const { changed, failed } = await act(host, wanted);
    expect([changed, failed]).toEqual([
      [
        {
          id: 'replaced-programs',
          text: 'restarted shop, which ran /usr/bin/python3.11 as it was before it was replaced',
        },
      ],
      [],
    ]);
    expect((await act(host, wanted)).stdout).toBe('done\n');
  });
});

function asOps(host: TestHost, command: string): ReturnType<TestHost['run']> {
  return host.run(`su ops -c ${quote(command)}`);
}

function tight(minBytes: number, severity: Requirement['severity']): string {
  const room: Requirement = {
    ...common,
    severity,
    id: 'free-disk',
    kind: 'free-disk',
    path: cores,
    minBytes,
    cores: 0,
  };
  return prepareScript(profileOf(room));
}

async function version(host: TestHost, name: string): Promise<string> {
  return said(host, `dpkg-query -W -f '\${Version}' ${name} 2>/dev/null`);
}

const run = promisify(execFile);

/** hangar-base 1.0 is installed; 2.0 is offered beside it, and packages that need the one, the other, or none of them. */
async function makeRepository(host: TestHost): Promise<void> {
  const control: readonly (readonly [name: string, version: string, ...fields: readonly string[]])[] = [
    ['hangar-base', '1.0'],
    ['hangar-base', '2.0'],
    ['hangar-base-dbg', '1.0', 'Depends: hangar-base (= 1.0)'],
    ['hangar-base-dbg', '2.0', 'Depends: hangar-base (= 2.0)'],
    ['hangar-tool', '1.0', 'Depends: hangar-base (>= 2.0)'],
    ['hangar-plain', '1.0'],
    ['hangar-slow', '1.0'],
    ['hangar-user', '1.0', 'Depends: hangar-plain'],
    ['hangar-rival', '1.0', 'Conflicts: hangar-base'],
  ];
  const folder = await mkdtemp(join(tmpdir(), 'hangar-repository-'));
  const repository = join(host.root, 'srv/repository');
  await mkdir(repository, { recursive: true });
  const entries: string[] = [];
  for (const [name, number, ...fields] of control) {
    const tree = join(folder, `${name}-${number}`);
    await mkdir(join(tree, 'DEBIAN'), { recursive: true });
    const text = [
      `Package: ${name}`,
      `Version: ${number}`,
      'Architecture: all',
      'Maintainer: none <none@example.com>',
      ...fields,
      'Description: of a test',
    ].join('\n');
    await writeFile(join(tree, 'DEBIAN/control'), `${text}\n`);
    if (name === 'hangar-slow')
      await writeFile(join(tree, 'DEBIAN/postinst'), '#!/bin/sh\ntouch /root/began\nsleep 3\ntouch /root/ended\n', {
        mode: 0o755,
      });
    const file = `${name}_${number}_all.deb`;
    await run('dpkg-deb', ['-b', tree, join(repository, file)]);
    const { stdout } = await run('sh', [
      '-c',
      'stat -c %s "$1"; sha256sum <"$1" | cut -c -64',
      'sh',
      join(repository, file),
    ]);
    const [size, sha256] = stdout.split('\n');
    entries.push(`${text}\nFilename: ./${file}\nSize: ${size}\nSHA256: ${sha256}\n`);
  }
  await rm(folder, { recursive: true });
  await writeFile(join(repository, 'Packages'), entries.join('\n'));
  await writeFile(join(host.root, 'etc/apt/sources.list'), 'deb [trusted=yes] file:/srv/repository ./\n');
  const { code, stderr } = await host.run('apt-get -qq update && dpkg -i /srv/repository/hangar-base_1.0_all.deb');
  if (code !== 0) throw new Error(`the repository of the test cannot be used: ${stderr}`);
}
