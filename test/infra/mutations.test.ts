import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { program } from '../../infra/program.ts';
import { mutations, replaceInterpreter } from '../support/hosts/mutations.ts';
import { type BareHost, type Checked, startBareHost } from '../support/hosts/ready-host.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { makeStack, requirePulumi, type TestStack, type Told } from '../support/pulumi/engine.ts';

const command = 'web3-preparation';
let bare: BareHost;
let stack: TestStack;
let prepared: Checked;

const declare = async (): Promise<Record<string, unknown>> => ({ ...(await program()) });

beforeEach(context => {
  requireRoot(context);
  requirePulumi(context);
});

beforeAll(async () => {
  if (!requireRoot.isRoot || !requirePulumi.isThere) return;
  [bare, stack] = await Promise.all([startBareHost('bullseye-bare'), makeStack()]);
  await stack.configure('fleet', join(bare.controller.folder, 'fleet.yaml'));
  const made = await stack.up(declare);
  expect(made.succeeded, made.text).toBe(true);
  prepared = await bare.compliance();
});
afterAll(async () => {
  await stack?.remove();
  await bare?.stop();
});

test.each(mutations)('$what shows in a preview as one update that says so, and up mends that alone', async mutation => {
  await bare.run(mutation.command);
  await showsAndMends(mutation.id);
});

test('a disk full of packages shows in a preview as one update that says so, and up makes room', async () => {
  const freeKilobytes = Number(await bare.run("df -Pk /var/tmp | awk 'END { print $4 }'"));
  await bare.setProfile({ minFreeDisk: `${Math.floor(freeKilobytes / 1024) - 64}MiB` });
  await bare.run('fallocate -l 128M /var/cache/apt/archives/others_1_all.deb');
  await showsAndMends('free-disk');
  await bare.setProfile({});
});

test('an interpreter that was replaced under a service is a warning, and a change where the profile has it restarted', async () => {
  await bare.run(replaceInterpreter);
  const told = await stack.up(declare, { expectNoChanges: true });
  expect(told, told.text).toMatchObject({ succeeded: true, changes: {} });
  expect(told.messages[command]).toEqual([
    expect.stringMatching(
      /^warning: replaced-programs: pid \d+ .* runs files that were replaced: \/usr\/bin\/python2\.7/,
    ),
  ]);
  await bare.setProfile({ restartReplaced: true });
  await showsAndMends('replaced-programs');
  await bare.setProfile({});
});

test('a symbol repository that is down is a warning, and no change', async () => {
  await bare.repository.close();
  const told = await stack.up(declare, { expectNoChanges: true });
  expect(told, told.text).toMatchObject({ succeeded: true, changes: {} });
  expect(told.messages[command]).toEqual([
    expect.stringMatching(/^warning: symbol-repository: no answer for bullseye: /),
  ]);
  await bare.repository.open();
  const clean = await stack.preview(declare, { expectNoChanges: true });
  expect([clean.succeeded, clean.messages[command]]).toEqual([true, undefined]);
});

async function showsAndMends(id: string): Promise<void> {
  const words = found(await bare.compliance());
  expect(words.map(each => each.id)).toEqual([id]);
  const drifted = await stack.preview(declare);
  expect([drifted.succeeded, drifted.changes], drifted.text).toEqual([true, { [command]: 'update' }]);
  expect(warnings(drifted)).toEqual(words.map(each => `${each.id}: ${each.actual}, expected ${each.expected}`));
  const mended = await stack.up(declare);
  expect([mended.succeeded, mended.changes], mended.text).toEqual([true, { [command]: 'update' }]);
  const clean = await stack.preview(declare, { expectNoChanges: true });
  expect([clean.succeeded, clean.changes, warnings(clean)], clean.text).toEqual([true, {}, []]);
  expect((await bare.compliance()).states).toEqual(prepared.states);
}

function found({ compliance }: Checked) {
  return (compliance.hosts[0]?.checks ?? []).filter(({ state }) => state !== 'pass' && state !== 'not-applicable');
}

function warnings({ messages }: Told): readonly string[] {
  return (messages[command] ?? []).map(text => text.replace(/^warning: /, ''));
}
