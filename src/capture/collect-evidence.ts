import type { Host } from '../fleet/host.ts';
import type { ProcessEvidence } from '../host/evidence.ts';
import { readEvidence } from '../host/read-evidence.ts';
import type { SshSession } from '../ssh/session.ts';
import type { CallOptions } from './host-program.ts';
import { brokenReply, callHost, hostLine } from './host-program.ts';
import type { ProcessId } from './process-id.ts';
import { processArguments } from './process-id.ts';

export interface CollectedEvidence {
  readonly evidence: ProcessEvidence;
  /** Everything the host said, to be kept in the case; secrets in the environment are masked already. */
  readonly transcript: string;
}

/**
 * What /proc says of a process, taken over about a second without stopping it.
 * @throws HangarError `PROCESS_GONE`, or as `callHost`
 */
export async function collectEvidence(
  session: SshSession,
  process: ProcessId,
  { signal }: CallOptions = {},
): Promise<CollectedEvidence> {
  const { stdout } = await callHost(
    session,
    'evidence',
    { ...processArguments(process) },
    {
      ...(signal && { signal }),
      timeoutSeconds: 60,
      maxOutputBytes: 64 * 1024 * 1024,
    },
  );
  const transcript = stdout.toString();
  const evidence = readEvidence(transcript);
  if (evidence === undefined) throw brokenReply(session.host, 'evidence');
  return { evidence, transcript };
}

/** The commands that `collectEvidence` runs. */
export function collectEvidenceCommands(host: Host, pid?: number): readonly string[] {
  return [hostLine(host, 'evidence', { pid: pid ?? '<pid>' })];
}
