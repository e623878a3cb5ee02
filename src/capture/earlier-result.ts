import { readOutcome } from '../host/outcome.ts';
import type { SshSession } from '../ssh/session.ts';
import type { Arguments, CallOptions } from './host-program.ts';
import { brokenReply, callHost } from './host-program.ts';

/**
 * What `core` or `recover` printed when an earlier call of the same name or key ended well, whether or not anybody heard
 * of it; undefined: it was not begun, has not ended, or was cut off. Changes nothing on the host.
 * @throws HangarError `NOT_OURS`, or as `callHost`
 */
export async function earlierResult<T>(
  session: SshSession,
  args: Arguments,
  read: (stdout: string) => T | undefined,
  { signal }: CallOptions = {},
): Promise<T | undefined> {
  const { stdout } = await callHost(session, 'outcome', args, { ...(signal && { signal }) });
  const outcome = readOutcome(stdout.toString());
  if (outcome?.state === 'running' || outcome?.state === 'none') return undefined;
  const result = outcome && read(outcome.result);
  if (result === undefined) throw brokenReply(session.host, 'outcome');
  return result;
}
