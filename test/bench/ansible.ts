import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Host } from '../../src/fleet/host.ts';
import { runSchema } from '../../src/run/run.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
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

/** Into a folder of this run, from the index that pip is configured for: the newest that this Python can have. */
async function installAnsible(
  folder: string,
): Promise<{ readonly program: string; readonly version: string } | { readonly why: string }> {
  const venv = join(folder, 'venv');
  try {
    await run('python3', ['-m', 'venv', venv]);
    await run(join(venv, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', 'ansible-core']);
    const program = join(venv, 'bin', 'ansible-playbook');
    const { stdout } = await run(program, ['--version']);
    return { program, version: /core ([\d.]+\w*)/.exec(stdout)?.[1] ?? stdout };
  } catch (error) {
    return { why: String(error).trim().split('\n').at(-1) ?? '' };
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
  const files = {
    'play.yaml': stringify([{ hosts: 'all', gather_facts: false, tasks }]),
    inventory: hosts.map(inventoryLine).join(''),
    'ansible.cfg': settingsOf(folder),
    known_hosts: hosts.map(({ address, port, hostKey }) => `[${address}]:${port} ${hostKey}\n`).join(''),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const env = { ANSIBLE_CONFIG: join(folder, 'ansible.cfg'), ANSIBLE_HOME: join(folder, 'ansible') };
  const contender = (forks: number, note: string): Contender => ({
    name: `ansible-playbook, forks=${forks}${note}`,
    act: () => run(program, ['--forks', String(forks), join(folder, 'play.yaml')], { cwd: folder, env }),
    isComplete: isRecapGood,
    disconnect: () => disconnect(join(folder, 'sockets')),
  });
  return [contender(5, ' (default)'), contender(hostCount, '')];
}

function inventoryLine({ name, address, port, user, identityFile }: Host): string {
  const login = `ansible_host=${address} ansible_port=${port} ansible_user=${user} ansible_ssh_private_key_file=${identityFile}`;
  return `${name} ${login} ansible_python_interpreter=/usr/bin/python3\n`;
}

/** Of `ansible.cfg`; what the play opens is kept among its tasks. */
function settingsOf(folder: string): string {
  return [
    '[defaults]',
    `inventory = ${folder}/inventory`,
    'nocolor = true',
    '[ssh_connection]',
    'pipelining = true',
    `ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=${folder}/known_hosts`,
    `control_path_dir = ${folder}/sockets`,
    '',
  ].join('\n');
}

/** Ends the connections that ansible has kept. */
async function disconnect(sockets: string): Promise<void> {
  for (const socket of await readdir(sockets))
    await run('ssh', ['-O', 'exit', '-o', `ControlPath=${join(sockets, socket)}`, 'host']);
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
