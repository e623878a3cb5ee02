import { z } from 'zod';
import type { StepKind } from '../runbook/step-kind.ts';
import type { Incident } from './incident.ts';
import {
  commandFailure,
  probeWorkStep,
  runWorkStep,
  type WorkOutput,
  type WorkRequest,
  workCommands,
  workInput,
  workOutput,
} from './work-step.ts';

const input = z.strictObject({
  run: z.string().min(1).describe('shell text; values come through `env`'),
  ...workInput,
});

type Input = z.infer<typeof input>;

/** Shell text, run once: it outlives a lost connection and is joined afterwards. */
export const shellStep: StepKind<Incident, Input, WorkOutput> = {
  name: 'shell',
  summary: 'runs shell text, on the host or on the controller',
  risk: 'write',
  literal: ['run'],
  input,
  output: workOutput,
  commands: (asked, incident, where) => workCommands(requestOf(asked), incident, where),
  run: (asked, incident, runtime) => runWorkStep(requestOf(asked), incident, runtime),
  failure: (output, _asked, incident) => commandFailure(output, incident),
  probe: (asked, incident, runtime) => probeWorkStep(requestOf(asked), incident, runtime),
};

function requestOf({ run = '<run>', become = false, env, outputs }: Partial<Input>): WorkRequest {
  return { script: run, become, env, outputs };
}
