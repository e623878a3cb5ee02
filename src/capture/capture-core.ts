import type { Host } from '../fleet/host.ts';
import type { Captured } from '../host/captured.ts';
import { readCaptured } from '../host/captured.ts';
import type { SshSession } from '../ssh/session.ts';
import { earlierResult } from './earlier-result.ts';
import type { CallOptions } from './host-program.ts';
import { brokenReply, callHost, hostLine } from './host-program.ts';
import type { ProcessId } from './process-id.ts';
import { processArguments } from './process-id.ts';

export interface CaptureOptions extends ProcessId {
  /** Lowercase hex digits, 8 or more: the same for calls that are to give one core, another for each capture. */
  readonly key: string;
  /** Wall time of gdb on the host; default 240. */
  readonly limitSeconds?: number;
  /** On the host, absolute; default /var/tmp/hangar. The core lies in a private directory below. */
  readonly directory?: string;
  /** Bytes of disk that are to stay free beside the core; default 16 MiB. */
  readonly reserveBytes?: number;
}

export interface CapturedCore extends Captured {
  readonly method: 'gcore';
}

/**
 * Takes a core of a process with gdb on the host; the process goes on afterwards, or stays stopped if it was. When this is
 * aborted, or fails in any way, gdb is ended and its files are removed; where the connection is lost, the host program does
 * that by itself, but for a core that is complete by then. Called again with the same key it gives that one, or joins a
 * capture that runs.
 * @throws HangarError `GDB_MISSING`, `DISK_TOO_SMALL`, `GCORE_FAILED`, `GCORE_TIMEOUT`, `CORE_INCOMPLETE`,
 * `PROCESS_GONE`, `TARGET_STOPPED`, `TARGET_UNINTERRUPTIBLE`, `NOT_OURS`, or as `callHost`
 */
export async function captureCore(
  session: SshSession,
  options: CaptureOptions,
  { signal }: CallOptions = {},
): Promise<CapturedCore> {
  signal?.throwIfAborted();
  const limitSeconds = options.limitSeconds ?? defaultLimitSeconds;
  try {
    const { stdout } = await callHost(session, 'core', coreArguments(options), {
      ...(signal && { signal }),
      timeoutSeconds: limitSeconds + 30,
    });
    const captured = readCaptured(stdout.toString());
    if (captured === undefined) throw brokenReply(session.host, 'core');
    return { ...captured, method: 'gcore' };
  } catch (error) {
    await abandon(session, options.directory ?? (await defaultDirectory(session)), options.key);
    throw error;
  }
}

/** The core that an earlier `captureCore` with that key took; undefined: none is complete. Changes nothing on the host. */
export async function earlierCapture(
  session: SshSession,
  { key, directory }: Pick<CaptureOptions, 'key' | 'directory'>,
  options: CallOptions = {},
): Promise<CapturedCore | undefined> {
  const captured = await earlierResult(session, { name: key, dir: directory }, readCaptured, options);
  return captured && { ...captured, method: 'gcore' };
}

/** The commands that `captureCore` runs. */
export function captureCoreCommands(host: Host, options: Partial<CaptureOptions> = {}): readonly string[] {
  const { pid, startTicks, key = '<key>', ...rest } = options;
  const known = { ...rest, key, pid: pid ?? 0, ...(startTicks !== undefined && { startTicks }) };
  return [hostLine(host, 'core', { ...coreArguments(known), pid: pid ?? '<pid>' })];
}

const defaultLimitSeconds = 240;

function coreArguments(options: CaptureOptions) {
  return {
    ...processArguments(options),
    name: options.key,
    dir: options.directory,
    limit: options.limitSeconds ?? defaultLimitSeconds,
    reserve: options.reserveBytes,
  };
}

/** Ends what may still run there, over a channel of its own; nothing more can be done where that fails. */
async function abandon(session: SshSession, directory: string, key: string): Promise<void> {
  await callHost(session, 'clean', { directory: `${directory}/${key}` }, { timeoutSeconds: 15 }).catch(() => undefined);
}

/** As the host program chooses it: root has one, and so has everybody else. */
async function defaultDirectory(session: SshSession): Promise<string> {
  if (session.host.become === 'sudo') return '/var/tmp/hangar';
  const uid = await session.run({ line: 'id -u' }, { timeoutSeconds: 15 }).then(
    ({ stdout }) => stdout.toString().trim(),
    () => '0',
  );
  return uid === '0' ? '/var/tmp/hangar' : `/var/tmp/hangar-${uid}`;
}
