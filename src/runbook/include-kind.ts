import { z } from 'zod';
import type { StepKind } from './step-kind.ts';

const input = z.strictObject({
  runbook: z.string().min(1).describe('its name beside this file, else the packaged one; or a path from this file'),
  params: z.record(z.string(), z.unknown()).optional().describe('of the included runbook'),
});

/** Stands for the steps of another runbook; the engine runs those in its place. */
export const includeKind: StepKind<unknown, z.infer<typeof input>> = {
  name: 'include',
  summary: 'runs the steps of another runbook here; `steps.ID.STEP` are their outputs',
  risk: 'read',
  input,
  output: z.unknown(),
  commands: () => [],
  run: () => Promise.reject(new TypeError('an include has steps of its own')),
};
