import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { mutations, replaceInterpreter } from '../support/hosts/mutations.ts';
import { type BareHost, type Checked, startBareHost } from '../support/hosts/ready-host.ts';
import { requireRoot } from '../support/hosts/require-root.ts';

let bare: BareHost;
let prepared: Checked;

beforeAll(async () => {
  if (!requireRoot.isRoot) return;
  bare = await startBareHost('bullseye-bare');
  await bare.prepare();
  prepared = await bare.compliance();
});
afterAll(async () => await bare?.stop());
beforeEach(requireRoot);

describe('a prepared host', () => {
  test('has nothing that a check finds', () => {
    expect([prepared.code, notPassed(prepared)]).toEqual([0, ['not-applicable']]);
  });

  test.each(mutations)('with $what fails $id alone, which mends it and nothing else', async mutation => {
    const { id, command, pointless = [] } = mutation;
    await bare.run(command);
    const mutated = await bare.compliance();
    const others = pointless.map(each => [each, 'not-applicable'] as const);
    expect([mutated.code, changesOf(mutated)]).toEqual([3, { [id]: 'fail', ...Object.fromEntries(others) }]);
    expect(fixOf(mutated, id)).toBe(`runbook prepare --host web3 --only ${id}`);
    await mends(id);
  });

  test('with its disk full of packages fails free-disk alone, which empties the cache of apt', async () => {
    const freeKilobytes = Number(await bare.run("df -Pk /var/tmp | awk 'END { print $4 }'"));
    await bare.setProfile({ minFreeDisk: `${Math.floor(freeKilobytes / 1024) - 64}MiB` });
    await bare.run('fallocate -l 128M /var/cache/apt/archives/others_1_all.deb');
    const mutated = await bare.compliance();
    expect([mutated.code, changesOf(mutated)]).toEqual([3, { 'free-disk': 'fail' }]);
    expect(fixOf(mutated, 'free-disk')).toContain('runbook prepare --host web3 --only free-disk');
    await mends('free-disk');
    await bare.setProfile({});
  });

  test('whose interpreter was replaced under a service warns, and has it restarted only where that is asked for', async () => {
    await bare.run(replaceInterpreter);
    const mutated = await bare.compliance();
    expect([mutated.code, changesOf(mutated)]).toEqual([4, { 'replaced-programs': 'warn' }]);
    expect(fixOf(mutated, 'replaced-programs')).toBe('on web3, as root: service shop restart');
    const pid = await servicePid();
    const all = await bare.prepare();
    expect([all.code, all.changed, await servicePid()]).toEqual([0, [], pid]);
    await mends('replaced-programs');
    expect(await servicePid()).not.toBe(pid);

    await bare.setProfile({ restartReplaced: true });
    await bare.run(replaceInterpreter);
    const strict = await bare.compliance();
    expect([strict.code, changesOf(strict)]).toEqual([3, { 'replaced-programs': 'fail' }]);
    const restarted = await bare.prepare();
    expect([restarted.code, restarted.changed]).toEqual([0, ['replaced-programs']]);
    expect(changesOf(await bare.compliance())).toEqual({});
    await bare.setProfile({});
  });

  test('whose symbol repository is down warns, and is told that preparing it does not help', async () => {
    await bare.repository.close();
    const mutated = await bare.compliance();
    expect([mutated.code, changesOf(mutated)]).toEqual([4, { 'symbol-repository': 'warn' }]);
    const { url } = bare.repository;
    const fix = `see that ${url} is up and that the host may reach it: on web3, as root: apt-get update`;
    expect(fixOf(mutated, 'symbol-repository')).toBe(fix);
    const named = await bare.controller.run('prepare', '--host', 'web3', '--only', 'symbol-repository');
    expect(named.code).toBe(4);
    expect(named.stdout).toContain(`fix: ${fix}`);
    // What is there already does not need it.
    const all = await bare.prepare();
    expect([all.code, all.changed]).toEqual([0, []]);

    await bare.repository.open();
    expect(changesOf(await bare.compliance())).toEqual({});
  });

  test('whose user has no other right still checks itself by the edited rule, and says what mending that takes', async () => {
    await bare.run('rm /etc/sudoers.d/ops && echo "# looked at" >>/etc/sudoers.d/hangar');
    const mutated = await bare.compliance();
    expect([mutated.code, changesOf(mutated)]).toEqual([3, { 'sudo-rule': 'fail' }]);
    const refused = await bare.prepare('--only', 'sudo-rule');
    expect([refused.code, refused.run.hosts[0]?.error]).toEqual([
      3,
      expect.objectContaining({ code: 'SUDO_REFUSED', fix: howToBecomeRoot }),
    ]);
    await letOpsBecomeRoot();
    await mends('sudo-rule');
  });

  test('whose user may do nothing is told what cannot be seen, never that it passes', async () => {
    await bare.run('rm /etc/sudoers.d/ops /etc/sudoers.d/hangar');
    const mutated = await bare.compliance();
    const errors = ['left-over-cores', 'free-disk', 'replaced-programs', 'running-symbols', 'running-modules'];
    expect([mutated.code, changesOf(mutated)]).toEqual([
      3,
      { 'sudo-rule': 'fail', ...Object.fromEntries(errors.map(id => [id, 'error'])) },
    ]);
    for (const id of ['sudo-rule', ...errors]) expect([id, fixOf(mutated, id)]).toEqual([id, howToBecomeRoot]);
    expect((await bare.prepare('--only', 'sudo-rule')).run.hosts[0]?.error?.fix).toEqual(howToBecomeRoot);
    await letOpsBecomeRoot();
    await mends('sudo-rule');
  });
});

const howToBecomeRoot = expect.stringMatching(
  /^in the fleet file name a `user` who may become root .* or give "ops" full sudo for that; then: runbook prepare --host web3$/,
);

async function mends(id: string): Promise<void> {
  const mended = await bare.prepare('--only', id);
  expect([mended.code, mended.changed], mended.stderr).toEqual([0, [id]]);
  const after = await bare.compliance();
  expect([after.code, changesOf(after)]).toEqual([0, {}]);
}

/** States that are others than those of the prepared host. */
function changesOf({ states }: Checked): Readonly<Record<string, string>> {
  expect(Object.keys(states)).toEqual(Object.keys(prepared.states));
  return Object.fromEntries(Object.entries(states).filter(([id, state]) => prepared.states[id] !== state));
}

function notPassed({ states }: Checked): readonly string[] {
  return [...new Set(Object.values(states))].filter(state => state !== 'pass');
}

function fixOf({ compliance }: Checked, id: string): string | undefined {
  return compliance.hosts[0]?.checks.find(check => check.id === id)?.fix;
}

function servicePid(): Promise<string> {
  return bare.run('cat /run/shop/shop.pid');
}

async function letOpsBecomeRoot(): Promise<void> {
  await bare.run('echo "ops ALL=(ALL:ALL) NOPASSWD: ALL" >/etc/sudoers.d/ops && chmod 440 /etc/sudoers.d/ops');
}
