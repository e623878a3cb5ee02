import { randomBytes } from 'node:crypto';
import type { Host } from '../fleet/host.ts';
import type { Captured } from '../host/captured.ts';
import { readCaptured } from '../host/captured.ts';
import type { SshSession } from '../ssh/session.ts';
import type { CallOptions } from './host-program.ts';
import { brokenReply, callHost, hostLine } from './host-program.ts';
import type { ProcessId } from './process-id.ts';
import { processArguments } from './process-id.ts';

export interface CaptureOptions extends ProcessId {
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
 * Takes a core of a process with gdb on the host; the process goes on afterwards. When this is aborted, or fails in any
 * way, gdb is ended and its files are removed; where the connection is lost, the host program does that by itself.
 * @throws HangarError `GDB_MISSING`, `DISK_TOO_SMALL`, `GCORE_FAILED`, `GCORE_TIMEOUT`, `CORE_INCOMPLETE`,
 * `PROCESS_GONE`, `TARGET_STOPPED`, `NOT_OURS`, or as `callHost`
 */
export async function captureCore(
  session: SshSession,
  options: CaptureOptions,
  { signal }: CallOptions = {},
): Promise<CapturedCore> {
  signal?.throwIfAborted();
  const limitSeconds = options.limitSeconds ?? defaultLimitSeconds;
  const name = randomBytes(8).toString('hex');
  try {
    const { stdout } = await callHost(session, 'core', coreArguments(options, name), {
      ...(signal && { signal }),
      timeoutSeconds: limitSeconds + 30,
    });
    const captured = readCaptured(stdout.toString());
    if (captured === undefined) throw brokenReply(session.host, 'core');
    return { ...captured, method: 'gcore' };
  } catch (error) {
    await abandon(session, options.directory ?? (await defaultDirectory(session)), name);
    throw error;
  }
}

/** The commands that `captureCore` runs. */
export function captureCoreCommands(host: Host, options: Partial<CaptureOptions> = {}): readonly string[] {
  const { pid, startTicks, ...rest } = options;
  const known = { ...rest, pid: pid ?? 0, ...(startTicks !== undefined && { startTicks }) };
  return [hostLine(host, 'core', { ...coreArguments(known, '<random>'), pid: pid ?? '<pid>' })];
}

const defaultLimitSeconds = 240;

function coreArguments(options: CaptureOptions, name: string) {
  return {
    ...processArguments(options),
    name,
    dir: options.directory,
    limit: options.limitSeconds ?? defaultLimitSeconds,
    reserve: options.reserveBytes,
  };
}

/** Ends what may still run there, over a channel of its own; nothing more can be done where that fails. */
async function abandon(session: SshSession, directory: string, name: string): Promise<void> {
  await callHost(session, 'clean', { directory: `${directory}/${name}` }, { timeoutSeconds: 15 }).catch(
    () => undefined,
  );
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
