import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadFleet } from '../../../src/fleet/load-fleet.ts';
import type { Profile } from '../../../src/fleet/profile.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hangar-fleet-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function load(profile: string): Promise<Profile | undefined> {
  const path = join(folder, 'fleet.yaml');
  await writeFile(path, `version: 1\nhosts: { web3: { profile: web } }\nprofiles:\n  web: ${profile}\n`);
  return (await loadFleet(path)).profiles.get('web');
}

async function problems(profile: string): Promise<readonly string[]> {
  const error: unknown = await load(profile).catch((thrown: unknown) => thrown);
  if (!(error instanceof Error)) throw new Error('expected the fleet file to be refused');
  return error.message.split('\n').flatMap(line => /fleet\.yaml:(\d+:\d+: .*)/.exec(line)?.[1] ?? []);
}

test('the profile of the contract is read with its units', async () => {
  expect(await load('{ pythons: ["2.7"], symbols: true, keepCores: 14d, minFreeDisk: 4GiB }')).toEqual({
    name: 'web',
    pythons: ['2.7'],
    symbols: true,
    packages: [],
    sysctls: {},
    coreDirectory: '/var/tmp/hangar',
    keepCoresSeconds: 14 * 86_400,
    minFreeDiskBytes: 4 * 2 ** 30,
    freeCores: 2,
    restartReplaced: false,
    allowUpgrades: false,
  });
});

test('an empty profile has what every host needs', async () => {
  expect(await load('{}')).toMatchObject({ name: 'web', symbols: true, minFreeDiskBytes: 0, freeCores: 2 });
});

test('the key of a repository lies beside the fleet file', async () => {
  const key = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n';
  await writeFile(join(folder, 'symbols.asc'), key);
  const profile = await load('{ symbolSources: [{ url: "http://deb.example/dbg/", key: symbols.asc }] }');
  expect(profile?.symbolSources).toEqual([
    { url: 'http://deb.example/dbg', suites: ['CODENAME'], components: ['main'], key },
  ]);
});

test('kernel settings are named with dots, their values are text', async () => {
  const profile = await load('{ sysctls: { net/ipv4/tcp_fin_timeout: 30, kernel.core_pattern: core } }');
  expect(profile?.sysctls).toEqual({ 'net.ipv4.tcp_fin_timeout': '30', 'kernel.core_pattern': 'core' });
});

test('what is wrong is told with its place, all of it', async () => {
  await writeFile(join(folder, 'key'), 'no key');
  const wrong =
    '{ keepCores: long, minFreeDisk: 4X, coreDirectory: var, pythons: [three], symbolSources: [{ url: "http://me:pw@deb.example" }] }';
  expect(await problems(wrong)).toEqual([
    expect.stringMatching(/^4:\d+: an absolute path/),
    expect.stringMatching(/^4:\d+: a Python version/),
    expect.stringMatching(/^4:\d+: a user name or password does not belong here/),
  ]);
  expect(await problems('{ keepCores: long, minFreeDisk: 4X }')).toEqual([
    '4:21: expected a duration like 14d, found "long"',
    '4:40: expected a size like 4GiB, found "4X"',
  ]);
  expect(await problems('{ symbolSources: [{ url: "http://d.example", key: key }] }')).toEqual([
    expect.stringContaining('is not an ASCII armoured OpenPGP public key'),
  ]);
  expect(await problems('{ symbolSources: [{ url: "http://d.example", key: lost }] }')).toEqual([
    expect.stringContaining('cannot be read: ENOENT'),
  ]);
});
