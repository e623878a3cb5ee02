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

const declare = async (): Promise<Record<string, unknown>> => ({ ...(await program()) });

beforeEach(context => {
  requireRoot(context);
  requirePulumi(context);
});

beforeAll(async () => {
  if (!requireRoot.isRoot || !requirePulumi.isThere) return;
  [bare, stack] = await Promise.all([startBareHost('bullseye-bare'), makeStack()]);
  await stack.configure('fleet', join(bare.controller.folder, 'fleet.yaml'));
  await stack.up(declare);
});
afterAll(async () => {
  await stack?.remove();
  await bare?.stop();
});

/** The first of each check: what there is more is for `prepare` to show. */
const shown = mutations.filter(({ id }, index) => mutations.findIndex(each => each.id === id) === index);

test.each(shown)('$what shows in a preview as one update that says so, and up mends that alone', async mutation => {
  await bare.run(mutation.command);
  expect(await fromPreviewToPreview()).toEqual(mendedAlone(mutation.id));
});

test('a disk full of packages shows in a preview as one update that says so, and up makes room', async () => {
  const freeKilobytes = Number(await bare.run("df -Pk /var/tmp | awk 'END { print $4 }'"));
  await bare.setProfile({ minFreeDisk: `${Math.floor(freeKilobytes / 1024) - 64}MiB` });
  await bare.run('fallocate -l 128M /var/cache/apt/archives/others_1_all.deb');
  expect(await fromPreviewToPreview()).toEqual(mendedAlone('free-disk'));
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
  expect(await fromPreviewToPreview()).toEqual(mendedAlone('replaced-programs'));
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

interface Mended {
  /** Ids of what compliance finds. */
  readonly found: readonly string[];
  /** Whether a preview says that, and nothing else, in the same words. */
  readonly isSaid: boolean;
  readonly preview: Told['changes'];
  readonly up: Told['changes'];
  /** Of the preview after that. */
  readonly next: Told['changes'];
  readonly left: readonly string[];
}

function mendedAlone(id: string): Mended {
  const update = { [command]: 'update' };
  return { found: [id], isSaid: true, preview: update, up: update, next: {}, left: [] };
}

async function fromPreviewToPreview(): Promise<Mended> {
  const deviating = found(await bare.compliance());
  const words = deviating.map(({ id, actual, expected }) => `${id}: ${actual}, expected ${expected}`);
  const preview = succeeded(await stack.preview(declare));
  const up = succeeded(await stack.up(declare));
  const next = succeeded(await stack.preview(declare, { expectNoChanges: true }));
  return {
    found: deviating.map(({ id }) => id),
    isSaid: warnings(preview).join('\n') === words.join('\n'),
    preview: preview.changes,
    up: up.changes,
    next: next.changes,
    left: warnings(next),
  };
}

function succeeded(told: Told): Told {
  if (!told.succeeded) throw new Error(told.text);
  return told;
}

function found({ compliance }: Checked) {
  return (compliance.hosts[0]?.checks ?? []).filter(({ state }) => state !== 'pass' && state !== 'not-applicable');
}

function warnings({ messages }: Told): readonly string[] {
  return (messages[command] ?? []).map(text => text.replace(/^warning: /, ''));
}
