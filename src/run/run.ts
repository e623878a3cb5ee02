import { z } from 'zod';

/** `hangar.run/1` (contract, `Results`). Readers accept fields that they do not know. */

const error = z.looseObject({ code: z.string(), message: z.string(), fix: z.string() });

const stepShape = {
  id: z.string().describe('of a step of an included runbook: `INCLUDE/ID`'),
  status: z.enum(['succeeded', 'failed', 'skipped', 'cancelled', 'interrupted', 'running']),
  reason: z
    .enum(['when', 'done', 'blocked', 'finished', 'cancelled', 'unknown', 'probe'])
    .optional()
    .describe(
      'why it was skipped: its own `when`; it was done already; a step it needs; the end of the run; after a crash nobody could say whether it was done; --dry-run=probe runs only what reads',
    ),
  attempts: z.int(),
  seconds: z.number(),
  changed: z.boolean().optional().describe('by its `changedWhen`, or what it says itself'),
  outputs: z.unknown().optional(),
  error: error.optional(),
  warning: z.string().optional().describe('what is to be looked at although it succeeded (exit code 4)'),
  /** It failed, and the run went on: `continueOnError`. */
  forgiven: z.boolean().optional(),
  /** It failed, and its `rescue` succeeded. */
  rescued: z.boolean().optional(),
  /** Nobody knows whether it had its effect: the connection was lost, or it was ended from outside. */
  uncertain: z.boolean().optional(),
  /** Done before the run was resumed. */
  reused: z.boolean().optional(),
  commands: z.array(z.string()).optional().describe('what was run'),
};

export const stepRunSchema = z.looseObject({
  ...stepShape,
  items: z
    .array(z.looseObject({ ...stepShape, item: z.unknown() }))
    .optional()
    .describe('of a step with `foreach`: one for each item'),
});

export const hostRunSchema = z.looseObject({
  name: z.string(),
  status: z.enum([
    'succeeded',
    'finished',
    'failed',
    'unreachable',
    'cancelled',
    'not-started',
    'interrupted',
    'running',
  ]),
  error: error.optional(),
  steps: z.array(stepRunSchema),
});

const finding = z.looseObject({
  signature: z.string(),
  class: z.string(),
  summary: z.string(),
  hosts: z.array(z.string()),
});

function runShape(report: z.ZodType, compliance: z.ZodType) {
  return z.looseObject({
    schema: z.literal('hangar.run/1'),
    run: z.string(),
    runbook: z.string(),
    status: z.enum(['succeeded', 'failed', 'cancelled', 'interrupted', 'running']),
    exitCode: z.int(),
    startedAt: z.string(),
    seconds: z.number(),
    hosts: z.array(hostRunSchema.extend({ report: report.optional(), compliance: compliance.optional() })),
    findings: z.array(finding),
  });
}

export const runSchema = runShape(z.unknown(), z.unknown());
export type Run = z.infer<typeof runSchema>;
export type HostRun = Run['hosts'][number];
export type StepRun = z.infer<typeof stepRunSchema>;
export type RunError = z.infer<typeof error>;

/** JSON Schema of a run whose reports and compliance have the given shapes (draft 2020-12). */
export function runJsonSchema(report: z.ZodType, compliance: z.ZodType): unknown {
  return z.toJSONSchema(runShape(report, compliance));
}

const event = { at: z.string().describe('ISO 8601 UTC'), run: z.string() };
const ofHost = { ...event, host: z.string() };
const ofStep = { ...ofHost, step: z.string() };
const start = {
  input: z.string().describe('hash of the inputs: with name, host and item the identity of a step'),
  item: z.unknown().optional(),
  once: z.boolean().optional(),
};

/** What happens in a run, as it happens: the lines of `--events FILE` and of a run's journal. */
export const eventSchema = z.discriminatedUnion('kind', [
  z.looseObject({ ...event, kind: z.literal('run-started'), runbook: z.string(), hosts: z.array(z.string()) }),
  z.looseObject({ ...event, kind: z.literal('run-resumed'), hosts: z.array(z.string()), by: z.string() }),
  z.looseObject({ ...ofHost, kind: z.literal('host-waiting'), text: z.string() }),
  z.looseObject({ ...ofHost, kind: z.literal('host-started') }),
  z.looseObject({
    ...ofStep,
    ...start,
    kind: z.literal('step-started'),
    attempt: z.int(),
    key: z.string().describe('idempotency key of the start'),
    commands: z.array(z.string()),
  }),
  z.looseObject({ ...ofStep, kind: z.literal('step-progress'), text: z.string() }),
  z.looseObject({ ...ofStep, kind: z.literal('step-retried'), attempt: z.int(), afterSeconds: z.number(), error }),
  z.looseObject({ ...ofStep, kind: z.literal('step-reused'), result: stepRunSchema }),
  z.looseObject({ ...ofStep, kind: z.literal('step-ended'), result: stepRunSchema, start: z.object(start).optional() }),
  z.looseObject({
    ...ofStep,
    kind: z.literal('approval-requested'),
    question: z.string(),
    count: z.int(),
    until: z.string().describe('ISO 8601 UTC'),
  }),
  z.looseObject({
    ...ofStep,
    kind: z.literal('approval-answered'),
    answer: z.enum(['approved', 'denied', 'timed-out']),
    by: z.array(z.string()).describe('login names'),
  }),
  z.looseObject({ ...event, kind: z.literal('cancel-requested'), by: z.string() }),
  z.looseObject({
    ...ofHost,
    kind: z.literal('host-ended'),
    status: hostRunSchema.shape.status,
    error: error.optional(),
  }),
  z.looseObject({ ...event, kind: z.literal('run-ended'), status: runSchema.shape.status, exitCode: z.int() }),
]);
export type RunEvent = z.infer<typeof eventSchema>;

/** JSON Schema of one line of the event stream (draft 2020-12). */
export function eventJsonSchema(): unknown {
  return z.toJSONSchema(eventSchema);
}
