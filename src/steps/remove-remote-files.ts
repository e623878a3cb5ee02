import { z } from 'zod';
import {
  removeRecoveryMark,
  removeRecoveryMarkCommands,
  removeRemoteFiles,
  removeRemoteFilesCommands,
} from '../capture/remove-remote-files.ts';
import type { CaseFolder } from '../case/case-folder.ts';
import type { StepKind, StepRuntime } from '../runbook/step-kind.ts';
import { captureSchema, records, recoverySchema } from './case-records.ts';
import type { Incident } from './incident.ts';

const input = z.strictObject({});
const output = z.object({
  removed: z.array(z.string()).describe('directories on the host'),
  kept: z
    .array(z.object({ path: z.string(), coreBytes: z.number() }))
    .describe('cores of which no verified copy is here: they stay'),
});

type Output = z.infer<typeof output>;

/**
 * Removes the core from the host, but only once a verified copy is in the case; and the mark of a recovery, of which the
 * case knows how it ended.
 */
export const removeRemoteFilesStep: StepKind<Incident, z.infer<typeof input>, Output> = {
  name: 'remove-remote-files',
  summary: 'removes the core from the host, once a verified copy is here',
  risk: 'write',
  input,
  output,
  commands: (_asked, { host }) => [...removeRemoteFilesCommands(host), ...removeRecoveryMarkCommands(host)],
  async run(_asked, incident, runtime) {
    const folder = await incident.existingCase();
    if (folder === undefined) return { removed: [], kept: [] };
    const removed = await removeCapture(folder, incident, runtime);
    await removeMark(folder, incident, runtime);
    return removed;
  },
};

async function removeCapture(
  folder: CaseFolder,
  incident: Incident,
  { signal, progress }: StepRuntime,
): Promise<Output> {
  const capture = await folder.readRecord(records.capture, captureSchema);
  if (capture === undefined) return { removed: [], kept: [] };
  const { remotePath: path, directory, coreBytes } = capture;
  if (folder.core?.complete !== true) {
    progress(`the core stays on the host, for no verified copy is here: ${path} (${coreBytes} bytes)`);
    return { removed: [], kept: [{ path, coreBytes }] };
  }
  await incident.withSession(session => removeRemoteFiles(session, directory, { signal }), signal);
  return { removed: [directory], kept: [] };
}

async function removeMark(folder: CaseFolder, incident: Incident, { signal }: StepRuntime): Promise<void> {
  const key = (await folder.readRecord(records.recovery, recoverySchema))?.key;
  if (key === undefined) return;
  await incident.withSession(session => removeRecoveryMark(session, key, { signal, deferred: true }), signal);
}
