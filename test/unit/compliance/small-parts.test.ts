import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constantFrom, sample, stringMatching, tuple } from 'fast-check';
import { expect, test } from 'vitest';
import { compareVersions } from '../../../src/compliance/debian-version.ts';
import { readKeyring } from '../../../src/compliance/key-expiry.ts';
import { isMatch } from '../../../src/compliance/matcher.ts';
import { findRelease, releases } from '../../../src/compliance/release-table.ts';
import { bytesText, durationText, listText } from '../../../src/compliance/units.ts';
import { sudoRule } from '../../../src/host/sudo-rule.ts';
import { days, makeKey, now } from './good-host.ts';

function has(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
}

test('versions are in the order of the Debian manual', () => {
  const sorted = ['1.0~rc1-1', '1.0-1', '1.0-1+b1', '1.0-1.1', '1.0+deb12u1-1', '1.0a-1', '1.2-1', '1.10-1', '1:0.1-1'];
  const ordered = sorted.toSorted(() => 0.5 - sorted.indexOf('1.2-1') / sorted.length).toSorted(compareVersions);
  expect(ordered).toEqual([
    '1.0~rc1-1',
    '1.0-1',
    '1.0-1+b1',
    '1.0-1.1',
    '1.0a-1',
    '1.0+deb12u1-1',
    '1.2-1',
    '1.10-1',
    '1:0.1-1',
  ]);
  expect(compareVersions('1.0', '1.0-0')).toBe(0);
});

test.skipIf(!has('dpkg'))('versions are in the order in which dpkg has them', () => {
  const part = stringMatching(/^[0-9][0-9a-b.+~]{0,5}$/);
  const version = tuple(constantFrom('', '0:', '2:'), part, constantFrom('', '-1', '-1~b', '-0', '-1+b')).map(all =>
    all.join(''),
  );
  const pairs = sample(tuple(version, version), { numRuns: 300, seed: 7 });
  const script = pairs
    .map(
      ([a, b]) =>
        `dpkg --compare-versions '${a}' lt '${b}' && echo lt || { dpkg --compare-versions '${a}' eq '${b}' && echo eq || echo gt; }`,
    )
    .join('\n');
  const said = execFileSync('sh', { input: script, encoding: 'utf8' }).trim().split('\n');
  const ours = pairs.map(([a, b]) => ['lt', 'eq', 'gt'][Math.sign(compareVersions(a, b)) + 1]);
  expect(ours).toEqual(said);
});

test('a matcher asks for all that it holds', () => {
  expect(isMatch({ equals: 12 }, ' 12\n')).toBe(true);
  expect(isMatch({ matches: '^b$' }, 'a\nb\n')).toBe(true);
  expect(isMatch({ matches: '^b$', contains: 'x' }, 'a\nb\n')).toBe(false);
  expect(isMatch({ atLeast: 9, atMost: 10 }, '10')).toBe(true);
  expect(isMatch({ atLeast: 9 }, '8.9')).toBe(false);
  expect(isMatch({ atLeast: 9 }, 'many')).toBe(false);
  expect(isMatch({ atLeast: 0 }, '')).toBe(false);
  expect(isMatch({ atLeast: '1.10' }, '1.9')).toBe(false);
  expect(isMatch({ atMost: '2:1.0~' }, '1.9')).toBe(true);
});

test('amounts are shown in the units of people', () => {
  expect([0, 1023, 1024, 440_401_920, 2 ** 32, 1.5 * 2 ** 40].map(bytesText)).toEqual([
    '0 bytes',
    '1023 bytes',
    '1 KiB',
    '420 MiB',
    '4 GiB',
    '1.5 TiB',
  ]);
  expect([0.25, 59, 60, 5400, 86_400, 14 * 86_400].map(durationText)).toEqual([
    '0.25 s',
    '59 s',
    '1 minute',
    '1.5 hours',
    '1 day',
    '14 days',
  ]);
  expect(listText(['a', 'b', 'c', 'd', 'e'])).toBe('a; b; c; and 2 more');
});

test('a release is found by its name, else by its number', () => {
  expect(findRelease({ id: 'debian', versionId: '12', codename: 'bookworm' })?.supportEnds).toBe('2028-06-30');
  expect(findRelease({ id: 'ubuntu', versionId: '24.04', codename: '' })?.codename).toBe('noble');
  expect(findRelease({ id: 'debian', versionId: '', codename: '' })).toBeUndefined();
  expect(findRelease({ id: 'ubuntu', versionId: '12', codename: 'bookworm' })).toBeUndefined();
});

