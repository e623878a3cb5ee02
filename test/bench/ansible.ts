import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Host } from '../../src/fleet/host.ts';
import { runSchema } from '../../src/run/run.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { disconnect, installAnsible, writeInventory } from './ansible-core.ts';
import { median, run, runbook, say, timed } from './measure.ts';

const rounds = 3;
const commands = ['true', 'echo one', 'echo two', 'true'];
const hostCount = 25;

interface Contender {
  readonly name: string;
  readonly act: () => Promise<{ readonly stdout: string }>;
  /** The result says that every command succeeded on every host. */
  readonly isComplete: (stdout: string) => boolean;
  /** So that the next round begins as the first one. */
  readonly disconnect?: () => Promise<void>;
}

/** A few trivial commands on hosts that are sshds of this machine, by a runbook and by ansible-core at its best. */
export async function benchAnsible(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hb-'));
  const sshds: Sshd[] = [];
  try {
    const ansible = await installAnsible(folder);
    if ('why' in ansible) return say(`skipped: ansible-core cannot be installed: ${ansible.why}`);
    // What a ~/.bashrc of this machine does at each login is no cost of either.
    const home = await mkdtemp(join(folder, 'home'));
    for (let number = 1; number <= hostCount; number++)
      sshds.push(await startSshd(`h${number}`, { SetEnv: `HOME=${home}` }));
    const hosts = sshds.map(({ host }) => host);
    tellSetting(ansible.version);
    await compare([...(await ours(folder, hosts)), ...(await theirs(folder, hosts, ansible.program))]);
  } finally {
    for (const sshd of sshds) await sshd.stop();
    await rm(folder, { recursive: true });
  }
}

function tellSetting(version: string): void {
  say(`hosts               ${hostCount} sshds on this machine, empty home, bash`);
  say(`shell steps         ${commands.join('; ')}`);
  say(`ansible-core        ${version}, gather_facts off, pipelining, ControlPersist, interpreter named`);
  say('connections         new in each round, for both; host keys are checked');
}

/** A fleet file and two runbooks. */
async function ours(folder: string, hosts: readonly Host[]): Promise<readonly Contender[]> {
  await writeFile(
    join(folder, 'fleet.yaml'),
    stringify({ version: 1, hosts: Object.fromEntries(hosts.map(fleetEntry)) }),
  );
  await mkdir(join(folder, 'runbooks'));
  const steps = commands.map((command, at) => ({ id: `s${at}`, run: command }));
  const contender = async (
    name: string,
    book: string,
    fanout: Readonly<Record<string, unknown>>,
  ): Promise<Contender> => {
    const file = { version: 1, name: book, summary: 'Trivial commands.', ...fanout, steps };
    await writeFile(join(folder, 'runbooks', `${book}.yaml`), stringify(file));
    const args = ['--state', join(folder, 'state'), '--quiet', '--format', 'json', book, '--host', 'all'];
    return { name, act: () => run(runbook, args, { cwd: folder }), isComplete: hasSucceeded };
  };
  return [
    await contender(`runbook, ${hostCount} hosts at a time`, 'wide', { fanout: { concurrency: hostCount } }),
    await contender('runbook, 10 hosts at a time (default)', 'narrow', {}),
  ];
}

function fleetEntry({ name, address, port, user, hostKey, identityFile }: Host) {
  return [name, { address, port, user, hostKey, identityFile, become: 'none' }] as const;
}

function hasSucceeded(stdout: string): boolean {
  const { hosts } = runSchema.parse(JSON.parse(stdout));
  const steps = hosts.flatMap(host => host.steps);
  return steps.length === hostCount * commands.length && steps.every(({ status }) => status === 'succeeded');
}

async function theirs(folder: string, hosts: readonly Host[], program: string): Promise<readonly Contender[]> {
  const tasks = commands.map(command => ({ 'ansible.builtin.shell': command }));
  await writeFile(join(folder, 'play.yaml'), stringify([{ hosts: 'all', gather_facts: false, tasks }]));
  const env = await writeInventory(
    folder,
    hosts.map(host => ({ ...host, python: '/usr/bin/python3' })),
  );
  const contender = (forks: number, note: string): Contender => ({
    name: `ansible-playbook, forks=${forks}${note}`,
    act: () => run(program, ['--forks', String(forks), join(folder, 'play.yaml')], { cwd: folder, env }),
    isComplete: isRecapGood,
    disconnect: () => disconnect(folder),
  });
  return [contender(5, ' (default)'), contender(hostCount, '')];
}

function isRecapGood(stdout: string): boolean {
  const good = new RegExp(`ok=${commands.length} .*unreachable=0 .*failed=0`, 'g');
  return stdout.match(good)?.length === hostCount;
}

/** Turn about; ratios are against the first. */
async function compare(contenders: readonly Contender[]): Promise<void> {
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, { name, act, isComplete, disconnect: end }] of contenders.entries()) {
      const { stdout, seconds } = await timed(act);
      if (!isComplete(stdout)) throw new Error(`${name} did not do everything:\n${stdout}`);
      times[at]?.push(seconds);
      await end?.();
    }
  const medians = times.map(median);
  for (const [at, { name }] of contenders.entries())
    say(
      `${name.padEnd(40)} ${(medians[at] ?? 0).toFixed(2).padStart(6)} s   ${((medians[at] ?? 0) / (medians[0] ?? 1)).toFixed(2).padStart(5)}`,
    );
  say(`times in seconds, and as a ratio to the first line (median of ${rounds} each, turn about)`);
}
