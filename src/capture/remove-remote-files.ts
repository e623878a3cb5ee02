import type { Host } from '../fleet/host.ts';
import type { SshSession } from '../ssh/session.ts';
import type { Arguments, CallOptions } from './host-program.ts';
import { callHost, hostLine } from './host-program.ts';

/**
 * Removes a capture's private directory from the host, and ends a gdb that still writes there. One that is gone already
 * is no error.
 * @throws HangarError `NOT_OURS` for any directory that `captureCore` did not make, or as `callHost`
 */
export async function removeRemoteFiles(
  session: SshSession,
  directory: string,
  { signal }: CallOptions = {},
): Promise<void> {
  await callHost(session, 'clean', { directory }, { ...(signal && { signal }), timeoutSeconds: 60 });
}

/**
 * Removes what the host keeps of a recovery, so that its key counts for nothing any more. One that is gone already is no
 * error. `deferred`: where it still runs, the host removes that once it has ended.
 * @throws HangarError `STILL_RUNNING` unless `deferred`, or as `callHost`
 */
export async function removeRecoveryMark(
  session: SshSession,
  key: string,
  { signal, deferred = false }: CallOptions & { readonly deferred?: boolean } = {},
): Promise<void> {
  await callHost(session, 'clean', markArguments(key, deferred), { ...(signal && { signal }) });
}

/** The commands that `removeRecoveryMark` runs. */
export function removeRecoveryMarkCommands(host: Host, key = '<key>'): readonly string[] {
  return [hostLine(host, 'clean', markArguments(key, true))];
}

function markArguments(key: string, deferred: boolean): Arguments {
  return { key, ...(deferred && { deferred: 'yes' }) };
}

/** The commands that `removeRemoteFiles` runs. */
export function removeRemoteFilesCommands(host: Host, directory = '<directory>'): readonly string[] {
  return [hostLine(host, 'clean', { directory })];
}
