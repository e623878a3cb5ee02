import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openFleet } from '../../src/cli/fleet.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import { fleetOutput } from '../../src/fleet/fleet-output.ts';
import { loadFleet } from '../../src/fleet/load-fleet.ts';
import { makeStack, requirePulumi, type TestStack } from '../support/pulumi/engine.ts';

const written = {
  defaults: { user: 'ops', port: 2222 },
  hosts: {
    web3: {
      address: '192.0.2.3',
      hostKey: 'ssh-ed25519 AAAA',
      labels: { role: 'web' },
      services: ['apache2', { name: 'worker', restart: 'restart it', check: 'true', match: 'work' }],
      profile: 'python-web',
      identityFile: 'keys/web3',
    },
    bastion: { become: 'none' },
  },
  profiles: {
    'python-web': {
      pythons: ['2.7'],
      packages: ['strace'],
      keepCores: '14d',
      minFreeDisk: '4GiB',
      sysctls: { 'kernel.yama.ptrace_scope': 0 },
      symbolSources: [{ url: 'https://symbols.example/debian', key: 'symbols.asc' }],
    },
  },
  approvals: { ask: 'disruptive' },
  schedules: [{ runbook: 'compliance', host: 'all', cron: '0 6 * * *' }],
};
const key = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n';

let stack: TestStack;
let fleet: Fleet;
let env: NodeJS.ProcessEnv;

beforeEach(context => requirePulumi(context));
beforeAll(async () => {
  if (!requirePulumi.isThere) return;
  stack = await makeStack();
  env = { ...process.env, ...stack.env };
  await writeFile(join(stack.folder, 'symbols.asc'), key);
  await stack.writeFleet(written);
  fleet = await loadFleet(join(stack.folder, 'fleet.yaml'));
  await stack.up(async () => ({ fleet: fleetOutput(fleet) }));
});
afterAll(() => stack?.remove());

test('a stack gives the inventory that its fleet file had, with nothing left beside it', async () => {
  await rm(join(stack.folder, 'symbols.asc'));
  const below = join(stack.folder, 'deep/er');
  await mkdir(below, { recursive: true });
  const read = await openFleet({ fleet: 'pulumi:test' }, { cwd: below, env });
  expect(read).toEqual({ ...fleet, path: join(stack.folder, 'pulumi:test') });
  // As a run remembers it, and a resumed one asks for it from elsewhere.
  expect(await openFleet({ fleet: read?.path ?? '' }, { cwd: '/', env })).toEqual(read);
});

test('a stack knows better where its hosts are', () => {
  const reached = new Map([['bastion', { address: '192.0.2.1', hostKey: 'ssh-ed25519 BBBB' }]]);
  expect(fleetOutput(fleet, reached).hosts).toMatchObject({
    bastion: { address: '192.0.2.1', hostKey: 'ssh-ed25519 BBBB' },
    web3: { address: '192.0.2.3' },
  });
});

test('an inventory that is wrong is told like that of a file, by the name of the stack', async () => {
  await stack.up(async () => ({ fleet: { version: 1, hosts: { web3: { prot: 22 } } } }));
  await expect(openFleet({ fleet: 'pulumi:test' }, { cwd: stack.folder, env })).rejects.toMatchObject({
    code: 'INVALID_FLEET',
    message: expect.stringMatching(/pulumi:test:\d+:\d+.*prot/s),
  });
});

test('a stack without an inventory says so', async () => {
  await stack.up(async () => ({ other: 1 }));
  await expect(openFleet({ fleet: 'pulumi:test' }, { cwd: stack.folder, env })).rejects.toMatchObject({
    code: 'NO_FLEET_OUTPUT',
  });
});

test('a stack that there is none of says so', async () => {
  await expect(openFleet({ fleet: 'pulumi:absent' }, { cwd: stack.folder, env })).rejects.toMatchObject({
    code: 'NO_SUCH_STACK',
    message: 'there is no stack "absent"',
  });
});

test('where Pulumi is not logged in, that is said', async () => {
  const { PULUMI_BACKEND_URL: _backend, PULUMI_ACCESS_TOKEN: _token, ...stranger } = env;
  await expect(openFleet({ fleet: 'pulumi:test' }, { cwd: stack.folder, env: stranger })).rejects.toMatchObject({
    code: 'PULUMI_LOGIN',
  });
});

test('where there is no Pulumi, that is said', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'hangar-empty-'));
  await expect(openFleet({ fleet: 'pulumi:test' }, { cwd: stack.folder, env: { PATH: empty } })).rejects.toMatchObject({
    code: 'NO_PULUMI',
  });
  await rm(empty, { recursive: true });
});
