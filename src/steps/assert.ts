import { z } from 'zod';
import { HangarError } from '../errors.ts';
import type { StepKind } from '../runbook/step-kind.ts';
import type { Incident } from './incident.ts';

const input = z.strictObject({
  that: z.boolean().describe('what must be true'),
  message: z.string().optional().describe('what it means when it is not'),
});
const output = z.strictObject({});

type Input = z.infer<typeof input>;
type Output = z.infer<typeof output>;

/** Ends the run where something is not as it must be. */
export const assertStep: StepKind<Incident, Input, Output> = {
  name: 'assert',
  summary: 'fails unless a condition holds',
  risk: 'read',
  input,
  output,
  commands: ({ that, message }) => [`assert ${that ?? '<that>'}${message === undefined ? '' : ` # ${message}`}`],
  async run({ that, message }, { host }) {
    if (that) return {};
    throw new HangarError({
      code: 'ASSERTION_FAILED',
      message: `"${host.name}": ${message ?? 'expected `that` to be true, found false'}`,
      fix: 'see the outputs of the steps before it, and why they are not as expected',
      failure: 'step',
    });
  },
};
