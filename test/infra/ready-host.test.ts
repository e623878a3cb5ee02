import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { program } from '../../infra/program.ts';
import { type BareHost, startBareHost } from '../support/hosts/ready-host.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { makeStack, requirePulumi, type TestStack, type Told } from '../support/pulumi/engine.ts';

const command = 'web3-preparation';
let bare: BareHost;
let stack: TestStack;

const declare = async (): Promise<Record<string, unknown>> => ({ ...(await program()) });

beforeEach(context => {
  requireRoot(context);
  requirePulumi(context);
});

beforeAll(async () => {
  if (!requireRoot.isRoot || !requirePulumi.isThere) return;
  [bare, stack] = await Promise.all([startBareHost('bullseye-bare'), makeStack()]);
  await stack.configure('fleet', join(bare.controller.folder, 'fleet.yaml'));
});

afterAll(async () => {
  await stack?.remove();
  await bare?.stop();
});

/** Ids of what a preview says that the host lacks. */
function lacking({ messages }: Told): readonly string[] {
  return (messages[command] ?? []).flatMap(text => /^warning: (\S+): .*, expected /.exec(text)?.[1] ?? []);
}

test('a bare host is ready after up, by all that compliance asks', async () => {
  const planned = await stack.preview(declare);
  expect(planned.changes[command]).toBe('create');
  expect(lacking(planned)).toContain('package:gdb');
  const made = await stack.up(declare);
  expect(made, made.text).toMatchObject({ succeeded: true, changes: { [command]: 'create' } });
  expect(await stack.outputs()).toMatchObject({
    hosts: { web3: { ready: true, versions: { gdb: expect.stringMatching(/^\d/) } } },
  });
  const { code, states } = await bare.compliance();
  expect({ code, states }).toMatchObject({ code: 0, states: { 'package:gdb': 'pass' } });
});

test('a second up changes nothing, neither in the stack nor on the disk', async () => {
  const disk = `find / -xdev -type f -not -path '/proc/*' -not -path '/home/*' -printf '%p %T@ %s\n' | sort`;
  const before = await bare.run(disk);
  const second = await stack.up(declare);
  expect(second, second.text).toMatchObject({ succeeded: true, changes: {} });
  expect(await bare.run(disk)).toBe(before);
});

test('what `runbook prepare` mends is no change', async () => {
  await bare.run('chmod 755 /var/tmp/hangar');
  expect((await bare.prepare()).changed).toEqual(['core-directory']);
  expect(await stack.preview(declare, { expectNoChanges: true })).toMatchObject({ succeeded: true, changes: {} });
});

test('a profile that asks for more shows just that, and up brings it', async () => {
  await bare.setProfile({ packages: ['strace'] });
  const planned = await stack.preview(declare);
  expect(lacking(planned)).toEqual(['package:strace']);
  expect(await stack.up(declare)).toMatchObject({ succeeded: true, changes: { [command]: 'update' } });
  await bare.setProfile({});
  expect(await stack.preview(declare, { expectNoChanges: true })).toMatchObject({ succeeded: true, changes: {} });
});

test('a repository of symbols that is gone is a warning, and no change', async () => {
  await bare.repository.stop();
  const told = await stack.up(declare, { expectNoChanges: true });
  expect(told, told.text).toMatchObject({ succeeded: true, changes: {} });
  expect(lacking(told)).toContain('symbol-repository');
});
