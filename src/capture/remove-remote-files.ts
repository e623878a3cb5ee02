import type { Host } from '../fleet/host.ts';
import type { SshSession } from '../ssh/session.ts';
import type { CallOptions } from './host-program.ts';
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

/** The commands that `removeRemoteFiles` runs. */
export function removeRemoteFilesCommands(host: Host, directory = '<directory>'): readonly string[] {
  return [hostLine(host, 'clean', { directory })];
}