const distroInfo = '/usr/share/distro-info';
test.skipIf(!existsSync(`${distroInfo}/debian.csv`))('the table of releases is that of distro-info-data', () => {
  for (const distribution of ['debian', 'ubuntu'] as const) {
    const [head = '', ...lines] = readFileSync(`${distroInfo}/${distribution}.csv`, 'utf8').trim().split('\n');
    const columns = head.split(',');
    const rows = new Map(
      lines.map(line => {
        const row = Object.fromEntries(line.split(',').map((value, index) => [columns[index], value]));
        return [row['series'], row] as const;
      }),
    );
    for (const release of releases.filter(each => each.distribution === distribution && rows.has(each.codename))) {
      const row = rows.get(release.codename);
      expect(row?.['version']?.replace(' LTS', '')).toBe(release.version);
      // Dates have been moved by months, and the data of this machine may be older or younger.
      const told = Date.parse(row?.['eol-lts'] || row?.['eol'] || (release.supportEnds ?? '')) || 0;
      expect(Math.abs(told - (Date.parse(release.supportEnds ?? '') || 0))).toBeLessThanOrEqual(400 * days * 1000);
    }
  }
});

test('a keyring is read armoured, with several blocks, and binary; its subkeys end with it at the latest', async () => {
  const [first, second] = [await makeKey(10, 1), await makeKey(undefined)];
  const read = await readKeyring(Buffer.from(`${first}\nbetween\n${second}`));
  if (read.status !== 'read') throw new Error(read.why);
  const ten = now.getTime() + 10 * days * 1000;
  expect(read.keys.map(({ expires, isUsable }) => [expires?.getTime(), isUsable])).toEqual([
    [ten, true],
    [ten, true],
    [undefined, true],
  ]);
  const { readKey } = await import('openpgp');
  const binary = (await readKey({ armoredKey: first })).write();
  expect(await readKeyring(binary)).toEqual({ status: 'read', keys: read.keys.slice(0, 2) });
  expect(await readKeyring(Buffer.from('nonsense'))).toMatchObject({ status: 'unreadable' });
  expect(await readKeyring(Buffer.alloc(0))).toMatchObject({ status: 'unreadable' });
});

test('a revoked key is not usable', async () => {
  const { generateKey, readKey, revokeKey } = await import('openpgp');
  const made = await generateKey({ userIDs: [{ name: 'x' }], date: new Date('2020-01-01') });
  const key = await readKey({ armoredKey: made.publicKey });
  const { publicKey } = await revokeKey({ key, revocationCertificate: made.revocationCertificate, format: 'armored' });
  const read = await readKeyring(Buffer.from(publicKey));
  expect(read).toMatchObject({ status: 'read', keys: [{ isUsable: false }] });
});

test.skipIf(!has('gpg'))("gpg's own keys end when gpg says so", async () => {
  const home = mkdtempSync(join(tmpdir(), 'hangar-gpg-'));
  const gpg = (...args: string[]): Buffer =>
    execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    gpg('--passphrase', '', '--quick-generate-key', 'Symbols <symbols@example.org>', 'rsa2048', 'sign', '2031-03-04');
    const said = gpg('--with-colons', '--list-keys').toString();
    const fields = /^pub:.*$/m.exec(said)?.[0].split(':') ?? [];
    for (const bytes of [gpg('--export'), gpg('--armor', '--export')]) {
      const read = await readKeyring(bytes);
      if (read.status !== 'read') throw new Error(read.why);
      expect(read.keys).toHaveLength(1);
      expect(read.keys[0]?.fingerprint).toMatch(new RegExp(`${fields[4]?.toLowerCase()}$`));
      expect(read.keys[0]?.expires?.getTime()).toBe(Number(fields[6]) * 1000);
    }
  } finally {
    spawnSync('gpgconf', ['--homedir', home, '--kill', 'all']);
    rmSync(home, { recursive: true, force: true });
  }
});

test.skipIf(!has('visudo'))('the sudo rule of any user name is valid, and allows one program', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hangar-sudo-'));
  try {
    for (const user of ['ops', 'web.admin', 'ops@example.net', 'a b', 'domain\\user', 'x,y=(z)!']) {
      const path = join(folder, 'rule');
      writeFileSync(path, sudoRule(user), { mode: 0o440 });
      const { status, stdout, stderr } = spawnSync('visudo', ['-c', '-f', path], { encoding: 'utf8' });
      expect(status, `${user}: ${stdout}${stderr}`).toBe(0);
      rmSync(path);
    }
    expect(sudoRule('ops').split('\n')).toEqual([
      '# Hangar: the host program alone, as root, without a password.',
      'ops ALL=(root) NOPASSWD: /usr/local/lib/hangar/host',
      expect.stringMatching(/^Defaults!\/usr\/local\/lib\/hangar\/host env_reset, !setenv, secure_path="[^"]+", /),
      '',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
