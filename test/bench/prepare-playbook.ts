import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { TestHost } from '../support/hosts/test-host.ts';

const files = {
  key: '/usr/share/keyrings/hangar-symbols-1.gpg',
  source: '/etc/apt/sources.list.d/hangar-symbols.sources',
  program: '/usr/local/lib/hangar/host',
  rule: '/etc/sudoers.d/hangar',
} as const;

const root = { owner: 'root', group: 'root' } as const;

export interface PlaybookOptions {
  readonly packages: readonly string[];
  readonly minFreeBytes: number;
  /** A prepared host: what the play writes is taken from it. */
  readonly like: TestHost;
}

/**
 * The items of the profile that these hosts have, as ansible-core's own modules say them, in `folder`. Facts are those of the
 * disks alone; tmpfiles.d is left out, as the runbook leaves it out where there is no systemd.
 * @returns the play
 */
export async function writePlaybook(
  folder: string,
  { packages, minFreeBytes, like }: PlaybookOptions,
): Promise<string> {
  const sources = join(folder, 'files');
  await mkdir(sources);
  for (const [name, path] of Object.entries(files)) await copyFile(join(like.root, path), join(sources, name));
  const copy = (name: keyof typeof files, mode: string, more: Readonly<Record<string, string>> = {}) => ({
    'ansible.builtin.copy': { src: join(sources, name), dest: files[name], mode, ...root, ...more },
  });
  const play = {
    hosts: 'all',
    become: true,
    gather_facts: false,
    tasks: [
      copy('key', '0644'),
      { ...copy('source', '0644'), notify: 'fetch package lists' },
      { 'ansible.builtin.meta': 'flush_handlers' },
      { 'ansible.builtin.apt': { name: packages, state: 'present', cache_valid_time: 86_400 } },
      directory('/var/tmp/hangar', '0700'),
      directory('/usr/local/lib/hangar', '0755'),
      copy('program', '0755'),
      copy('rule', '0440', { validate: '/usr/sbin/visudo -cf %s' }),
      { 'ansible.builtin.stat': { path: yama, get_checksum: false }, register: 'yama' },
      {
        'ansible.builtin.copy': { content: 'kernel.yama.ptrace_scope = 1\n', dest: '/etc/sysctl.d/60-hangar.conf' },
        when: 'yama.stat.exists',
      },
      {
        'ansible.builtin.find': {
          paths: '/var/tmp/hangar',
          patterns: 'core',
          recurse: true,
          age: '14d',
        },
        register: 'cores',
      },
      { 'ansible.builtin.file': { path: '{{ item.path }}', state: 'absent' }, loop: '{{ cores.files }}' },
      { 'ansible.builtin.mount_facts': { sources: ['/proc/mounts'], mount_binary: null } },
      {
        'ansible.builtin.assert': {
          that: `ansible_facts.mount_points['/'].size_available >= ${minFreeBytes}`,
          quiet: true,
        },
      },
    ],
    handlers: [{ name: 'fetch package lists', 'ansible.builtin.apt': { update_cache: true } }],
  };
  const path = join(folder, 'play.yaml');
  await writeFile(path, stringify([play]));
  return path;
}

const yama = '/proc/sys/kernel/yama/ptrace_scope';

function directory(path: string, mode: string) {
  return { 'ansible.builtin.file': { path, state: 'directory', mode, ...root } };
}
