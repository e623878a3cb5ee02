import { z } from 'zod';
import type { StepKind } from '../runbook/step-kind.ts';
import { durationInput, secondsOf } from './duration-input.ts';
import type { Incident } from './incident.ts';

const input = z.strictObject({
  question: z.string().min(1),
  count: z.int().min(1).default(1).describe('different people who must agree'),
  ttl: durationInput.default('15m').describe('how long an answer is waited for'),
  onTimeout: z.enum(['deny', 'approve']).default('deny').describe('what no answer means'),
  by: z.array(z.string()).optional().describe('login names of those who may answer'),
});
const output = z.object({ approvedBy: z.array(z.string()) });

type Input = z.infer<typeof input>;
type Output = z.infer<typeof output>;

/** Waits for people to agree. */
export const approveStep: StepKind<Incident, Input, Output> = {
  name: 'approve',
  summary: 'asks people to agree before the run goes on',
  risk: 'read',
  input,
  output,
  commands({ question = '<question>', count = 1, ttl = '15m', by }) {
    const who = by === undefined ? '' : ` of ${by.join(', ')}`;
    return [`approve ${JSON.stringify(question)}: ${count}${who} within ${secondsOf(ttl)} s`];
  },
  async run({ question, count, ttl, onTimeout, by }, _incident, runtime) {
    const request = { question, count, ttlSeconds: secondsOf(ttl), onTimeout, ...(by && { by }) };
    const { approvedBy } = await runtime.approve(request);
    return { approvedBy: [...approvedBy] };
  },
};
