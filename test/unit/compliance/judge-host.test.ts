import { expect, test } from 'vitest';
import { deviations } from '../../../src/compliance/judge-host.ts';
import type { CheckResult } from '../../../src/compliance/schema.ts';
import { profilePaths } from '../../../src/fleet/host-profile.ts';
import type { FileFact, HostFacts, PackageFact, PythonModule, PythonProcess } from '../../../src/host/facts.ts';
import { commandsPath, commandsText, programPath } from '../../../src/host/program.ts';
import {
  apache,
  type Case,
  days,
  files,
  goodCase,
  host,
  idsOf,
  judged,
  makeKey,
  now,
  one,
  present,
} from './good-host.ts';

type PresentFile = Extract<FileFact, { status: 'present' }>;

function withFile(asked: Case, path: string, fact: FileFact): void {
  if (!asked.facts.files.has(path)) throw new Error(`no file "${path}"`);
  asked.facts.files = files(asked).set(path, fact);
}

function changeFile(asked: Case, path: string, change: Partial<PresentFile>): void {
  const before = asked.facts.files.get(path);
  if (before?.status !== 'present') throw new Error(`no file "${path}"`);
  withFile(asked, path, { ...before, ...change });
}

function withPackage(asked: Case, name: string, fact: PackageFact): void {
  asked.facts.packages = new Map(asked.facts.packages).set(name, fact);
}

function withProcess(asked: Case, change: Partial<PythonProcess>): void {
  asked.facts.pythons = [{ ...apache, ...change }];
}

function modulesWith(role: PythonModule['role'], change: Partial<PythonModule>): readonly PythonModule[] {
  return apache.modules.map(each => (each.role === role ? { ...each, ...change } : each));
}

function withRepository(
  asked: Case,
  role: 'release' | 'symbols',
  change: Partial<HostFacts['repositories'][number]>,
): void {
  asked.facts.repositories = asked.facts.repositories.map(each => (each.role === role ? { ...each, ...change } : each));
}

function withoutKeyring({ facts }: Case, signature?: 'unchecked'): HostFacts['repositories'] {
  return facts.repositories.map(({ role, url, suite, isReachable, said, ...each }) => ({
    role,
    url,
    suite,
    isReachable,
    said,
    signature: signature ?? each.signature,
  }));
}

async function fixOf(id: string, mutate: (asked: Case) => void): Promise<string> {
  const asked = goodCase();
  mutate(asked);
  return (await one(asked, id)).fix;
}

/** A host of that release, whose apt sources answer or not. */
function releaseCase(id: string, versionId: string, codename: string, url: string, isReachable: boolean): Case {
  const asked = goodCase();
  asked.facts.os = { id, versionId, codename, name: `${id} ${versionId}` };
  withRepository(asked, 'release', { url, suite: codename, isReachable, said: '404  Not Found' });
  return asked;
}

function judgeSources(asked: Case): Promise<CheckResult> {
  return one(asked, 'release-sources');
}

const keyPath = `${profilePaths.keyrings}/hangar-symbols-1.gpg`;
const sourcePath = `${profilePaths.sources}/hangar-symbols.sources`;

test('a host that has all has a check for each requirement and each built-in one, and all of them pass', async () => {
  const asked = goodCase();
  const results = await judged(asked);
  expect(results.map(({ id }) => id)).toEqual(idsOf(asked));
  expect(new Set(idsOf(asked)).size).toBe(idsOf(asked).length);
  expect(results.filter(({ state }) => state !== 'pass').map(({ id, state }) => [id, state])).toEqual([
    ['package:apache2-bin-dbgsym', 'not-applicable'],
  ]);
  expect(results.filter(({ fix, state }) => fix !== '' || state === 'fail')).toEqual([]);
  expect(results.find(({ id }) => id === 'running-symbols')?.actual).toBe(
    '2 of 2 files have them; of no package: /opt/wsgi/mod_wsgi.so',
  );
});

