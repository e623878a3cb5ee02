import { mkdir } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { runSchema } from '../../src/run/run.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import type { TestHost } from '../support/hosts/test-host.ts';
import { type Ansible, disconnect, installAnsible, writeInventory } from './ansible-core.ts';
import { type CommandOptions, type Measured, measure, mebibytes, median, run, runbook, say, timed } from './measure.ts';
import { writePlaybook } from './prepare-playbook.ts';
import { minFreeBytes, type PreparedHosts, packages, startPreparedHosts } from './prepared-hosts.ts';

const rounds = 3;
const sizes = [1, 10, 25];
const most = 100;

/**
 * Preparing hosts that are prepared already, by us and by ansible-core 2.19 at its best, and all checks on a hundred. Needs
 * root, for it makes Debian hosts. The bars: ten times faster; 15 s and 200 MB for the hundred on two processors.
 */
export async function benchPrepare(): Promise<void> {
  if (!requireRoot.isRoot) return say('skipped: test hosts are namespaces of this machine, which only root makes');
  const prepared = await startPreparedHosts(most);
  try {
    tellHosts(prepared);
    await checkAll(prepared);
    const ansible = await installAnsible(prepared.folder, 'ansible-core==2.19.*');
    if ('why' in ansible) return say(`skipped: ansible-core cannot be installed: ${ansible.why}`);
    await compare(prepared, ansible);
    await prepareOld(prepared, ansible);
  } finally {
    await prepared.stop();
  }
}

function tellHosts({ hosts, firstSeconds }: PreparedHosts): void {
  say(
    `hosts               ${hosts.length} × Debian 12 on this machine (${availableParallelism()} processors): each has a`,
  );
  say(
    '                    network, processes, disk (over one prepared root) and sshd of its own, and a Python service',
  );
  say(`first preparation   ${firstSeconds.toFixed(1)} s on the first of them, packages fetched; the others begin so`);
}

/** One round before, which fills the caches, and a file for each of the runs that the history keeps. */
async function checkAll({ hosts, folder, state }: PreparedHosts): Promise<void> {
  const command = [runbook, '--state', state, '--quiet', '--format', 'json', 'compliance', '--host', 'web*'];
  await measure(command, { cwd: folder });
  const runs: (Measured & { readonly machineSeconds: number; readonly checks: number })[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = busySeconds();
    const ran = await measure(command, { cwd: folder });
    runs.push({ ...ran, machineSeconds: busySeconds() - before, checks: checksPassed(ran.stdout, hosts.length) });
  }
  const middle = (of: (ran: (typeof runs)[number]) => number) => median(runs.map(of));
  const codes = [...new Set(runs.map(({ exitCode }) => exitCode))];
  const [{ checks } = { checks: 0 }] = runs;
  say(
    `compliance          ${hosts.length} hosts, ${checks} checks in all, --format json: exit code ${codes.join(', ')}`,
  );
  say(`                    ${middle(({ seconds }) => seconds).toFixed(1)} s for the whole command (bar: 15 s)`);
  say(
    `                    ${mebibytes(middle(({ peakBytes }) => peakBytes))} peak memory of our process (bar: 200 MB)`,
  );
  say(
    `                    ${middle(({ cpuSeconds }) => cpuSeconds).toFixed(1)} s of processor are ours, of ${middle(({ machineSeconds }) => machineSeconds).toFixed(1)} s that the machine was busy: it is the ${hosts.length} hosts, too`,
  );
}

/** User, system and interrupt time of all processors. */
function busySeconds(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0) / 1000;
}

const checked = z.looseObject({
  compliance: z.looseObject({
    hosts: z.array(z.looseObject({ checks: z.array(z.looseObject({ state: z.string() })) })),
  }),
});

/** How many were made. */
function checksPassed(stdout: string, hosts: number): number {
  const { compliance } = checked.parse(JSON.parse(stdout));
  const states = compliance.hosts.flatMap(({ checks }) => checks.map(({ state }) => state));
  const other = states.find(state => state !== 'pass' && state !== 'not-applicable');
  if (compliance.hosts.length !== hosts || other !== undefined)
    throw new Error(`${compliance.hosts.length} hosts were checked, expected ${hosts}; one check: ${other}`);
  return states.length;
}

interface Contender {
  readonly name: string;
  readonly act: () => Promise<{ readonly stdout: string }>;
  /** It found that nothing is to be done on every host. */
  readonly isComplete: (stdout: string) => boolean;
}

