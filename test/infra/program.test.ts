import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { remote } from '@pulumi/command';
import * as pulumi from '@pulumi/pulumi';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { agentsOf } from '../../infra/agent.ts';
import { connectionOf } from '../../infra/connection.ts';
import { PreparedHost } from '../../infra/prepared-host.ts';
import { program } from '../../infra/program.ts';
import { loadFleet } from '../../src/fleet/load-fleet.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';
import { makeStack, requirePulumi, type TestStack } from '../support/pulumi/engine.ts';
import { markerReadiness, nastyFile, preparedLog, stubborn, wantedFile } from './marker-readiness.ts';

const run = promisify(execFile);
const command = 'web3-preparation';
/** Stands for what must reach no state and no output. */
const canary = 'canary-7f3a9c';

let host: TestHost;
let stack: TestStack;
/** All that was said, and all states that there were. */
const seen: string[] = [];

const declare = async (): Promise<Record<string, unknown>> => ({
  ...(await program({ readiness: markerReadiness, answerSeconds: 6 })),
});

beforeEach(context => {
  requireRoot(context);
  requirePulumi(context);
});

beforeAll(async () => {
  if (!requireRoot.isRoot || !requirePulumi.isThere) return;
  process.env['HANGAR_TEST_SECRET'] = canary;
  [host, stack] = await Promise.all([startHost({ name: 'web3', release: 'bullseye' }), makeStack()]);
  await stack.writeFleet({ hosts: { web3: entry(host) } });
});

afterAll(async () => {
  await stack?.remove();
  await host?.stop();
});

function entry({ address, hostKey, identityFile }: TestHost): Record<string, unknown> {
  return { address, user: 'ops', hostKey, identityFile };
}

async function preview(options: Parameters<TestStack['preview']>[1] = {}): ReturnType<TestStack['preview']> {
  return remember(await stack.preview(declare, options));
}

async function up(options: Parameters<TestStack['up']>[1] = {}): ReturnType<TestStack['up']> {
  return remember(await stack.up(declare, options));
}

async function remember<T extends { readonly text: string }>(told: T): Promise<T> {
  seen.push(told.text, await stack.state());
  return told;
}

/** Everything of the host's disk that could change: when, and what was installed. */
async function traces(): Promise<string> {
  const { stdout } = await host.run(
    `find / -xdev -newermt '2000-01-01' -type f -not -path '/proc/*' -printf '%p %T@ %s\\n' | sort; cat ${preparedLog}`,
  );
  return stdout;
}

function urnOf(name: string): string {
  return `urn:pulumi:test::hangar::hangar:index:PreparedHost$command:remote:Command::${name}-preparation`;
}

/** It no longer says a word, to new connections and old ones. */
function silence({ link }: TestHost): Promise<unknown> {
  return run('iptables', ['-I', 'INPUT', '-i', link, '-j', 'DROP']);
}

function unsilence({ link }: TestHost): Promise<unknown> {
  return run('iptables', ['-D', 'INPUT', '-i', link, '-j', 'DROP']);
}

async function preparations(): Promise<number> {
  return Number((await host.run(`cat ${preparedLog} 2>/dev/null | wc -l`)).stdout);
}

