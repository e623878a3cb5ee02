import { z } from 'zod';

/** `hangar.run/1` (contract, `Results`). Readers accept fields that they do not know. */

const error = z.looseObject({ code: z.string(), message: z.string(), fix: z.string() });

export const stepRunSchema = z.looseObject({
  id: z.string(),
  status: z.enum(['succeeded', 'failed', 'skipped', 'cancelled', 'interrupted']),
  /** Of a step that was skipped: its own `when`, a step it needs, or the end of the run. */
  reason: z.enum(['when', 'blocked', 'finished', 'cancelled']).optional(),
  attempts: z.int(),
  seconds: z.number(),
  outputs: z.unknown().optional(),
  error: error.optional(),
});

export const hostRunSchema = z.looseObject({
  name: z.string(),
  status: z.enum(['succeeded', 'finished', 'failed', 'unreachable', 'cancelled', 'not-started', 'interrupted']),
  error: error.optional(),
  steps: z.array(stepRunSchema),
});

const finding = z.looseObject({
  signature: z.string(),
  class: z.string(),
  summary: z.string(),
  hosts: z.array(z.string()),
});

function runShape(report: z.ZodType) {
  return z.looseObject({
    schema: z.literal('hangar.run/1'),
    run: z.string(),
    runbook: z.string(),
    status: z.enum(['succeeded', 'failed', 'cancelled', 'interrupted']),
    exitCode: z.int(),
    startedAt: z.string(),
    seconds: z.number(),
    hosts: z.array(hostRunSchema.extend({ report: report.optional() })),
    findings: z.array(finding),
  });
}

export const runSchema = runShape(z.unknown());
export type Run = z.infer<typeof runSchema>;
export type HostRun = Run['hosts'][number];
export type StepRun = z.infer<typeof stepRunSchema>;
export type RunError = z.infer<typeof error>;

/** JSON Schema of a run whose reports have the given shape (draft 2020-12). */
export function runJsonSchema(report: z.ZodType): unknown {
  return z.toJSONSchema(runShape(report));
}

const event = { at: z.string().describe('ISO 8601 UTC'), run: z.string() };
const ofHost = { ...event, host: z.string() };
const ofStep = { ...ofHost, step: z.string() };

/** What happens in a run, as it happens: the lines of `--events FILE` and of a run's journal. */
export const eventSchema = z.discriminatedUnion('kind', [
  z.looseObject({ ...event, kind: z.literal('run-started'), runbook: z.string(), hosts: z.array(z.string()) }),
  z.looseObject({ ...ofHost, kind: z.literal('host-started') }),
  z.looseObject({ ...ofStep, kind: z.literal('step-started'), attempt: z.int() }),
  z.looseObject({ ...ofStep, kind: z.literal('step-progress'), text: z.string() }),
  z.looseObject({ ...ofStep, kind: z.literal('step-retried'), attempt: z.int(), afterSeconds: z.number(), error }),
  z.looseObject({ ...ofStep, kind: z.literal('step-ended'), result: stepRunSchema }),
  z.looseObject({ ...ofHost, kind: z.literal('host-ended'), status: hostRunSchema.shape.status }),
  z.looseObject({ ...event, kind: z.literal('run-ended'), status: runSchema.shape.status, exitCode: z.int() }),
]);
export type RunEvent = z.infer<typeof eventSchema>;

/** JSON Schema of one line of the event stream (draft 2020-12). */
export function eventJsonSchema(): unknown {
  return z.toJSONSchema(eventSchema);
}