/** Turn about; Ansible's connections are those of the round before, ours are new. What we keep is that of such a fleet. */
async function compare({ hosts, folder }: PreparedHosts, { program, version }: Ansible): Promise<void> {
  const [like] = hosts;
  if (like === undefined) return;
  const used = hosts.slice(0, Math.max(...sizes));
  const theirs = join(folder, 'playbook');
  await mkdir(theirs);
  const env = await writeInventory(
    theirs,
    used.map(host => inventoryEntry(host, '/usr/bin/python3')),
  );
  const play = await writePlaybook(theirs, { packages, minFreeBytes, like });
  const where = { cwd: theirs, env };
  say(`ansible-core        ${version}: pipelining, connections kept from round to round, interpreter named, facts of`);
  say('                    the disks alone, one task for all packages; fewer checks than ours');
  try {
    await run(program, ['--forks', '25', play], where);
    for (const size of sizes) {
      const names = used.slice(0, size).map(({ name }) => name);
      const forks = size === 1 ? [5] : [5, 25];
      await race(size, [
        ourContender(names, { folder, state: join(folder, `state-of-${size}`) }),
        ...forks.map(each => theirContender(names, each, { program, play }, where)),
      ]);
    }
  } finally {
    await disconnect(theirs);
  }
  say(`seconds of the whole command, and how many times longer than ours (median of ${rounds} each, turn about)`);
}

function inventoryEntry({ name, address, hostKey, identityFile }: TestHost, python: string) {
  return { name, address, user: 'ops', hostKey, identityFile, python };
}

function ourContender(names: readonly string[], { folder, state }: Pick<PreparedHosts, 'folder' | 'state'>): Contender {
  const selected = names.flatMap(name => ['--host', name]);
  const args = ['--state', state, '--quiet', '--format', 'json', 'prepare', ...selected];
  return {
    name: 'runbook prepare',
    act: () => run(runbook, args, { cwd: folder }),
    isComplete: stdout => {
      const { hosts } = runSchema.parse(JSON.parse(stdout));
      const isIdle = ({ steps }: (typeof hosts)[number]): boolean =>
        steps.find(({ id }) => id === 'prepare')?.status === 'skipped';
      return checksPassed(stdout, names.length) > 0 && hosts.every(isIdle);
    },
  };
}

function theirContender(
  names: readonly string[],
  forks: number,
  { program, play }: { readonly program: string; readonly play: string },
  where: CommandOptions,
): Contender {
  const args = ['--forks', String(forks), '--limit', names.join(','), play];
  return {
    name: `ansible-playbook, forks=${forks}`,
    act: () => run(program, args, where),
    isComplete: stdout => stdout.match(/changed=0 .*unreachable=0 .*failed=0/g)?.length === names.length,
  };
}

async function race(size: number, contenders: readonly Contender[]): Promise<void> {
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, { name, act, isComplete }] of contenders.entries()) {
      const { stdout, seconds } = await timed(act);
      if (!isComplete(stdout)) throw new Error(`${name} did not do everything, or changed something:\n${stdout}`);
      times[at]?.push(seconds);
    }
  const [ours = 1, ...others] = times.map(median);
  const shown = [ours, ...others].map((seconds, at) => {
    const name = contenders[at]?.name ?? '';
    return `${name} ${seconds.toFixed(2)} s${at === 0 ? '' : ` (${(seconds / ours).toFixed(1)} times)`}`;
  });
  say(`${`${size} host${size === 1 ? '' : 's'}`.padEnd(19)} ${shown.join('   ')}`);
}

/** Python 2.7 alone is what Ansible refuses. */
async function prepareOld({ old, folder, state }: PreparedHosts, { program }: Ansible): Promise<void> {
  const theirs = join(folder, 'old-playbook');
  await mkdir(theirs);
  const env = await writeInventory(theirs, [inventoryEntry(old, '/usr/bin/python2.7')]);
  const play = join(folder, 'playbook', 'play.yaml');
  const refused = await measure([program, play], { cwd: theirs, env });
  await disconnect(theirs);
  const said = [/^\[ERROR\]: .*/m, /^\w*Error: .*/m].map(each => each.exec(refused.stdout)?.[0].trim());
  say(`Python 2.7 alone    ansible-playbook ends with ${refused.exitCode}: ${said.join(' … ')}`);
  const prepare = [runbook, '--state', state, '--quiet', 'prepare', '--host', old.name];
  const [first, again] = [await measure(prepare, { cwd: folder }), await measure(prepare, { cwd: folder })];
  say(
    `                    runbook prepare ends with ${first.exitCode} after ${first.seconds.toFixed(1)} s, and with ${again.exitCode} after ${again.seconds.toFixed(2)} s once that is prepared`,
  );
}
