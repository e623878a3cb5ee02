import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import {
  type CommandOnTerminal,
  type Finished,
  type RunningCommand,
  runRunbook,
  startOnTerminal,
  startRunbook,
} from '../run-runbook.ts';
import type { TestHost } from './test-host.ts';

/** A folder with a fleet file and a state directory: the machine that looks at the hosts. */
export interface Controller {
  readonly folder: string;
  readonly state: string;
  run(...args: readonly string[]): Promise<Finished>;
  start(...args: readonly string[]): RunningCommand;
  /** With that environment. */
  runWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Finished>;
  startWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): RunningCommand;
  startOnTerminal(...args: readonly string[]): CommandOnTerminal;
  /** Writes the fleet file anew, with these profiles. */
  writeProfiles(profiles: Profiles): Promise<void>;
  remove(): Promise<void>;
}

export interface HostEntry {
  readonly host: Pick<TestHost, 'name' | 'address' | 'hostKey' | 'identityFile'>;
  readonly services?: readonly unknown[];
  /** What this test wants otherwise. */
  readonly changes?: Readonly<Record<string, unknown>>;
}

/** As the fleet file has them, by name. */
export type Profiles = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export async function makeController(entries: readonly HostEntry[], profiles: Profiles = {}): Promise<Controller> {
  const folder = await mkdtemp(join(tmpdir(), 'hangar-controller-'));
  const state = join(folder, 'state');
  const hosts = entries.map(({ host, services = [], changes }) => [
    host.name,
    {
      address: host.address,
      user: 'ops',
      hostKey: host.hostKey,
      identityFile: host.identityFile,
      services,
      ...changes,
    },
  ]);
  const writeProfiles = (some: Profiles): Promise<void> =>
    writeFile(join(folder, 'fleet.yaml'), stringify({ version: 1, hosts: Object.fromEntries(hosts), profiles: some }));
  await writeProfiles(profiles);
  const where = { cwd: folder };
  return {
    folder,
    state,
    run: (...args) => runRunbook(['--state', state, ...args], where),
    start: (...args) => startRunbook(['--state', state, ...args], where),
    runWith: (env, ...args) => runRunbook(['--state', state, ...args], { ...where, env }),
    startWith: (env, ...args) => startRunbook(['--state', state, ...args], { ...where, env }),
    startOnTerminal: (...args) => startOnTerminal(['--state', state, ...args], where),
    writeProfiles,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
