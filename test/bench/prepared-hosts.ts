import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';
import { startSymbolRepository } from '../support/symbol-repository.ts';
import { startCachingProxy } from './caching-proxy.ts';
import { run, runbook, timed } from './measure.ts';

export interface PreparedHosts {
  /** `web1` and so on: Debian 12 that `runbook prepare` has made ready, each with a Python web service that runs. */
  readonly hosts: readonly TestHost[];
  /** `old1`: Debian 11 with Python 2.7 alone, as bare as it was installed. */
  readonly old: TestHost;
  /** Has the fleet file, of all of them. */
  readonly folder: string;
  readonly state: string;
  /** What preparing the first one took, of which the others are copies. */
  readonly firstSeconds: number;
  /** They end, and nothing is left. */
  stop(): Promise<void>;
}

/** The packages of the profile on Debian 12; python3-apt is what Ansible's module for packages needs there. */
export const packages = ['gdb', 'zstd', 'libc6-dbg', 'python3.11-dbg', 'python3-apt'];

/** What each host must have free, as the playbook asks it too. */
export const minFreeBytes = 100 * 2 ** 20;

type Undo = (() => Promise<unknown>)[];

/**
 * One host is prepared from bare; the others start with the files that it had then, each with a network, a disk, and
 * processes of its own. What their package sources have is served by this machine.
 */
export async function startPreparedHosts(count: number): Promise<PreparedHosts> {
  const undo: Undo = [];
  const stop = async (): Promise<void> => {
    for (const each of undo.splice(0).toReversed()) await each();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), 'hangar-bench-'));
    undo.push(() => rm(folder, { recursive: true }));
    const state = join(folder, 'state');
    const old = await startHost({ name: 'old1', release: 'bullseye-bare' });
    undo.push(() => old.stop());
    const model = await startHost({ name: 'model', release: 'bookworm-bare' });
    undo.push(() => model.stop());
    const profiles = await connectSources([old, model], folder, undo);
    const writeFleet = (hosts: readonly TestHost[]) =>
      writeFile(join(folder, 'fleet.yaml'), stringify({ version: 1, profiles, hosts: entriesOf(hosts) }));

    await writeFleet([model]);
    const prepare = ['--state', state, '--quiet', 'prepare', '--host', 'model'];
    const { seconds: firstSeconds } = await timed(() => run(runbook, prepare, { cwd: folder }));
    const changes = join(folder, 'changes');
    await cp(model.changes, changes, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    await model.stop();

    const hosts: TestHost[] = [];
    for (let number = 1; number <= count; number++) {
      const host = await startHost({ name: `web${number}`, release: 'bookworm-bare', changes });
      undo.push(() => host.stop());
      await host.run(`cd /srv && setsid ${service} >/dev/null 2>&1 </dev/null &`);
      hosts.push(host);
    }
    await writeFleet([...hosts, old]);
    return { hosts, old, folder, state, firstSeconds, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const service = 'python3 -m http.server --bind 127.0.0.1 8000';

/** Servers at this end of the first host's cable, which is the way out of each. @returns the profiles that name them */
async function connectSources(hosts: readonly TestHost[], folder: string, undo: Undo) {
  const address = hosts[0]?.address.replace(/\d+$/, '1') ?? '';
  const proxy = await startCachingProxy(address);
  undo.push(() => proxy.close());
  const repository = await startSymbolRepository({ address, suites: ['bookworm', 'bullseye'] });
  undo.push(() => repository.stop());
  const key = join(folder, 'symbols.asc');
  await writeFile(key, repository.keyArmoured);
  for (const { root } of hosts)
    await writeFile(join(root, 'etc/apt/apt.conf.d/90bench-proxy'), `Acquire::http::Proxy "${proxy.url}";\n`);
  const common = {
    symbolSources: [{ url: repository.url, suites: ['CODENAME'], key }],
    keepCores: '14d',
    minFreeDisk: `${minFreeBytes / 2 ** 20}MiB`,
  };
  return { web: { ...common, pythons: ['3.11'], packages: ['python3-apt'] }, old: { ...common, pythons: ['2.7'] } };
}

function entriesOf(hosts: readonly TestHost[]) {
  return Object.fromEntries(hosts.map(host => [host.name, entryOf(host)]));
}

function entryOf({ name, address, hostKey, identityFile }: TestHost) {
  const login = { address, hostKey, user: 'ops', identityFile, become: 'sudo' };
  if (name.startsWith('old')) return { ...login, profile: 'old' };
  return { ...login, profile: 'web', services: [{ name: 'shop', match: 'http.server' }] };
}
