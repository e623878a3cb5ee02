import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from '../../src/fleet/host.ts';
import { run } from './measure.ts';

export interface Ansible {
  /** ansible-playbook */
  readonly program: string;
  readonly version: string;
}

/** Into a folder of this run, from the index that pip is configured for; `requirement` as pip takes it. */
export async function installAnsible(
  folder: string,
  requirement = 'ansible-core',
): Promise<Ansible | { readonly why: string }> {
  const venv = join(folder, 'venv');
  try {
    await run('python3', ['-m', 'venv', venv]);
    await run(join(venv, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', requirement]);
    const program = join(venv, 'bin', 'ansible-playbook');
    const { stdout } = await run(program, ['--version']);
    return { program, version: /core ([\d.]+\w*)/.exec(stdout)?.[1] ?? stdout };
  } catch (error) {
    return { why: String(error).trim().split('\n').at(-1) ?? '' };
  }
}

export interface AnsibleHost extends Pick<Host, 'name' | 'address' | 'port' | 'user' | 'hostKey' | 'identityFile'> {
  /** Its interpreter; Ansible need not look for it. */
  readonly python: string;
}

/**
 * Inventory and settings in `folder`: pipelining, and connections that are kept for ten minutes.
 * @returns the environment to call it with
 */
export async function writeInventory(folder: string, hosts: readonly AnsibleHost[]): Promise<NodeJS.ProcessEnv> {
  const files = {
    inventory: hosts.map(inventoryLine).join(''),
    'ansible.cfg': settingsOf(folder),
    known_hosts: hosts.map(knownLine).join(''),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return { ANSIBLE_CONFIG: join(folder, 'ansible.cfg'), ANSIBLE_HOME: join(folder, 'ansible') };
}

function inventoryLine({ name, address, port = 22, user, identityFile, python }: AnsibleHost): string {
  const login = `ansible_host=${address} ansible_port=${port} ansible_user=${user} ansible_ssh_private_key_file=${identityFile}`;
  return `${name} ${login} ansible_python_interpreter=${python}\n`;
}

function knownLine({ address, port = 22, hostKey }: AnsibleHost): string {
  return `${port === 22 ? address : `[${address}]:${port}`} ${hostKey}\n`;
}

/** Of `ansible.cfg`; what the play opens is kept among its tasks. */
function settingsOf(folder: string): string {
  return [
    '[defaults]',
    `inventory = ${folder}/inventory`,
    'nocolor = true',
    '[ssh_connection]',
    'pipelining = true',
    `ssh_args = -o ControlMaster=auto -o ControlPersist=600s -o UserKnownHostsFile=${folder}/known_hosts`,
    `control_path_dir = ${folder}/sockets`,
    '',
  ].join('\n');
}

/** Ends the connections that ansible has kept, if any. */
export async function disconnect(folder: string): Promise<void> {
  const sockets = join(folder, 'sockets');
  for (const socket of await readdir(sockets).catch(() => []))
    await run('ssh', ['-O', 'exit', '-o', `ControlPath=${join(sockets, socket)}`, 'host']);
}
