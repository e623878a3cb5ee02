import { z } from 'zod';
import { analyze } from '../analyze.ts';
import type { StepKind } from '../runbook/step-kind.ts';
import { records, subjectOf } from './case-records.ts';
import type { Incident } from './incident.ts';
import { storedModules } from './stored-modules.ts';

const input = z.strictObject({
  showQuery: z.boolean().default(false).describe('shows query strings of requests; they may hold secrets'),
  locals: z
    .boolean()
    .default(false)
    .describe('shows arguments and local variables of frames; secrets are masked by name and form'),
  native: z.boolean().default(true).describe('reads native stacks with gdb'),
});
const output = z.object({
  case: z.string().describe('id of the case'),
  summary: z.string().describe('first line of the report'),
  findings: z.int(),
});

/** What everything waits for, from the case alone; the report is kept in it. */
export const analyzeStep: StepKind<Incident, z.infer<typeof input>, z.infer<typeof output>> = {
  name: 'analyze',
  summary: 'says what the threads wait for, with proof; without a core by the evidence alone',
  risk: 'read',
  input,
  output,
  commands: () => [],
  async run({ showQuery, locals, native }, incident, { signal, progress }) {
    const folder = await incident.case();
    const report = await analyze(await subjectOf(folder, incident.state), {
      findFiles: modules => storedModules(incident.state, modules),
      searched: [`${incident.state}/store/modules`],
      native,
      hash: true,
      showQuery,
      locals,
      signal,
      progress,
    });
    await folder.writeRecord(records.report, report);
    return { case: folder.id, summary: report.summary, findings: report.findings.length };
  },
};
