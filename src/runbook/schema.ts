import { z } from 'zod';
import { paramTypes } from './runbook.ts';

const text = z.string().min(1);
const scalar = z.union([z.string(), z.number(), z.boolean()]);
const durationHelp = 'a duration is "30s", "5m", "1m30s"';
const duration = z.string({ error: durationHelp }).regex(/^(\d+(\.\d+)?(ms|s|m|h|d))+$/, durationHelp);
const amount = z.union([z.int().min(0), z.string().regex(/^\d+(\.\d+)?%$/, 'a share is "10%"')], {
  error: 'expected a number, or a share like 10%',
});
const cel = z.string({ error: 'expected a bare CEL expression' }).min(1).describe('a bare CEL expression');
const condition = z.union([cel, z.boolean()], { error: 'expected a condition: true, false, or bare CEL' });

const bound = z.union([z.number(), z.string()], { error: 'expected a number, a duration, or a size' });

const param = z.strictObject({
  type: z.enum(paramTypes),
  required: z.boolean().optional(),
  default: z
    .union([scalar, z.array(z.string())], { error: 'expected a text, a number, true, false, or a list of texts' })
    .optional(),
  values: z.array(z.string()).min(1).optional().describe('of an enum'),
  min: bound.optional(),
  max: bound.optional(),
  pattern: z.string().optional().describe('regular expression that the whole text matches'),
  help: z.string().optional(),
});

const retry = z.strictObject({
  attempts: z.int().min(1).max(100).describe('all in all, the first one included'),
  delay: duration.optional(),
  backoff: z.number().min(1).optional(),
  jitter: z.number().min(0).max(1).optional().describe('share of the delay that is added at random at most'),
  on: z
    .array(
      z.union([z.int(), z.enum(['timeout', 'connection'])], { error: 'expected timeout, connection, or an exit code' }),
    )
    .optional()
    .describe('what is tried again: exit codes, timeout, connection; default: every failure'),
});

/** What a step says of itself, whatever it does. */
const stepShape = {
  id: text.describe('camelCase; `steps.ID` reads its outputs'),
  uses: text.optional().describe('step kind: runbook list --steps'),
  run: text.optional().describe('shell text; short for `uses: shell`. Values come through `env`'),
  with: z.record(z.string(), z.unknown()).optional(),
  env: z
    .record(
      z.string().regex(/^[A-Za-z_]\w*$/, 'a variable name has letters, digits and "_"'),
      z.union(scalar.options, { error: 'expected a text, a number, true, or false' }),
    )
    .optional(),
  become: z.boolean().optional().describe('as root, the way the fleet file says'),
  outputs: z.record(z.string(), z.unknown()).optional().describe('text | json | { regex, type } | { file }'),
  needs: z.array(z.string()).optional().describe('ids; default: the step before'),
  where: z.enum(['host', 'controller']).optional(),
  once: z.boolean().optional().describe('on the first host only; the others get its outputs'),
  risk: z.enum(['read', 'write', 'disruptive']).optional(),
  when: condition.optional(),
  foreach: cel.optional().describe('a list; the step runs for each `item` of it'),
  concurrency: z.int().min(1).optional().describe('items at the same time; default 1'),
  check: text.optional().describe('shell text that succeeds where the step is done already'),
  creates: text.optional().describe('path that is there where the step is done already'),
  finishWhen: condition.optional(),
  failedWhen: condition.optional(),
  changedWhen: condition.optional(),
  continueOnError: condition.optional(),
  timeout: duration.optional(),
  killAfter: duration.optional().describe('between the request to end and the kill; default 10s'),
  retry: retry.optional(),
  onUnknown: z
    .enum(['ask', 'rerun', 'skip', 'fail'])
    .optional()
    .describe('after a crash, where nobody can say whether the step was done; default: ask'),
};

export interface StepFile {
  readonly id: string;
  readonly uses?: string | undefined;
  readonly run?: string | undefined;
  readonly with?: Readonly<Record<string, unknown>> | undefined;
  readonly env?: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly become?: boolean | undefined;
  readonly outputs?: Readonly<Record<string, unknown>> | undefined;
  readonly needs?: readonly string[] | undefined;
  readonly where?: 'host' | 'controller' | undefined;
  readonly once?: boolean | undefined;
  readonly risk?: 'read' | 'write' | 'disruptive' | undefined;
  readonly when?: string | boolean | undefined;
  readonly foreach?: string | undefined;
  readonly concurrency?: number | undefined;
  readonly check?: string | undefined;
  readonly creates?: string | undefined;
  readonly finishWhen?: string | boolean | undefined;
  readonly failedWhen?: string | boolean | undefined;
  readonly changedWhen?: string | boolean | undefined;
  readonly continueOnError?: string | boolean | undefined;
  readonly timeout?: string | undefined;
  readonly killAfter?: string | undefined;
  readonly retry?: z.infer<typeof retry> | undefined;
  readonly onUnknown?: 'ask' | 'rerun' | 'skip' | 'fail' | undefined;
  readonly rescue?: readonly StepFile[] | undefined;
  readonly always?: readonly StepFile[] | undefined;
}

const step: z.ZodType<StepFile> = z.strictObject({
  ...stepShape,
  get rescue(): z.ZodOptional<z.ZodArray<z.ZodType<StepFile>>> {
    return z.array(step).optional().describe('steps that run when this one failed; if they succeed the run goes on');
  },
  get always(): z.ZodOptional<z.ZodArray<z.ZodType<StepFile>>> {
    return z.array(step).optional().describe('steps that run behind this one, whatever became of it');
  },
});

const fanout = z.strictObject({
  concurrency: z.int().min(1).optional().describe('hosts at the same time; default 10'),
  serial: z
    .union([amount, z.array(amount).min(1)], { error: 'expected a number, a share like 10%, or a list of them' })
    .optional()
    .describe('size of the batches of hosts: a number, a share, or a list of them, the last of which repeats'),
  maxFailures: amount.optional().describe('no host is started any more once this many have failed'),
  order: z.enum(['inventory', 'reverse', 'name', 'random']).optional(),
});

/** Shape of a runbook file (contract, `Runbooks`). */
export const runbookSchema = z.strictObject({
  version: z.literal(1),
  name: text,
  summary: text,
  params: z.record(z.string(), param).optional(),
  fanout: fanout.optional(),
  steps: z.array(step).min(1),
  rescue: z.array(step).optional().describe('steps that run when a host failed'),
  always: z.array(step).optional().describe('steps that run last, whatever happened'),
});

export type RunbookFile = z.infer<typeof runbookSchema>;
export type ParamFile = NonNullable<RunbookFile['params']>[string];

/** Keys of the map at a place of a runbook file; none where any may stand. */
export function knownKeys(path: readonly (string | number)[]): readonly string[] {
  const [last, above] = [path.at(-1), path.at(-2)];
  if (path.length === 0) return Object.keys(runbookSchema.shape);
  if (typeof last === 'number') return [...Object.keys(stepShape), 'rescue', 'always'];
  if (last === 'retry') return Object.keys(retry.shape);
  if (last === 'fanout') return Object.keys(fanout.shape);
  return above === 'params' ? Object.keys(param.shape) : [];
}

/** JSON Schema of a runbook file (draft 2020-12), for editors. */
export function runbookJsonSchema(): unknown {
  return z.toJSONSchema(runbookSchema, { io: 'input' });
}