/** What may happen to a host: the one check that tells it, its state, and words that say what is the matter. */
const mutations: readonly (readonly [string, (asked: Case) => void, string, 'fail' | 'warn', RegExp])[] = [
  [
    'gdb removed',
    asked => {
      withPackage(asked, 'gdb', { status: 'absent', offered: '13.1-3' });
      delete asked.facts.gdbHasPython;
    },
    'package:gdb',
    'fail',
    /gdb is not installed/,
  ],
  [
    'python2.7-dbg removed',
    asked => {
      withPackage(asked, 'python2.7-dbg', { status: 'absent', offered: '1.2-3' });
      withProcess(asked, { modules: modulesWith('libpython', { symbols: 'offered' }) });
    },
    'package:python2.7-dbg',
    'fail',
    /python2\.7-dbg is not installed/,
  ],
  [
    'python2.7-dbg removed, and offered nowhere',
    asked => {
      withPackage(asked, 'python2.7-dbg', { status: 'absent', offered: null });
      withProcess(asked, { modules: modulesWith('libpython', { symbols: 'none' }) });
    },
    'package:python2.7-dbg',
    'fail',
    /not installed/,
  ],
  [
    'symbols of another version',
    asked => withPackage(asked, 'python2.7-dbg', { status: 'installed', version: '1.2-2' }),
    'package:python2.7-dbg',
    'fail',
    /is 1\.2-2, but libpython2\.7 is 1\.2-3/,
  ],
  [
    'a package half installed',
    asked => withPackage(asked, 'zstd', { status: 'half' }),
    'package:zstd',
    'fail',
    /not wholly/,
  ],
  [
    'symbols of the server offered now',
    asked => withPackage(asked, 'apache2-bin-dbgsym', { status: 'absent', offered: '1.2-3' }),
    'package:apache2-bin-dbgsym',
    'fail',
    /not installed/,
  ],
  [
    'a sysctl changed',
    asked => {
      asked.facts.sysctls = new Map(asked.facts.sysctls).set('kernel.yama.ptrace_scope', '3');
    },
    'sysctl:kernel.yama.ptrace_scope',
    'fail',
    /= 3/,
  ],
  [
    'a sysctl of several values changed',
    asked => {
      asked.facts.sysctls = new Map(asked.facts.sysctls).set('net.ipv4.tcp_rmem', '4096\t1\t2');
    },
    'sysctl:net.ipv4.tcp_rmem',
    'fail',
    /4096 1 2/,
  ],
  [
    'a sysctl that is set but would not outlive a boot',
    asked => {
      asked.facts.keptSysctls = new Map();
    },
    'sysctl:net.ipv4.tcp_rmem',
    'fail',
    /but \/etc\/sysctl\.d\/60-hangar\.conf does not keep it/,
  ],
  [
    'a sysctl that the kernel lacks',
    asked => {
      asked.facts.sysctls = new Map(asked.facts.sysctls).set('net.ipv4.tcp_rmem', undefined);
    },
    'sysctl:net.ipv4.tcp_rmem',
    'fail',
    /this kernel has no/,
  ],
  [
    'the core directory widened',
    asked => changeFile(asked, '/var/tmp/hangar', { mode: '0755' }),
    'core-directory',
    'fail',
    /mode 0755 instead of 0700/,
  ],
  [
    'the core directory of another',
    asked => changeFile(asked, '/var/tmp/hangar', { owner: 'www-data' }),
    'core-directory',
    'fail',
    /belongs to "www-data"/,
  ],
  [
    'the core directory a link',
    asked => changeFile(asked, '/var/tmp/hangar', { kind: 'link' }),
    'core-directory',
    'fail',
    /a symbolic link, not a directory/,
  ],
  [
    'the core directory removed',
    asked => withFile(asked, '/var/tmp/hangar', { status: 'absent' }),
    'core-directory',
    'fail',
    /is not there/,
  ],
  [
    'the key broken',
    asked => {
      withFile(asked, keyPath, present('no key'));
      withRepository(asked, 'symbols', {
        signature: 'invalid',
        said: 'NO_PUBKEY',
        keyring: { path: keyPath, base64: Buffer.from('no key').toString('base64') },
      });
    },
    'symbol-key',
    'fail',
    /has another text/,
  ],
  [
    'the key removed',
    asked => {
      withFile(asked, keyPath, { status: 'absent' });
      asked.facts.repositories = withoutKeyring(asked, 'unchecked');
    },
    'symbol-key',
    'fail',
    /is not there/,
  ],
  [
    'a repository signed by another key',
    asked => withRepository(asked, 'symbols', { signature: 'invalid', said: 'BADSIG 1234' }),
    'symbol-key',
    'fail',
    /not valid by it: BADSIG 1234/,
  ],
  [
    'the symbol repository stopped',
    asked =>
      withRepository(asked, 'symbols', { isReachable: false, said: 'connection refused', signature: 'unchecked' }),
    'symbol-repository',
    'fail',
    /bookworm-debug: connection refused; needed for \/usr\/sbin\/apache2/,
  ],
  [
    'the symbol repository stopped, where nothing is missing',
    asked => {
      withProcess(asked, { modules: modulesWith('executable', { symbols: 'separate' }) });
      withRepository(asked, 'symbols', { isReachable: false, said: 'connection refused', signature: 'unchecked' });
    },
    'symbol-repository',
    'warn',
    /connection refused$/,
  ],
  [
    'the symbol source edited',
    asked => withFile(asked, sourcePath, present('Types: deb\n')),
    'symbol-source',
    'fail',
    /another text/,
  ],
  [
    'the symbol source unreadable for apt',
    asked => changeFile(asked, sourcePath, { mode: '0600' }),
    'symbol-source',
    'fail',
    /mode 0600 instead of 0644/,
  ],
  [
    'the symbol source twice',
    asked => withFile(asked, sourcePath.replace('.sources', '.list'), present('deb')),
    'symbol-source',
    'fail',
    /\.list too/,
  ],
  [
    'the sudo rule edited',
    asked => withFile(asked, profilePaths.sudoRule, present('ops ALL=(ALL) NOPASSWD: ALL\n', '0440')),
    'sudo-rule',
    'fail',
    /another text/,
  ],
  [
    'the sudo rule writable',
    asked => changeFile(asked, profilePaths.sudoRule, { mode: '0660' }),
    'sudo-rule',
    'fail',
    /0660 instead of 0440/,
  ],
  [
    'sudoers broken',
    asked => {
      asked.facts.sudoers = { isValid: false, said: '/etc/sudoers.d/x:1: syntax error' };
    },
    'sudo-rule',
    'fail',
    /not valid: \/etc\/sudoers\.d\/x:1/,
  ],
  [
    'a rule that a later one takes back',
    asked => {
      asked.facts.access = 'root';
    },
    'sudo-rule',
    'fail',
    /became root in another way/,
  ],
  [
    'another host program',
    asked => {
      withFile(asked, programPath, present('#!/bin/sh\n', '0755'));
      asked.facts.access = 'root';
    },
    'host-program',
    'fail',
    /another text/,
  ],
  [
    'a check of the fleet file that the host was not prepared for',
    asked => withFile(asked, commandsPath, present(commandsText([]))),
    'host-program',
    'fail',
    /\/usr\/local\/lib\/hangar\/commands has another text/,
  ],
  [
    'a host program that others may replace',
    asked => changeFile(asked, programPath, { directory: { mode: '0777', owner: 'root' } }),
    'host-program',
    'fail',
    /directory of "root" with mode 0777/,
  ],
  [
    'the disk full',
    asked => {
      asked.facts.disk = { path: '/var/tmp', freeBytes: 700 * 2 ** 20, totalBytes: 40 * 2 ** 30 };
    },
    'free-disk',
    'fail',
    /700 MiB of 40 GiB free/,
  ],
  [
    'a process grown',
    asked => withProcess(asked, { coreBytes: 11 * 2 ** 30 }),
    'free-disk',
    'fail',
    /20 GiB of 40 GiB/,
  ],
  [
    'a core forgotten',
    asked => {
      asked.facts.cores = [{ directory: '/var/tmp/hangar/case-0', bytes: 4 * 2 ** 30, ageSeconds: 20 * days }];
    },
    'left-over-cores',
    'fail',
    /case-0: 4 GiB, 20 days old/,
  ],
  [
    'the interpreter upgraded under a process',
    asked =>
      withProcess(asked, {
        modules: modulesWith('libpython', { symbols: 'none' }),
        replaced: ['/usr/lib/x86_64-linux-gnu/libpython2.7.so.1.0'],
      }),
    'replaced-programs',
    'warn',
    /pid 55 \(\(wsgi:shop\) -k start\) runs files that were replaced: .*libpython2\.7/,
  ],
  [
    'a module without symbols',
    asked => withProcess(asked, { modules: modulesWith('mod_wsgi', { symbols: 'none' }) }),
    'running-symbols',
    'fail',
    /\/opt\/wsgi\/mod_wsgi\.so \(build-id cc33, of no package\)/,
  ],
  [
    'a module that is gone',
    asked => withProcess(asked, { modules: modulesWith('mod_wsgi', { isReadable: false }) }),
    'running-modules',
    'fail',
    /mod_wsgi\.so of pid 55 cannot be read/,
  ],
  [
    'a gdb without Python',
    asked => {
      asked.facts.gdbHasPython = false;
    },
    'gdb-python',
    'warn',
    /without Python/,
  ],
  [
    'a clock that is behind',
    asked => {
      asked.facts.clockSeconds = now.getTime() / 1000 - 7;
    },
    'clock',
    'warn',
    /7\.3 s behind/,
  ],
  [
    'a clock that is ahead',
    asked => {
      asked.facts.clockSeconds = now.getTime() / 1000 + 90;
    },
    'clock',
    'warn',
    /1\.5 minutes ahead/,
  ],
  [
    'sources that do not answer',
    asked => withRepository(asked, 'release', { isReachable: false, said: '404' }),
    'release-sources',
    'warn',
    /no answer from http:\/\/127\.0\.0\.1:8\/debian bookworm: 404; support ends on 2028-06-30/,
  ],
];

