import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BuildId } from '../corefile/build-id.ts';
import { isBuildId } from '../corefile/build-id.ts';
import { HangarError } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import type { MappedModule, MappedModules } from '../host/mapped-modules.ts';
import { readMappedModules } from '../host/mapped-modules.ts';
import type { SshSession } from '../ssh/session.ts';
import type { FramedFile } from './framed-files.ts';
import type { CallOptions } from './host-program.ts';
import { brokenReply, callHost, hostLine } from './host-program.ts';
import type { ProcessId } from './process-id.ts';
import { processArguments } from './process-id.ts';
import { DamagedFile, receiveFiles, verified } from './receive-files.ts';

/** Where module files are kept by build-id: the fleet's module store. */
export interface ModuleSink {
  has(buildId: BuildId): boolean;
  /** Puts a file in place once `write` has ended and its build-id is the expected one. */
  receive(buildId: BuildId, write: (sink: Writable) => Promise<void>): Promise<unknown>;
}

export interface PulledModules {
  /** Every ELF file that the process has mapped. */
  readonly modules: readonly MappedModule[];
  /** How many of them were sent; the others were in the store. */
  readonly sent: number;
  /** As sent, compressed. */
  readonly sentBytes: number;
  /** Files that could not be had. */
  readonly gaps: MappedModules['gaps'];
}

/**
 * The mapped ELF files of a process and their build-ids.
 * @throws HangarError `PROCESS_GONE`, or as `callHost`
 */
export async function listModules(
  session: SshSession,
  process: ProcessId,
  { signal }: CallOptions = {},
): Promise<MappedModules> {
  const { stdout } = await callHost(session, 'modules', processArguments(process), signal ? { signal } : {});
  const listed = readMappedModules(stdout.toString());
  if (listed === undefined) throw brokenReply(session.host, 'modules');
  return listed;
}

/**
 * Brings those modules that the store lacks, as the process has them mapped (replaced and deleted files too). To be done
 * while the process lives: its mappings go with it.
 * @throws HangarError `PROCESS_GONE`, or as `callHost`; a single file that cannot be had is a gap
 */
export async function pullModules(
  session: SshSession,
  process: ProcessId,
  store: ModuleSink,
  { signal }: CallOptions = {},
): Promise<PulledModules> {
  const { modules, gaps } = await listModules(session, process, { ...(signal && { signal }) });
  const missing = missingModules(modules, store);
  if (missing.size === 0) return { modules, sent: 0, sentBytes: 0, gaps };
  const lost: Gap[] = [];
  let sent = 0;
  const sentBytes = await receiveFiles(
    session,
    'module',
    { ...processArguments(process), range: [...missing.keys()] },
    async file => {
      const why = await keep(file, missing.get(file.key), store);
      if (why === undefined) sent++;
      else lost.push({ what: missing.get(file.key)?.path ?? file.key, why });
    },
    { ...(signal && { signal }), timeoutSeconds: 600 },
  );
  return { modules, sent, sentBytes, gaps: [...gaps, ...lost] };
}

type Gap = MappedModules['gaps'][number];

/** By range; two mappings of one file are sent once. */
function missingModules(modules: readonly MappedModule[], store: ModuleSink): ReadonlyMap<string, MappedModule> {
  const wanted = new Map<BuildId, MappedModule>();
  for (const module of modules) {
    const { buildId } = module;
    if (buildId !== undefined && isBuildId(buildId) && !store.has(buildId)) wanted.set(buildId, module);
  }
  return new Map([...wanted.values()].map(module => [module.range, module]));
}

/** Puts one file into the store; says why where that is not to be had. */
async function keep(
  file: FramedFile,
  module: MappedModule | undefined,
  store: ModuleSink,
): Promise<string | undefined> {
  if (file.status === 'missing') return file.why;
  const { buildId } = module ?? {};
  if (buildId === undefined || !isBuildId(buildId)) return 'nobody asked for it';
  try {
    await store.receive(buildId, sink => pipeline(verified(file), sink));
    return undefined;
  } catch (error) {
    // A file that changes under our hands costs this file only; a reply that breaks off ends all.
    if (error instanceof DamagedFile || (error instanceof HangarError && error.code === 'MODULE_MISMATCH'))
      return error.message;
    throw error;
  }
}

/** The commands that `pullModules` runs. */
export function pullModulesCommands(host: Host, pid?: number): readonly string[] {
  return [
    hostLine(host, 'modules', { pid: pid ?? '<pid>' }),
    hostLine(host, 'module', { pid: pid ?? '<pid>', range: ['<range of each module that the store lacks>'] }),
  ];
}
