import { z } from 'zod';
import { HangarError, messageOf } from '../errors.ts';
import { quote } from '../quote.ts';
import type { StepKind, StepRuntime } from '../runbook/step-kind.ts';
import { localShell } from '../ssh/local-shell.ts';
import type { Incident } from './incident.ts';

const input = z
  .strictObject({
    webhook: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('gets a POST with {subject, text, host, run}'),
    command: z
      .string()
      .min(1)
      .optional()
      .describe('shell text for the controller: the text on stdin, NOTIFY_SUBJECT and NOTIFY_TEXT in its environment'),
    subject: z.string().optional(),
    text: z.string(),
  })
  .refine(
    ({ webhook, command }) => (webhook === undefined) !== (command === undefined),
    'expected exactly one of webhook, command',
  );
const output = z.object({ status: z.int().optional().describe('HTTP status of a webhook') });

type Input = z.infer<typeof input>;
type Output = z.infer<typeof output>;

/** Tells people or programs, always from the controller. */
export const notifyStep: StepKind<Incident, Input, Output> = {
  name: 'notify',
  summary: 'tells somebody: a webhook, or a command of the controller',
  risk: 'write',
  literal: ['command'],
  input,
  output,
  commands: ({ webhook, command, text = '<text>' }) => [
    command ?? `curl --json ${quote(text)} ${webhook === undefined ? '<webhook>' : quote(webhook)}`,
  ],
  async run({ webhook, command, subject, text }, incident, runtime) {
    const message = { subject: subject ?? `${incident.host.name}: ${incident.run}`, text };
    if (webhook !== undefined) return { status: await post(webhook, message, incident, runtime) };
    await tell(command ?? '', message, runtime);
    return {};
  },
};

interface Message {
  readonly subject: string;
  readonly text: string;
}

const webhookSeconds = 10;
const commandSeconds = 60;

async function post(url: string, message: Message, incident: Incident, { key, signal }: StepRuntime): Promise<number> {
  const body = JSON.stringify({ ...message, host: incident.host.name, run: incident.run });
  const status = await answerOf(url, {
    method: 'POST',
    // A receiver that knows the header drops what comes twice.
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(webhookSeconds * 1000)]),
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw notifyFailed(`${placeOf(url)} cannot be reached: ${messageOf(cause)}`, error);
  });
  if (status < 200 || status > 299) throw notifyFailed(`${placeOf(url)} answered with status ${status}: expected 2xx`);
  return status;
}

async function answerOf(url: string, request: RequestInit): Promise<number> {
  const answer = await fetch(url, request);
  await answer.body?.cancel();
  return answer.status;
}

/** The path of a webhook is often its password. */
function placeOf(url: string): string {
  return `the webhook at ${new URL(url).origin}`;
}

async function tell(command: string, { subject, text }: Message, runtime: StepRuntime): Promise<void> {
  const { signal, timeoutSeconds = commandSeconds } = runtime;
  const shell = localShell({ env: { NOTIFY_SUBJECT: subject, NOTIFY_TEXT: text } });
  const { exitCode, stderr } = await shell.run({ line: command, stdin: text }, { signal, timeoutSeconds });
  if (exitCode === 0) return;
  throw notifyFailed(`the command ended with ${exitCode}: ${stderr.trim().split('\n').at(-1)}`);
}

function notifyFailed(why: string, cause?: unknown): HangarError {
  return new HangarError({
    code: 'NOTIFY_FAILED',
    message: `nobody was told: ${why}`,
    fix: 'try the webhook or the command by hand; `continueOnError: true` lets a run go on without',
    failure: 'step',
    cause,
  });
}