describe('a host of the fleet', () => {
  test('is created by the first up, which leaves it ready', async () => {
    const first = await preview();
    expect(first.changes[command]).toBe('create');
    expect(await preparations()).toBe(0);
    const done = await up();
    expect(done, done.text).toMatchObject({ succeeded: true, changes: { [command]: 'create' } });
    expect(await preparations()).toBe(1);
    expect(await stack.outputs()).toMatchObject({
      hosts: { web3: { address: host.address, hostKey: host.hostKey, ready: true, versions: { wanted: '1' } } },
    });
  });

  test('is not touched by a second up, and nothing changes on its disk', async () => {
    const before = await traces();
    const second = await up();
    expect(second, second.text).toMatchObject({ succeeded: true, changes: {} });
    expect((await preview({ expectNoChanges: true })).succeeded).toBe(true);
    expect(await traces()).toBe(before);
  });

  test('that was changed by hand shows what it lacks in words, as one update, until up mends it', async () => {
    await host.run(`rm ${wantedFile}`);
    const drifted = await preview();
    expect(drifted.changes).toEqual({ [command]: 'update' });
    expect(changedLines(drifted.text)).toEqual([expect.stringMatching(/^~ update .*# file:\/srv\/wanted: absent/)]);
    expect(drifted.messages[command]).toEqual([expect.stringMatching(/^warning: file:\/srv\/wanted: absent/)]);
    expect((await preview({ expectNoChanges: true })).succeeded).toBe(false);
    expect((await host.run(`ls ${wantedFile}`)).code).not.toBe(0);

    expect(await up()).toMatchObject({ succeeded: true, changes: { [command]: 'update' } });
    expect((await host.run(`ls ${wantedFile}`)).code).toBe(0);
    expect(await preview({ expectNoChanges: true })).toMatchObject({ succeeded: true, changes: {} });
  });

  test('that comes to lack the same again shows it again', async () => {
    for (let times = 0; times < 2; times++) {
      await host.run(`rm ${wantedFile}`);
      expect((await preview()).changes).toEqual({ [command]: 'update' });
      expect(await up()).toMatchObject({ succeeded: true, changes: { [command]: 'update' } });
      expect((await preview()).changes).toEqual({});
    }
  });

  test('that was mended without Pulumi shows no change', async () => {
    await host.run(`rm ${wantedFile}; touch ${wantedFile}`);
    expect(await preview({ expectNoChanges: true })).toMatchObject({ succeeded: true, changes: {} });
  });

  test('runs nothing of the words in which it says what it lacks', async () => {
    await host.run(`rm ${nastyFile}`);
    expect(await up()).toMatchObject({ succeeded: true });
    expect((await host.run('ls /srv/ran')).code).not.toBe(0);
  });

  test('tells warnings, and is not changed for them', async () => {
    await host.run('touch /srv/warn');
    const told = await up({ expectNoChanges: true });
    expect(told, told.text).toMatchObject({ succeeded: true, changes: {} });
    expect(told.messages[command]).toEqual(['warning: clock: 40 s off, expected at most 30 s']);
    await host.run('rm /srv/warn');
  });

  test('is mended by the plan that a preview saved', async () => {
    await host.run(`rm ${wantedFile}`);
    const plan = join(stack.folder, 'plan.json');
    expect(await preview({ plan })).toMatchObject({ succeeded: true, changes: { [command]: 'update' } });
    const planned = await up({ plan });
    expect(planned, planned.text).toMatchObject({ succeeded: true, changes: { [command]: 'update' } });
    expect((await preview()).changes).toEqual({});
  });

  test('that still lacks something after its preparation makes up fail in the same words, and shows it again', async () => {
    await host.run(`touch ${stubborn}; rm ${wantedFile}`);
    const failed = await up();
    expect(failed.succeeded).toBe(false);
    expect(failed.text).toMatch(/"web3" is not ready after its preparation: file:\/srv\/wanted: absent/);
    expect((await preview()).changes).toEqual({ [command]: 'update' });
    await host.run(`rm ${stubborn}`);
    expect(await up()).toMatchObject({ succeeded: true, changes: { [command]: 'update' } });
    expect((await preview()).changes).toEqual({});
  });

  test('with another key to log in with shows no change as long as it is ready, and is then mended with that key', async () => {
    const identityFile = join(stack.folder, 'rotated');
    await run('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-C', canary, '-f', identityFile]);
    const publicKey = await readFile(`${identityFile}.pub`, 'utf8');
    await host.run(`echo '${publicKey.trim()}' >/home/ops/.ssh/authorized_keys`);
    host = { ...host, identityFile };
    await stack.writeFleet({ hosts: { web3: entry(host) } });
    expect(await preview({ expectNoChanges: true })).toMatchObject({ succeeded: true, changes: {} });
    await host.run(`rm ${wantedFile}`);
    expect(await up()).toMatchObject({ succeeded: true, changes: { [command]: 'update' } });
  });

  test('that cannot be reached is told as that, and its resource stays as it is', async () => {
    await silence(host);
    try {
      const told = await up({ expectNoChanges: true });
      expect(told, told.text).toMatchObject({ succeeded: true, changes: {} });
      expect(told.messages[command]).toEqual([
        expect.stringMatching(/^warning: "web3" did not answer within 6 s; fix: /),
      ]);
      expect(await stack.outputs()).toMatchObject({ hosts: { web3: { ready: false } } });
    } finally {
      await unsilence(host);
    }
    expect(await up()).toMatchObject({ succeeded: true, changes: {} });
    expect(await stack.outputs()).toMatchObject({ hosts: { web3: { ready: true } } });
  });
});

describe('a fleet', () => {
  test('with a new host that cannot be reached fails for that one alone', async () => {
    // Nobody is there (RFC 5737).
    const hosts = { gone: { ...entry(host), address: '192.0.2.9' }, web3: entry(host), web4: entry(host) };
    await stack.writeFleet({ hosts });
    const told = await up();
    expect(told.succeeded).toBe(false);
    expect(told.text).toMatch(/"gone" (did not answer|cannot be reached).*; fix: /);
    const resources = await stack.resources();
    expect(resources).toContain('web4-preparation');
    expect(resources).not.toContain('gone-preparation');
  });

  test('of which one host is targeted leaves the others as they are', async () => {
    await stack.writeFleet({ hosts: { web3: entry(host), web4: entry(host) } });
    await host.run(`rm ${wantedFile}`);
    const target = [urnOf('web4')];
    const told = await up({ target });
    expect(told, told.text).toMatchObject({ succeeded: true, changes: { 'web4-preparation': 'update' } });
  });

  test('reaches a host through another, whose key is verified as well', async () => {
    const inner = { ...entry(host), address: '127.0.0.1', jump: 'web3' };
    await stack.writeFleet({ hosts: { web3: entry(host), web4: entry(host), inner } });
    const before = await preparations();
    const told = await up();
    expect(told, told.text).toMatchObject({ succeeded: true, changes: { 'inner-preparation': 'create' } });
    expect(await preparations()).toBe(before + 1);
    await stack.writeFleet({ hosts: { web3: entry(host), web4: entry(host) } });
  });

  test('that has another key than the one known is not connected to', async () => {
    const stranger = { ...entry(host), hostKey: host.hostKey.replace(/....$/, 'AAAA') };
    await stack.writeFleet({ hosts: { web3: entry(host), web4: entry(host), stranger } });
    const told = await up();
    expect(told.succeeded).toBe(false);
    expect(told.text).toMatch(/"stranger" shows the host key .*, which is not the one expected/);
    await stack.writeFleet({ hosts: { web3: entry(host), web4: entry(host) } });
  });

  test('with a new host that lacks something after its preparation fails, and goes on with it at the next up', async () => {
    await stack.writeFleet({ hosts: { web3: entry(host), web4: entry(host), late: entry(host) } });
    await host.run(`touch ${stubborn}; rm ${wantedFile}`);
    // Pulumi makes no new resource without the one above it.
    const target = ['urn:pulumi:test::hangar::hangar:index:PreparedHost::late', urnOf('late')];
    const failed = await up({ target });
    expect(failed.succeeded).toBe(false);
    expect(failed.text).toContain('"late" is not ready after its preparation');
    await host.run(`rm ${stubborn}`);
    const told = await up({ target });
    expect(told, told.text).toMatchObject({ succeeded: true, changes: { 'late-preparation': 'update' } });
    await stack.writeFleet({ hosts: { web3: entry(host), web4: entry(host) } });
  });

  test('of which some are selected', async () => {
    await stack.configure('hosts', 'web4');
    const told = await preview();
    expect(told.changes).toMatchObject({ [command]: 'delete' });
    await stack.configure('hosts', 'web*');
    expect(Object.keys((await preview()).changes)).not.toContain(command);
  });

  test('that names a host which is not there says so, without a stack trace', async () => {
    await stack.configure('hosts', 'web9');
    const told = await preview();
    expect(told.succeeded).toBe(false);
    expect(told.text).toMatch(/UNKNOWN_HOST: "web9": no such host in .*\n  fix: /);
    expect(told.text).not.toMatch(/at .*program\.ts/);
    await stack.configure('hosts', 'all');
  });
});

describe('a machine that the same program makes', () => {
  let other: TestStack;
  beforeAll(async () => {
    if (!requireRoot.isRoot || !requirePulumi.isThere) return;
    other = await makeStack();
    await other.writeFleet({ hosts: { cloud: { ...entry(host), address: '192.0.2.1' } } });
    await host.run(`rm -f ${wantedFile}`);
  });
  afterAll(() => other?.remove());

  /** The address is the output of a resource, so that a preview does not know it before that is there. */
  const declareCloud = async (name = 'cloud'): Promise<Record<string, unknown>> => {
    const fleet = await loadFleet(join(other.folder, 'fleet.yaml'));
    const found = fleet.hosts.get('cloud');
    if (found === undefined) throw new Error('no host');
    const agents = agentsOf('cloud');
    const { connection } = await connectionOf(found, agents, fleet);
    if (!pulumi.runtime.isDryRun()) await agents.serve();
    const machine = new remote.Command('machine', {
      connection: { ...connection, host: host.address },
      create: `echo ${host.address}`,
      logging: 'none',
    });
    const args = {
      host: found,
      connection: { ...connection, host: machine.stdout },
      readiness: markerReadiness(fleet),
      limits: { answerSeconds: 6, bootSeconds: 10 },
    };
    const prepared = new PreparedHost(name, args, { aliases: [{ name: 'cloud' }] });
    return { ready: prepared.ready, address: prepared.address };
  };

  test('is prepared on its first up', async () => {
    const planned = await other.preview(() => declareCloud());
    expect(planned, planned.text).toMatchObject({ succeeded: true, changes: { 'cloud-preparation': 'create' } });
    const made = await other.up(() => declareCloud());
    expect(made, made.text).toMatchObject({ succeeded: true });
    expect((await host.run(`ls ${wantedFile}`)).code).toBe(0);
    expect(await other.outputs()).toMatchObject({ ready: true, address: host.address });
  });

  test('keeps its state under another name, where that is an alias', async () => {
    const { text } = await other.preview(() => declareCloud('renamed'));
    expect(text).not.toMatch(/\((create|delete|update|replace)\)/);
  });

  test('shows what it lacks as any other, and else no change, reachable or not', async () => {
    expect((await other.preview(() => declareCloud())).changes).toEqual({});
    await host.run(`rm ${wantedFile}`);
    const drifted = await other.preview(() => declareCloud());
    expect(drifted.changes).toEqual({ 'cloud-preparation': 'update' });
    expect(await other.up(() => declareCloud())).toMatchObject({ succeeded: true });
    expect((await other.preview(() => declareCloud())).changes).toEqual({});
    await silence(host);
    try {
      expect((await other.preview(() => declareCloud())).changes).toEqual({});
    } finally {
      await unsilence(host);
    }
  });
});

describe('a host that is gone', () => {
  test('is taken out of the fleet, and out of the stack, without being asked', async () => {
    await host.stop();
    await stack.writeFleet({ hosts: { web3: entry(host) } });
    const told = await up();
    expect(told, told.text).toMatchObject({ succeeded: true, changes: { 'web4-preparation': 'delete' } });
  });

  test('does not keep the stack from being destroyed', async () => {
    const told = await remember(await stack.destroy());
    expect(told, told.text).toMatchObject({ succeeded: true, changes: { [command]: 'delete' } });
  });

  test('has left no key, no secret and no output of its preparation in any state or message', async () => {
    const text = seen.join('\n');
    const key = await readFile(join(stack.folder, 'rotated'), 'utf8');
    const secrets = [
      canary,
      'PRIVATE KEY',
      'what the script printed',
      ...key.split('\n').filter(line => line.length > 40),
    ];
    for (const secret of secrets) expect(text.includes(secret), secret).toBe(false);
    expect(text).toContain('web3-preparation');
  });
});

/** What a preview shows with a `~` before it, below a resource. */
function changedLines(text: string): readonly string[] {
  const [resources = ''] = text.split('--outputs:--');
  return resources
    .split('\n')
    .flatMap(line => /^\s+(~ (?!command:)\S+ .*)$/.exec(line)?.[1]?.replace(/\s+/g, ' ') ?? []);
}
