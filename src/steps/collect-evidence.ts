import { z } from 'zod';
import { collectEvidence, collectEvidenceCommands } from '../capture/collect-evidence.ts';
import type { StepKind } from '../runbook/step-kind.ts';
import { records } from './case-records.ts';
import type { Incident } from './incident.ts';

const input = z.strictObject({ pid: z.int().min(2).describe('process to describe') });
const output = z.object({ threads: z.int(), bytes: z.int().describe('of the transcript, kept in the case') });

/** What /proc says of the process, into the case; the process is not stopped. */
export const collectEvidenceStep: StepKind<Incident, z.infer<typeof input>, z.infer<typeof output>> = {
  name: 'collect-evidence',
  summary: 'copies what /proc says of a process, without stopping it',
  risk: 'read',
  input,
  output,
  commands: ({ pid }, { host }) => collectEvidenceCommands(host, pid),
  async run({ pid }, incident, { signal }) {
    const process = await incident.processOf(pid);
    const { evidence, transcript } = await incident.withSession(
      session => collectEvidence(session, process, { signal }),
      signal,
    );
    await (await incident.case()).writeText(records.evidence, transcript);
    return { threads: evidence.threads.length, bytes: Buffer.byteLength(transcript) };
  },
};
