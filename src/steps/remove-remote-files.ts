import { z } from 'zod';
import { removeRemoteFiles, removeRemoteFilesCommands } from '../capture/remove-remote-files.ts';
import type { StepKind } from '../runbook/step-kind.ts';
import { captureSchema, records } from './case-records.ts';
import type { Incident } from './incident.ts';

const input = z.strictObject({});
const output = z.object({
  removed: z.array(z.string()).describe('directories on the host'),
  kept: z
    .array(z.object({ path: z.string(), coreBytes: z.number() }))
    .describe('cores of which no verified copy is here: they stay'),
});

/** Removes the core from the host, but only once a verified copy is in the case. */
export const removeRemoteFilesStep: StepKind<Incident, z.infer<typeof input>, z.infer<typeof output>> = {
  name: 'remove-remote-files',
  summary: 'removes the core from the host, once a verified copy is here',
  risk: 'write',
  input,
  output,
  commands: (_asked, { host }) => removeRemoteFilesCommands(host),
  async run(_asked, incident, { signal, progress }) {
    const folder = await incident.existingCase();
    const capture = await folder?.readRecord(records.capture, captureSchema);
    if (folder === undefined || capture === undefined) return { removed: [], kept: [] };
    const { remotePath: path, directory, coreBytes } = capture;
    if (folder.core?.complete !== true) {
      progress(`the core stays on the host, for no verified copy is here: ${path} (${coreBytes} bytes)`);
      return { removed: [], kept: [{ path, coreBytes }] };
    }
    await incident.withSession(session => removeRemoteFiles(session, directory, { signal }), signal);
    return { removed: [directory], kept: [] };
  },
};
