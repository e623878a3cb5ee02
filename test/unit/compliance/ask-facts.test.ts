import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askFacts, factsCommand } from '../../../src/compliance/ask-facts.ts';
import { factsRequest } from '../../../src/compliance/facts-request.ts';
import type { Host } from '../../../src/fleet/host.ts';
import { type Platform, resolveProfile } from '../../../src/fleet/host-profile.ts';
import { defaultProfile, type Profile } from '../../../src/fleet/profile.ts';
import type { FactsRequest } from '../../../src/host/facts.ts';
import { localShell } from '../../../src/ssh/local-shell.ts';

const profile: Profile = {
  ...defaultProfile,
  pythons: ['3.11'],
  packages: ['htop'],
  sysctls: { 'vm.max_map_count': '262144' },
  coreDirectory: '/srv/cores',
};
const host: Host = { name: 'web3', user: 'ops', become: 'sudo', labels: {}, services: [] };
const nothing: FactsRequest = {
  packages: [],
  wanted: [],
  files: [],
  sysctls: [],
  coreDirectory: '/var/tmp/hangar',
  services: [],
  repositories: [],
};

test.each([
  ['debian', 'bullseye', '2.2.4'],
  ['ubuntu', 'xenial', '1.2.35'],
])('all that the profile needs to know of a host of %s %s is asked', (id, codename, aptVersion) => {
  const request = factsRequest(profile, [{ name: 'shop' }]);
  const platform: Platform = {
    os: { id, versionId: '', codename, name: '' },
    architecture: 'amd64',
    aptVersion,
    user: 'ops',
    packages: new Map(),
    pythons: [],
  };
  const { requirements } = resolveProfile(profile, platform, { become: 'sudo', services: [] });
  const names = requirements.flatMap(each => (each.kind === 'package' ? [each.name] : []));
  expect(request.wanted).toEqual(expect.arrayContaining(names));
  const sources = requirements.flatMap(each => (each.kind === 'symbol-source' ? [each.path, ...each.obsolete] : []));
  expect(sources.length).toBeGreaterThan(1);
  const keys = requirements.flatMap(each => (each.kind === 'symbol-key' ? [each.path] : []));
  expect(request.files).toEqual(expect.arrayContaining([...sources, ...keys, '/srv/cores', '/etc/sudoers.d/hangar']));
  const suites = requirements.flatMap(each => (each.kind === 'symbol-repository' ? each.suites : []));
  const asked = request.repositories.filter(({ distribution }) => distribution === id);
  expect(asked.map(({ suite }) => suite.replace('CODENAME', codename))).toEqual(suites);
});

test('settings, the core directory and the services are those of the profile and the host', () => {
  expect(factsRequest(profile, [{ name: 'shop', match: 'wsgi:shop' }])).toMatchObject({
    sysctls: ['kernel.yama.ptrace_scope', 'vm.max_map_count'],
    coreDirectory: '/srv/cores',
    services: [{ name: 'shop', match: 'wsgi:shop' }],
  });
});

test('where no symbols are wanted, none are asked for', () => {
  const request = factsRequest({ ...profile, symbols: false }, []);
  expect(request.repositories).toEqual([]);
  expect(request.wanted).toEqual(['gdb', 'zstd', 'htop']);
});

test('symbol sources of its own are asked in place of the archives, with the keyring that will be theirs', () => {
  const key = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAEC\n-----END PGP PUBLIC KEY BLOCK-----\n';
  const source = { url: 'http://symbols.example', suites: ['CODENAME'], components: ['main'], key };
  const { repositories } = factsRequest({ ...profile, symbolSources: [source] }, []);
  expect(new Set(repositories.map(({ url }) => url))).toEqual(new Set(['http://symbols.example']));
  expect(new Set(repositories.map(({ keyring }) => keyring))).toEqual(
    new Set(['/usr/share/keyrings/hangar-symbols-1.gpg']),
  );
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hangar-ask-facts-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** This machine, with another sudo. */
async function sessionWith(sudo: string) {
  await writeFile(join(folder, 'sudo'), `#!/bin/sh\n${sudo}\n`, { mode: 0o755 });
  return { host, run: localShell({ env: { PATH: `${folder}:${process.env['PATH']}` } }).run };
}

test('a sudo that refuses is told in its words, and the text on stdin is read by a plain shell', async () => {
  const session = await sessionWith('echo "sudo: a password is required" >&2; exit 1');
  const facts = await askFacts(session, { ...nothing, files: ["/it's | not $(there)"] });
  expect(facts.refusal).toBe('sudo: a password is required');
  expect(facts.files.get("/it's | not $(there)")).toEqual({ status: 'absent' });
});

test('a host without sudo is asked as far as anybody may see', async () => {
  const session = await sessionWith('exit 127');
  expect((await askFacts(session, nothing)).os.id).not.toBe('');
});

test('what a permitted shell prints is taken once', async () => {
  const session = await sessionWith('shift 2; echo "sudo: unable to resolve host web3" >&2; exec "$@"');
  const facts = await askFacts(session, nothing);
  expect(facts).not.toHaveProperty('refusal');
});

test('a program that fails is an error with its words, and is not asked again in another way', async () => {
  const session = await sessionWith('shift 2; exec "$@"');
  await expect(askFacts(session, { ...nothing, coreDirectory: 'relative' })).rejects.toMatchObject({
    code: 'HOST_PROGRAM_FAILED',
    message: `"web3": the host program's "facts" ended with 2: directory 'relative' is not a plain absolute path`,
  });
});

test('an answer that breaks off is an error', async () => {
  const session = await sessionWith('echo facts; exit 0');
  await expect(askFacts(session, nothing)).rejects.toMatchObject({
    code: 'HOST_PROGRAM_FAILED',
    message: '"web3": the reply to "facts" breaks off',
  });
});

test.each([
  { ...host, become: 'none' as const },
  { ...host, user: 'root' },
])('no sudo is asked where none is needed: %j', each => {
  expect(factsCommand(each, nothing).line).toBe('sh -s -- facts cores=/var/tmp/hangar');
});
