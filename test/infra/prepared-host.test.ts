import { createRequire } from 'node:module';
import { remote } from '@pulumi/command';
import * as pulumi from '@pulumi/pulumi';
import { beforeAll, expect, test } from 'vitest';
import type { Connection } from '../../infra/connection.ts';
import { PreparedHost } from '../../infra/prepared-host.ts';
import type { Answer, Readiness } from '../../infra/readiness.ts';
import { HangarError } from '../../src/errors.ts';
import type { Host } from '../../src/fleet/host.ts';

interface Declared {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

const declared: Declared[] = [];
beforeAll(async () => {
  await pulumi.runtime.setMocks({
    newResource({ type, name, inputs }) {
      declared.push({ type, name, inputs });
      return { id: `${name}-id`, state: { ...inputs, stdout: '', stderr: '' } };
    },
    call: ({ inputs }) => inputs,
  });
});

const host: Host = { name: 'web3', become: 'sudo', user: 'ops', labels: {}, services: [] };
const connection: Connection = {
  host: '192.0.2.3',
  port: 22,
  user: 'ops',
  hostKey: 'ssh-ed25519 AAAA',
  agentSocketPath: '/run/agent.sock',
  proxy: { host: '192.0.2.1', port: 22, user: 'ops', hostKey: 'ssh-ed25519 BBBB', agentSocketPath: '/run/jump.sock' },
};
const readiness: Readiness = {
  ask: () => Promise.reject(new Error('not to be asked')),
  reach: () => Promise.resolve(),
};
const ready: Answer = {
  status: 'asked',
  machine: { stamp: '0123456789abcdef' },
  deviations: [],
  warnings: [],
  versions: { gdb: '10.1' },
  script: 'echo script',
};
const lacking: Answer = { ...ready, deviations: [{ id: 'package:gdb', words: 'package:gdb: absent\nrm -rf /' }] };
const unreachable: Answer = {
  status: 'unreachable',
  error: new HangarError({ code: 'UNREACHABLE', message: 'gone', fix: 'look', failure: 'unreachable' }),
};

/** What marks a secret between the SDK and the engine. */
const secretMark = '4dabf18193072939515e22adb298388d';

async function declare(name: string, answer: Answer): Promise<{ prepared: PreparedHost; inputs: Declared['inputs'] }> {
  const prepared = new PreparedHost(name, { host, connection, answer, readiness });
  await valueOf(prepared.ready);
  const found = declared.find(each => each.name === `${name}-preparation`);
  if (found === undefined) throw new Error(`${name} declared no command`);
  return { prepared, inputs: found.inputs };
}

function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise(resolve => output.apply(value => resolve(value)));
}

test('the command provider is exactly 1.2.1, as newer numbers of that package are older builds', () => {
  const read: (path: string) => unknown = createRequire(import.meta.url);
  expect(read('../../package.json')).toMatchObject({ dependencies: { '@pulumi/command': '1.2.1' } });
  expect(read('@pulumi/command/package.json')).toMatchObject({ version: '1.2.1' });
  expect(remote.Command).toBeDefined();
});

test.each([
  ['ready', ready],
  ['lacking', lacking],
  ['unreachable', unreachable],
])(
  'the command of a host that is %s verifies keys, hides what it prints, and holds no secret',
  async (name, answer) => {
    const { inputs } = await declare(name, answer);
    expect(inputs).toMatchObject({ logging: 'none', addPreviousOutputInEnv: false });
    expect(Object.keys(inputs).sort()).toEqual([
      'addPreviousOutputInEnv',
      'connection',
      'create',
      'logging',
      'stdin',
      'update',
    ]);
    // Secret as a whole.
    expect(inputs['connection']).toMatchObject({ [secretMark]: expect.any(String), value: connection });
    expect(JSON.stringify(inputs)).not.toMatch(/privateKey|password/i);
  },
);

test('what a host lacks stands behind the command, on one line of harmless characters', async () => {
  const { inputs } = await declare('words', lacking);
  expect(inputs['update']).toMatch(
    /^sudo -n timeout -k 10 1800 sh -eu -s -- [0-9a-f]{16} # package:gdb: absent rm -rf \/$/,
  );
  expect(inputs['create']).toBe(inputs['update']);
  expect(inputs['stdin']).toBe('echo script');
});

test('a host that lacks nothing keeps the stamp that it has', async () => {
  const { inputs, prepared } = await declare('stamped', ready);
  expect(inputs['update']).toBe('sudo -n timeout -k 10 1800 sh -eu -s -- 0123456789abcdef');
  expect(await valueOf(prepared.ready)).toBe(true);
  expect(await valueOf(prepared.versions)).toEqual({ gdb: '10.1' });
  expect(await valueOf(prepared.address)).toBe('192.0.2.3');
});

test('a host that was not asked is not ready, and its command does nothing', async () => {
  const { inputs, prepared } = await declare('gone', unreachable);
  expect(inputs['update']).toBe('false # not asked');
  expect(await valueOf(prepared.ready)).toBe(false);
});

test('the command is a child of the host, named after it', async () => {
  const { prepared } = await declare('parent', ready);
  expect(await valueOf(prepared.command)).toMatch(
    /::hangar:index:PreparedHost\$command:remote:Command::parent-preparation$/,
  );
});
