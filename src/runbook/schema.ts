import { z } from 'zod';
import { paramTypes } from './runbook.ts';

const text = z.string().min(1);
const scalar = z.union([z.string(), z.number(), z.boolean()]);
const duration = z.string().regex(/^(\d+(\.\d+)?(ms|s|m|h|d))+$/, 'a duration is "30s", "5m", "1m30s"');
const amount = z.union([z.int().min(0), z.string().regex(/^\d+(\.\d+)?%$/, 'a share is "10%"')]);
const cel = text.describe('a bare CEL expression');

const param = z.strictObject({
  type: z.enum(paramTypes),
  required: z.boolean().optional(),
  default: z.union([scalar, z.array(z.string())]).optional(),
  values: z.array(z.string()).min(1).optional().describe('of an enum'),
  min: z.union([z.number(), z.string()]).optional(),
  max: z.union([z.number(), z.string()]).optional(),
  pattern: z.string().optional().describe('regular expression that the whole text matches'),
  help: z.string().optional(),
});

const retry = z.strictObject({
  attempts: z.int().min(1).max(100).describe('all in all, the first one included'),
  delay: duration.optional(),
  backoff: z.number().min(1).optional(),
  jitter: z.number().min(0).max(1).optional(),
  on: z.array(z.union([z.int(), z.enum(['timeout', 'connection'])])).optional(),
});

/** Keys of the language that this version does not have yet; refused by name, never overlooked. */
export const unsupportedKeys = [
  'run',
  'env',
  'foreach',
  'become',
  'rescue',
  'always',
  'check',
  'creates',
  'onUnknown',
  'outputs',
  'changedWhen',
  'once',
] as const;

const step = z.strictObject({
  id: text,
  uses: text.describe('step kind: runbook list --steps'),
  with: z.record(z.string(), z.unknown()).optional(),
  needs: z.array(z.string()).optional().describe('ids; default: the step before'),
  where: z.enum(['host', 'controller']).optional(),
  risk: z.enum(['read', 'write', 'disruptive']).optional(),
  when: z.union([cel, z.boolean()]).optional(),
  finishWhen: cel.optional(),
  failedWhen: cel.optional(),
  continueOnError: z.union([z.boolean(), cel]).optional(),
  timeout: duration.optional(),
  retry: retry.optional(),
});

/** Shape of a runbook file (contract, `Runbooks`). */
export const runbookSchema = z.strictObject({
  version: z.literal(1),
  name: text,
  summary: text,
  params: z.record(z.string(), param).optional(),
  fanout: z
    .strictObject({
      concurrency: z.int().min(1).optional(),
      serial: z.union([amount, z.array(amount)]).optional(),
      maxFailures: amount.optional(),
    })
    .optional(),
  steps: z.array(step).min(1),
  always: z.array(step).optional(),
});

export type RunbookFile = z.infer<typeof runbookSchema>;
export type StepFile = RunbookFile['steps'][number];
export type ParamFile = NonNullable<RunbookFile['params']>[string];

/** JSON Schema of a runbook file (draft 2020-12), for editors. */
export function runbookJsonSchema(): unknown {
  return z.toJSONSchema(runbookSchema, { io: 'input' });
}
