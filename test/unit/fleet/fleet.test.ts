import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Fleet } from '../../../src/fleet/fleet.ts';
import { loadFleet } from '../../../src/fleet/load-fleet.ts';
import { selectHosts } from '../../../src/fleet/select-hosts.ts';

async function load(text: string): Promise<Fleet> {
  const folder = await mkdtemp(join(tmpdir(), 'hangar-fleet-'));
  try {
    const path = join(folder, 'fleet.yaml');
    await writeFile(path, text);
    return await loadFleet(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const example = `version: 1
defaults: { user: ops, become: sudo }
hosts:
  web3:
    address: 10.77.0.3
    labels: { role: web }
    services:
      - { name: apache2, check: "http://127.0.0.1/health", match: "wsgi:shop" }
      - worker
  web4: { user: root, become: none, labels: { role: web, env: test } }
  db1:
`;

test('hosts have their own values, else the defaults; a bare service name is a service', async () => {
  const { hosts } = await load(example);
  expect([...hosts.keys()]).toEqual(['web3', 'web4', 'db1']);
  expect(hosts.get('web3')).toMatchObject({
    user: 'ops',
    become: 'sudo',
    services: [{ name: 'apache2', match: 'wsgi:shop' }, { name: 'worker' }],
  });
  expect(hosts.get('web4')).toMatchObject({ user: 'root', become: 'none', services: [] });
});

test('every problem of a file is told at once, with its place and its line', async () => {
  const text = `version: 1
defaults: { user: ops, becom: sudo }
hosts:
  web3:
    adress: 10.77.0.3
    hostKey: nonsense
    port: 99999
    services: [{ nam: apache2 }]
`;
  await expect(load(text)).rejects.toMatchObject({ code: 'INVALID_FLEET', exitCode: 2 });
  const message = await load(text).then(
    () => '',
    (error: unknown) => (error instanceof Error ? error.message : ''),
  );
  expect(message.match(/fleet\.yaml:\d+:\d+: .*/g)).toEqual([
    'fleet.yaml:2:24: "becom" is not known here',
    'fleet.yaml:5:5: "adress" is not known here',
    'fleet.yaml:6:14: a host key is `TYPE BASE64`, as in known_hosts',
    'fleet.yaml:7:11: too big: expected number to be <=65535',
    'fleet.yaml:8:16: "name" is missing',
    'fleet.yaml:8:18: "nam" is not known here',
  ]);
});

test('what one part of the file says of another is checked', async () => {
  const text = `version: 1
hosts:
  all: {}
  web3: { jump: web3, profile: gone, services: [a, a] }
`;
  await expect(load(text)).rejects.toThrow(
    /"all" is not a host name[\s\S]*its own jump host[\s\S]*no profile "gone"[\s\S]*two services "a"/,
  );
});

test('a file that is no YAML, and one that is not there, are told as such', async () => {
  await expect(load('hosts: [')).rejects.toMatchObject({ code: 'INVALID_FLEET' });
  await expect(loadFleet('/nowhere/fleet.yaml')).rejects.toMatchObject({ code: 'NO_FLEET_FILE' });
});

test.each([
  [['web3'], [], ['web3']],
  [['web*'], [], ['web3', 'web4']],
  [['role=web'], ['env=test'], ['web3']],
  [['all'], ['web*'], ['db1']],
  [['db1', 'web3', 'web?'], [], ['web3', 'web4', 'db1']],
])('%s without %s selects %s', async (host, except, names) => {
  expect(selectHosts(await load(example), { host, except }).map(({ name }) => name)).toEqual(names);
});

test('an unknown name and an empty selection are errors (2)', async () => {
  const fleet = await load(example);
  expect(() => selectHosts(fleet, { host: ['web9'], except: [] })).toThrow(
    /"web9": no such host .* which has web3, web4, db1/,
  );
  expect(() => selectHosts(fleet, { host: ['role=mail'], except: [] })).toThrow(/no host is selected by "role=mail"/);
  expect(() => selectHosts(fleet, { host: [], except: [] })).toThrow(/no host is named/);
});

test('without a fleet file an ssh destination is taken as it is', () => {
  expect(selectHosts(undefined, { host: ['ops@web3.example', 'ssh://root@10.0.0.1:2222'], except: [] })).toMatchObject([
    { name: 'ops@web3.example', user: 'ops', become: 'sudo' },
    { name: 'ssh://root@10.0.0.1:2222', user: 'root', port: 2222, become: 'none' },
  ]);
  expect(() => selectHosts(undefined, { host: ['role=web'], except: [] })).toThrow(/is not an ssh destination/);
});
