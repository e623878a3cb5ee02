import { z } from 'zod';
import type { StepKind } from '../runbook/step-kind.ts';
import { fetchCommands, fetchFile, keptPath } from './fetch-file.ts';
import type { Incident } from './incident.ts';

const input = z.strictObject({
  from: z.string().startsWith('/').describe('absolute path on the host'),
  to: z.string().min(1).optional().describe('path on the controller; default: among the files of the run'),
  become: z.boolean().default(false).describe('read it as root'),
});
const output = z.object({ path: z.string().describe('on the controller'), bytes: z.int(), sha256: z.string() });

type Input = z.infer<typeof input>;
type Output = z.infer<typeof output>;

/** A file of the host, verified, in a private file here. */
export const fetchStep: StepKind<Incident, Input, Output> = {
  name: 'fetch',
  summary: 'fetches a file of the host and verifies it',
  risk: 'read',
  input,
  output,
  commands: ({ from = '<from>', become = false }, incident, where) =>
    fetchCommands(incident.machine(where), from, become),
  async run({ from, to, become }, incident, runtime) {
    const machine = incident.machine(runtime.where);
    const path = to ?? keptPath(await runtime.folder(), machine, runtime.key, from);
    return fetchFile(machine, { from, become, to: path }, runtime);
  },
};
