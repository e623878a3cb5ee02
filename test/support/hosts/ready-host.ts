import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { type Compliance, complianceSchema } from '../../../src/compliance/schema.ts';
import { type Run, runSchema } from '../../../src/run/run.ts';
import { type SymbolRepository, startSymbolRepository } from '../symbol-repository.ts';
import { type Controller, makeController } from './controller.ts';
import { connectMirror } from './package-mirror.ts';
import { startHost, type TestHost } from './test-host.ts';

const complianceOutput = z.looseObject({ compliance: complianceSchema });

const services = join(import.meta.dirname, '..', 'services');

/** Bare hosts, and the Python of each. */
export const barePythons = { 'bullseye-bare': '2.7', 'bookworm-bare': '3.11' } as const;
export type BareRelease = keyof typeof barePythons;

/**
 * A host without anything that a preparation brings, on which a Python service runs that uses a C library of its own; a
 * signed repository of that library's symbols beside it, and a controller whose profile names it.
 */
export interface BareHost {
  readonly host: TestHost;
  readonly python: string;
  readonly repository: SymbolRepository;
  readonly controller: Controller;
  /** As the profile of the fleet file is written at first. */
  readonly profile: ProfileFile;
  /** Writes the fleet file anew, with these changes to its profile. */
  setProfile(changes: ProfileFile): Promise<void>;
  compliance(...args: readonly string[]): Promise<Checked>;
  prepare(...args: readonly string[]): Promise<PreparedRun>;
  /** Lets the service wait in the C library for ever, then runs `runbook hang`. */
  hang(): Promise<Run>;
  /** Runs as root on the host; throws where that fails. */
  run(command: string): Promise<string>;
  stop(): Promise<void>;
}

export type ProfileFile = Readonly<Record<string, unknown>>;

export interface Checked {
  readonly code: number | null;
  readonly compliance: Compliance;
  /** State by check id, of the first host. */
  readonly states: Readonly<Record<string, string>>;
  readonly stderr: string;
}

export interface PreparedRun {
  readonly code: number | null;
  readonly run: Run;
  /** Ids of what was done, in order, each once. */
  readonly changed: readonly string[];
  readonly stderr: string;
}

export const service = {
  name: 'shop',
  // The host has neither curl nor wget.
  check: `bash -c 'exec 3<>/dev/tcp/127.0.0.1/8000; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; grep -q ok <&3'`,
} as const;

export async function startBareHost(release: BareRelease, name = 'web3'): Promise<BareHost> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of undo.splice(0).toReversed()) await each();
  };
  try {
    const host = await startHost({ name, release });
    undo.push(() => host.stop());
    const mirror = await connectMirror(host);
    undo.push(() => mirror.close());
    const address = host.address.replace(/\d+$/, '1');
    const repository = await startSymbolRepository({ address, suites: [release.replace('-bare', '')] });
    undo.push(() => repository.stop());
    const python = barePythons[release];
    await startStock(host, python, repository);
    const profile = profileFor(python, repository);
    const controller = await makeController([{ host, services: [service], changes: { profile: 'python-web' } }], {
      'python-web': profile,
    });
    undo.push(() => controller.remove());
    return { host, python, repository, controller, profile, ...actionsOf(host, controller, profile), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Kernel settings of which each network has its own. */
function profileFor(python: string, { url, keyArmoured }: SymbolRepository): ProfileFile {
  return {
    pythons: [python],
    symbolSources: [{ url, key: keyArmoured }],
    sysctls: { 'net.ipv4.tcp_fin_timeout': 31 },
    keepCores: '1h',
    minFreeDisk: '1MiB',
  };
}

function actionsOf(
  host: TestHost,
  controller: Controller,
  profile: ProfileFile,
): Pick<BareHost, 'setProfile' | 'compliance' | 'prepare' | 'hang' | 'run'> {
  const run = (command: string): Promise<string> => succeed(host, command);
  return {
    setProfile: changes => controller.writeProfiles({ 'python-web': { ...profile, ...changes } }),
    run,
    async compliance(...args) {
      const { code, stdout, stderr } = await controller.run(
        'compliance',
        '--host',
        host.name,
        '--format',
        'json',
        ...args,
      );
      const { compliance } = complianceOutput.parse(JSON.parse(stdout));
      const states = (compliance.hosts[0]?.checks ?? []).map(({ id, state }) => [id, state]);
      return { code, compliance, states: Object.fromEntries(states), stderr };
    },
    async prepare(...args) {
      const { code, stdout, stderr } = await controller.run(
        'prepare',
        '--host',
        host.name,
        '--format',
        'json',
        ...args,
      );
      const prepared = runSchema.parse(JSON.parse(stdout));
      return { code, run: prepared, changed: changedIn(prepared), stderr };
    },
    async hang() {
      await answers(host);
      await asksInVain(host);
      const { stdout } = await controller.run('hang', '--host', host.name, '--format', 'json');
      return runSchema.parse(JSON.parse(stdout));
    },
  };
}

function changedIn({ hosts }: Run): readonly string[] {
  const outputs = hosts[0]?.steps.find(({ id }) => id === 'prepare')?.outputs;
  const { changed } = changedOutput.parse(outputs ?? {});
  return [...new Set(changed.map(({ id }) => id))];
}

const changedOutput = z.looseObject({ changed: z.array(z.looseObject({ id: z.string() })).default([]) });

/** A library as a package without its symbols, and a service that calls it. */
async function startStock(host: TestHost, python: string, { packages }: SymbolRepository): Promise<void> {
  const { library } = packages;
  const files = [
    [library, `srv/${basename(library)}`],
    [join(services, 'stock.py'), 'srv/shop/stock.py'],
    [join(services, 'shop.init'), 'etc/init.d/shop'],
  ] as const;
  for (const [from, to] of files) {
    await mkdir(dirname(join(host.root, to)), { recursive: true });
    await copyFile(from, join(host.root, to));
  }
  const settings = `DAEMON=/usr/bin/python${python}\nARGUMENTS=/srv/shop/stock.py\n`;
  await writeFile(join(host.root, 'etc/default/shop'), settings);
  await succeed(host, `dpkg -i /srv/${basename(library)} && ldconfig && rm /srv/${basename(library)}`);
  await succeed(host, 'chmod 755 /etc/init.d/shop && service shop start');
  await answers(host);
}

async function answers(host: TestHost): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await fetch(`http://${host.address}:8000/`, { signal: AbortSignal.timeout(1000) }).catch(() => null);
    if (answer?.ok === true) return;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  throw new Error(`the service on ${host.name} does not answer`);
}

/** It has no answer, and never will. */
async function asksInVain(host: TestHost): Promise<void> {
  const asked = fetch(`http://${host.address}:8000/reserve`, { signal: AbortSignal.timeout(500) });
  await asked.then(
    () => Promise.reject(new Error(`the service on ${host.name} answered`)),
    () => undefined,
  );
}

async function succeed(host: TestHost, command: string): Promise<string> {
  const { code, stdout, stderr } = await host.run(command);
  if (code !== 0) throw new Error(`${host.name}: "${command}" ended with ${code}: ${stdout}${stderr}`);
  return stdout;
}
