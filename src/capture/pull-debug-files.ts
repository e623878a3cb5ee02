import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ModuleStore } from '../case/module-store.ts';
import type { BuildId } from '../corefile/build-id.ts';
import { readAlternateLink, readDebugLink } from '../corefile/debug-links.ts';
import type { Module } from '../corefile/module.ts';
import { HangarError } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import type { SshSession } from '../ssh/session.ts';
import type { FramedFile } from './framed-files.ts';
import type { CallOptions } from './host-program.ts';
import { hostLine } from './host-program.ts';
import type { ProcessId } from './process-id.ts';
import { processArguments } from './process-id.ts';
import { DamagedFile, receiveFiles, verified } from './receive-files.ts';

/** What became of a debug file that the host has and the store lacked. */
export interface PulledDebugFile {
  readonly buildId: string;
  /** On the host. */
  readonly path: string;
  /** As it lies on the disk; absent: it could not be had. */
  readonly bytes?: number;
  readonly why?: string;
}

export interface PulledDebugFiles {
  readonly files: readonly PulledDebugFile[];
  /** Of all files, compressed. */
  readonly sentBytes: number;
}

export interface DebugFilesWanted {
  /** Found modules: what matters most comes first. */
  readonly modules: readonly Module[];
  /** Whose root directory is looked in before the host's own, while it lives. */
  readonly process?: ProcessId;
  /** Of all files that are fetched, as they lie on the disk. */
  readonly maxBytes: number;
}

/** Where distributions put debug files (gdb manual, `set debug-file-directory`). */
const debugDirectory = '/usr/lib/debug';

/** More than a process has modules with symbols installed. */
const maxFiles = 500;

/**
 * Brings the debug files of modules that the host has installed and the store lacks: by build-id, else under the name
 * that the module itself gives, and what those have in common with others. Each is kept only if it has the build-id that
 * it is wanted for. They do not go away with the process: to be done when the service is back.
 * @throws HangarError as `streamFromHost`; a single file that cannot be had says so, one that the host lacks is left out
 */
export async function pullDebugFiles(
  session: SshSession,
  { modules, process, maxBytes }: DebugFilesWanted,
  store: ModuleStore,
  { signal }: CallOptions = {},
): Promise<PulledDebugFiles> {
  const files: PulledDebugFile[] = [];
  let [sentBytes, left] = [0, maxBytes];
  const fetch = async (wanted: readonly Wanted[]): Promise<void> => {
    const asked = wanted.filter(({ buildId }) => !store.has(buildId, 'debug')).slice(0, maxFiles);
    if (asked.length === 0) return;
    const paths = asked.map(({ path }) => path);
    sentBytes += await receiveFiles(
      session,
      'read',
      { ...(process && processArguments(process)), max: maxBytes, total: left, path: paths },
      async file => {
        const one = asked[Number(file.key)];
        const pulled = one && (await keep(one, file, store));
        if (pulled === undefined) return;
        files.push(pulled);
        left -= pulled.bytes ?? 0;
      },
      { ...(signal && { signal }), timeoutSeconds: 600 },
    );
  };
  await fetch(modules.flatMap(byBuildId));
  const named = new Set(files.map(({ buildId }) => buildId));
  await fetch(modules.filter(({ buildId = '' }) => !named.has(buildId)).flatMap(byDebugLink));
  await fetch(modules.flatMap(module => alternateOf(module, store)));
  return { files, sentBytes };
}

/** A file of the host that may be the debug file of that build-id. */
interface Wanted {
  readonly buildId: BuildId;
  readonly path: string;
}

function byBuildId({ buildId }: Module): readonly Wanted[] {
  if (buildId === undefined) return [];
  return [{ buildId, path: placeOf(buildId) }];
}

function placeOf(buildId: BuildId): string {
  return join(debugDirectory, '.build-id', buildId.slice(0, 2), `${buildId.slice(2)}.debug`);
}

/** Older packages (libc6-dbg of Ubuntu 16.04) have debug files under the directories and names of their modules only. */
function byDebugLink({ buildId, name, path, file }: Module): readonly Wanted[] {
  const link = file.status === 'found' ? readDebugLink(file.path) : undefined;
  if (buildId === undefined || link === undefined) return [];
  const directories = new Set([name, path ?? name].filter(each => each.startsWith('/')).map(each => dirname(each)));
  return [...directories].map(each => ({ buildId, path: join(debugDirectory, each, link) }));
}

function alternateOf({ buildId }: Module, store: ModuleStore): readonly Wanted[] {
  const debugPath = buildId && store.path(buildId, 'debug');
  const link = debugPath === undefined ? undefined : readAlternateLink(debugPath);
  if (buildId === undefined || link === undefined) return [];
  return [{ buildId: link.buildId, path: resolve(dirname(placeOf(buildId)), link.path) }];
}

/** The host program's word for a path that leads to no file. */
const absent = 'not a regular file';

/** Undefined: the host has no such file. */
async function keep(wanted: Wanted, file: FramedFile, store: ModuleStore): Promise<PulledDebugFile | undefined> {
  if (file.status === 'missing') return file.why === absent ? undefined : { ...wanted, why: file.why };
  // Two names of one file, or one that two modules have in common.
  if (store.has(wanted.buildId, 'debug')) return undefined;
  try {
    await store.receive(wanted.buildId, sink => pipeline(verified(file), sink), 'debug');
    return { ...wanted, bytes: file.bytes };
  } catch (error) {
    if (error instanceof DamagedFile || (error instanceof HangarError && error.code === 'MODULE_MISMATCH'))
      return { ...wanted, why: error.message };
    throw error;
  }
}

/** The commands that `pullDebugFiles` runs. */
export function pullDebugFilesCommands(host: Host, maxBytes: number | string): readonly string[] {
  const path = [`<${debugDirectory}/.build-id/xx/rest.debug of modules on stacks>`];
  return [hostLine(host, 'read', { pid: '<pid>', max: maxBytes, total: maxBytes, path })];
}