test.each(mutations)('%s: that check tells it, and no other', async (_what, mutate, id, state, words) => {
  const asked = goodCase();
  mutate(asked);
  const changed = (await judged(asked)).filter(each => !['pass', 'not-applicable'].includes(each.state));
  expect(changed.map(each => [each.id, each.state])).toEqual([[id, state]]);
  expect(changed[0]?.actual).toMatch(words);
  expect(changed[0]?.fix).not.toBe('');
  expect(changed[0]?.severity).toBe(state === 'fail' ? 'error' : 'warning');
});

test('each kind of check is among the mutations', () => {
  const kinds = new Set(idsOf(goodCase()).map(id => id.split(':', 1)[0]));
  expect(new Set(mutations.map(([, , id]) => id.split(':', 1)[0]))).toEqual(kinds);
});

test('deviations are told in words, one line each', async () => {
  const asked = goodCase();
  withPackage(asked, 'gdb', { status: 'absent', offered: '13.1-3' });
  changeFile(asked, '/var/tmp/hangar', { mode: '0755' });
  withRepository(asked, 'release', { isReachable: false, said: 'one\ntwo\u001B[2J' });
  const lines = deviations(await judged(asked));
  expect(lines).toEqual([
    'core-directory: /var/tmp/hangar has mode 0755 instead of 0700; expected /var/tmp/hangar is a directory of root, mode 0700',
    'package:gdb: gdb is not installed; expected gdb is installed',
    expect.stringMatching(
      /^release-sources: no answer from .* bookworm: one two\?\[2J; support ends on 2028-06-30; expected /,
    ),
  ]);
});

test('the fix is the command that mends it, or what a person has to do', async () => {
  expect(await fixOf('package:gdb', asked => withPackage(asked, 'gdb', { status: 'absent', offered: '13' }))).toBe(
    'runbook prepare --host web3 --only package:gdb',
  );
  expect(await fixOf('package:tree', asked => withPackage(asked, 'tree', { status: 'absent', offered: null }))).toBe(
    'no apt source of the host offers tree: add one that does, then: runbook prepare --host web3 --only package:tree',
  );
  expect(
    await fixOf('package:libc6-dbg', asked => withPackage(asked, 'libc6-dbg', { status: 'absent', offered: '2-1' })),
  ).toMatch(/offer libc6-dbg 2-1 only: set `allowUpgrades: true`/);
  expect(
    await fixOf('running-symbols', asked =>
      withProcess(asked, { modules: modulesWith('mod_wsgi', { symbols: 'none' }) }),
    ),
  ).toBe(
    'no package brings /opt/wsgi/mod_wsgi.so: build it with -g, or put its debug file at /usr/lib/debug/.build-id/cc/33.debug',
  );
  expect(
    await fixOf('running-symbols', asked =>
      withProcess(asked, { modules: modulesWith('libpython', { symbols: 'none' }) }),
    ),
  ).toMatch(/add "python2\.7-dbg", or "libpython2\.7-dbgsym", to `packages` of the profile/);
  expect(await fixOf('free-disk', asked => withProcess(asked, { coreBytes: 11 * 2 ** 30 }))).toBe(
    "make 2 GiB free: runbook prepare --host web3 --only free-disk empties apt's cache; what else fills it: on web3, as root: du -xh /var/tmp | sort -h | tail",
  );
});

test('the program that embeds Python, and a packaged mod_wsgi, are no interpreters', async () => {
  const asked = goodCase();
  const modules = apache.modules.map(each => ({
    ...each,
    ...(each.role === 'mod_wsgi' && { package: 'libapache2-mod-wsgi' }),
    ...(each.role !== 'libpython' && { symbols: 'none' as const }),
  }));
  withProcess(asked, { modules });
  expect(await one(asked, 'running-symbols')).toMatchObject({ state: 'pass', actual: '1 of 1 files have them' });
  withProcess(asked, { modules: modules.filter(({ role }) => role === 'executable') });
  expect(await one(asked, 'running-symbols')).toMatchObject({
    state: 'fail',
    actual: expect.stringContaining('/usr/sbin/apache2 (build-id aa11, apache2-bin) has no symbols'),
  });
});

test('a replaced program is mended by a preparation that may restart it, else by a person', async () => {
  const replaced = ['/usr/sbin/apache2'];
  const may = goodCase({ restartReplaced: true });
  withProcess(may, { replaced });
  expect(await one(may, 'replaced-programs')).toMatchObject({
    state: 'fail',
    fix: 'runbook prepare --host web3 --only replaced-programs',
  });
  const foreign = goodCase({ restartReplaced: true });
  foreign.facts.pythons = [
    { ...apache, replaced },
    { ...apache, pid: 99, services: [], replaced },
  ];
  expect((await one(foreign, 'replaced-programs')).fix).toBe(
    'on web3, as root: service apache2 restart; restart what started pid 99',
  );
  const own = goodCase();
  withProcess(own, { replaced });
  own.host = { ...host, services: [{ name: 'apache2', restart: 'apachectl graceful' }] };
  expect((await one(own, 'replaced-programs')).fix).toBe('on web3, as root: apachectl graceful');
});

test('where nothing runs, is installed or is limited, the checks of it do not apply', async () => {
  const asked = goodCase();
  asked.facts.pythons = [];
  asked.facts.cores = [];
  asked.facts.sysctls = new Map(asked.facts.sysctls).set('kernel.yama.ptrace_scope', undefined);
  delete asked.facts.aptVersion;
  withPackage(asked, 'gdb', { status: 'absent', offered: '13' });
  delete asked.facts.gdbHasPython;
  const states = Object.fromEntries((await judged(asked)).map(({ id, state }) => [id, state]));
  expect(states).toMatchObject({
    'running-symbols': 'not-applicable',
    'running-modules': 'not-applicable',
    'replaced-programs': 'not-applicable',
    'sysctl:kernel.yama.ptrace_scope': 'not-applicable',
    'release-sources': 'not-applicable',
    'gdb-python': 'not-applicable',
    'package:gdb': 'fail',
    'left-over-cores': 'pass',
    'free-disk': 'pass',
  });
});

test('who is refused root judges what anybody sees, guesses nothing, and is told how to get in', async () => {
  const asked = goodCase();
  asked.facts.access = 'none';
  asked.facts.refusal = 'sudo: a password is required';
  asked.facts.pythons = [];
  delete asked.facts.sudoers;
  withFile(asked, profilePaths.sudoRule, { status: 'unreadable' });
  const results = await judged(asked);
  expect(results.filter(({ state }) => state === 'error').map(({ id }) => id)).toEqual([
    'left-over-cores',
    'free-disk',
    'replaced-programs',
    'running-symbols',
    'running-modules',
  ]);
  expect(results.find(({ id }) => id === 'free-disk')).toMatchObject({
    actual: 'not seen: sudo refuses "ops": sudo: a password is required',
    fix: expect.stringContaining('runbook prepare --host web3'),
  });
  expect(results.filter(({ state }) => state === 'fail').map(({ id }) => id)).toEqual(['sudo-rule']);
  asked.facts.disk = { path: '/var/tmp', freeBytes: 1, totalBytes: 2 };
  expect((await one(goodCaseWithMinimum(asked), 'free-disk')).state).toBe('fail');
});

test('a rule that cannot be tried, as there is no program to run, is not judged', async () => {
  const asked = goodCase();
  asked.facts.access = 'none';
  asked.facts.refusal = 'sudo: a password is required';
  withFile(asked, programPath, { status: 'absent' });
  withFile(asked, profilePaths.sudoRule, { status: 'unreadable' });
  const results = await judged(asked);
  expect(results.filter(({ state }) => state === 'fail').map(({ id }) => id)).toEqual(['host-program']);
  expect(results.find(({ id }) => id === 'sudo-rule')?.state).toBe('error');
});

function goodCaseWithMinimum(asked: Case): Case {
  return { ...asked, profile: goodCase({ minFreeDiskBytes: 2 ** 30 }).profile };
}

test('what the host did not tell is an error, with the reason that it gave', async () => {
  const asked = goodCase();
  asked.facts.files = new Map();
  asked.facts.packages = new Map();
  asked.facts.sysctls = new Map();
  asked.facts.repositories = [];
  delete asked.facts.disk;
  asked.facts.gaps = [{ what: `file ${programPath}`, why: 'stat failed', fix: 'see stat' }];
  const results = await judged(asked);
  const told = results.filter(({ state }) => state !== 'error').map(({ id }) => id);
  expect(told).toEqual([
    'left-over-cores',
    'replaced-programs',
    'running-symbols',
    'running-modules',
    'gdb-python',
    'clock',
  ]);
  expect(results.find(({ id }) => id === 'host-program')).toMatchObject({
    actual: 'not seen: stat failed',
    fix: 'see stat',
  });
});

test('whether a source offers symbols that are wanted only then must be known', async () => {
  const asked = goodCase();
  withPackage(asked, 'apache2-bin-dbgsym', { status: 'absent' });
  expect((await one(asked, 'package:apache2-bin-dbgsym')).state).toBe('error');
});

test('a release past its support needs sources that answer: else apt is pointed at the archive', async () => {
  expect(
    await judgeSources(releaseCase('debian', '10', 'buster', 'http://deb.debian.org/debian', false)),
  ).toMatchObject({
    state: 'fail',
    actual: 'no answer from http://deb.debian.org/debian buster: 404 Not Found; support ended on 2024-06-30',
    fix: String.raw`point apt at the archive: on web3, as root: sed -Ei 's#http://deb\.debian\.org/debian/?( |$)#http://archive.debian.org/debian\1#' $(find /etc/apt/sources.list /etc/apt/sources.list.d -type f) && echo 'Acquire::Check-Valid-Until "false";' > /etc/apt/apt.conf.d/90archived && apt-get update`,
  });
  expect(
    (await judgeSources(releaseCase('debian', '9', 'stretch', 'http://security.debian.org/debian-security', false)))
      .fix,
  ).toContain('http://archive.debian.org/debian-security');
  expect(
    (await judgeSources(releaseCase('ubuntu', '23.10', 'mantic', 'http://archive.ubuntu.com/ubuntu', false))).fix,
  ).toContain('http://old-releases.ubuntu.com/ubuntu');
  expect(
    await judgeSources(releaseCase('debian', '10', 'buster', 'http://archive.debian.org/debian', true)),
  ).toMatchObject({
    state: 'pass',
    actual: 'they answer; support ended on 2024-06-30',
  });
  expect(await judgeSources(releaseCase('debian', '', 'sid', 'http://127.0.0.1/debian', true))).toMatchObject({
    state: 'pass',
  });
  expect(await judgeSources(releaseCase('linuxmint', '21.3', 'virginia', 'http://127.0.0.1/mint', true))).toMatchObject(
    {
      state: 'warn',
      actual: '"linuxmint 21.3" (linuxmint 21.3 virginia) is not known here',
    },
  );
});

test('a clock may differ by five seconds and by half of the time that asking took', async () => {
  const asked = goodCase();
  asked.received = new Date(now.getTime() + 20_000);
  asked.facts.clockSeconds = now.getTime() / 1000 - 4.9;
  expect((await one(asked, 'clock')).state).toBe('pass');
  asked.facts.clockSeconds = now.getTime() / 1000 - 5.1;
  expect(await one(asked, 'clock')).toMatchObject({ state: 'warn', actual: '15.1 s behind' });
});

test.each([
  [-1, 'fail', 'the key expired on 2026-11-24'],
  [10, 'warn', 'the key expires on 2026-12-05, in 10 days'],
  [29, 'warn', 'the key expires on 2026-12-24, in 29 days'],
  [31, 'pass', 'it does; the key expires on 2026-12-26'],
  [undefined, 'pass', 'it does; the key does not expire'],
] as const)('a key that expires in %s days: %s', async (expiresInDays, state, actual) => {
  const asked = goodCase({}, await makeKey(expiresInDays));
  expect(await one(asked, 'symbol-key')).toMatchObject({ state, actual });
});

test('of several keys those count that the check of the signature names, and of those the one that lasts', async () => {
  const [soon, late] = [await makeKey(10), await makeKey(400)];
  const asked = goodCase({}, `${soon}\n${late}`);
  expect((await one(asked, 'symbol-key')).actual).toBe('it does; the key expires on 2027-12-30');
  const { readKey } = await import('openpgp');
  const fingerprint = (await readKey({ armoredKey: soon })).getFingerprint().toUpperCase();
  withRepository(asked, 'symbols', { said: `gpgv: Good signature, using EDDSA key ${fingerprint}` });
  expect(await one(asked, 'symbol-key')).toMatchObject({ state: 'warn', severity: 'warning' });
});

test('a keyring of a package may be a link', async () => {
  const asked = goodCase({ symbolSources: [{ url: 'http://127.0.0.1:8/d', suites: ['x'], components: ['main'] }] });
  const path = '/usr/share/keyrings/debian-archive-keyring.gpg';
  changeFile(asked, path, { kind: 'link', mode: '0777' });
  expect(await one(asked, 'symbol-key')).toMatchObject({ state: 'fail', actual: `${path} leads to nothing` });
  changeFile(asked, path, { target: { kind: 'file', mode: '0666', owner: 'root' } });
  expect(await one(asked, 'symbol-key')).toMatchObject({ state: 'fail', actual: expect.stringContaining('0666') });
  changeFile(asked, path, { target: { kind: 'file', mode: '0644', owner: 'root' } });
  withRepository(asked, 'symbols', { keyring: { path, base64: Buffer.from(await makeKey(400)).toString('base64') } });
  expect((await one(asked, 'symbol-key')).state).toBe('pass');
});

test('a keyring of a package that holds no key fails, and one that the host did not send is not judged', async () => {
  const asked = goodCase({ symbolSources: [{ url: 'http://127.0.0.1:8/d', suites: ['x'], components: ['main'] }] });
  expect(await one(asked, 'symbol-key')).toMatchObject({
    state: 'fail',
    actual: expect.stringMatching(/debian-archive-keyring\.gpg holds no usable OpenPGP key: /),
  });
  asked.facts.repositories = withoutKeyring(asked);
  expect((await one(asked, 'symbol-key')).state).toBe('error');
});
