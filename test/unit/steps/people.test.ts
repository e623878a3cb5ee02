import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApprovalRequest } from '../../../src/runbook/step-kind.ts';
import { approveStep } from '../../../src/steps/approve.ts';
import { assertStep } from '../../../src/steps/assert.ts';
import { stepKinds } from '../../../src/steps/index.ts';
import { notifyStep } from '../../../src/steps/notify.ts';
import { errorOf, makeIncident, type TestIncident } from './make-incident.ts';
import { makeRuntime } from './make-runtime.ts';

let made: TestIncident;
let server: Server;
let url: string;
let status = 200;
const received: unknown[] = [];

beforeAll(async () => {
  made = await makeIncident();
  server = createServer(async (request, response) => {
    received.push(JSON.parse(await text(request)));
    response.writeHead(status).end();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/secret-path`;
});
afterAll(async () => {
  await new Promise(resolve => server.close(resolve));
  await made.end();
});

test('an assertion fails with its message', async () => {
  expect(await assertStep.run({ that: true }, made.incident, makeRuntime())).toEqual({});
  const failing = assertStep.run({ that: false, message: 'the disk is full' }, made.incident, makeRuntime());
  expect(await errorOf(failing)).toMatchObject({
    code: 'ASSERTION_FAILED',
    failure: 'step',
    message: '"web3": the disk is full',
  });
  expect(assertStep.commands({}, made.incident, 'host')).toEqual(['assert <that>']);
});

test('people are asked as the step says', async () => {
  const requests: ApprovalRequest[] = [];
  const runtime = makeRuntime({
    approve: async request => {
      requests.push(request);
      return { approvedBy: ['anna'] };
    },
  });
  const asked = approveStep.input.parse({ question: 'Go on?', ttl: '1m30s', by: ['anna', 'ben'] });
  expect(await approveStep.run(asked, made.incident, runtime)).toEqual({ approvedBy: ['anna'] });
  await approveStep.run(
    approveStep.input.parse({ question: 'Again?', count: 2, onTimeout: 'approve' }),
    made.incident,
    runtime,
  );
  expect(requests).toEqual([
    { question: 'Go on?', count: 1, ttlSeconds: 90, onTimeout: 'deny', by: ['anna', 'ben'] },
    { question: 'Again?', count: 2, ttlSeconds: 900, onTimeout: 'approve' },
  ]);
  expect(approveStep.input.safeParse({ question: 'x', ttl: 'soon' }).success).toBe(false);
});

test('a webhook gets subject, text, host and run', async () => {
  const asked = { webhook: url, subject: 'hung', text: 'web3 hangs' };
  expect(await notifyStep.run(asked, made.incident, makeRuntime())).toEqual({ status: 200 });
  expect(received.at(-1)).toEqual({ subject: 'hung', text: 'web3 hangs', host: 'web3', run: made.incident.run });
});

test('a webhook that does not take it is an error that does not tell its path', async () => {
  status = 403;
  const refused = await errorOf(notifyStep.run({ webhook: url, text: 'x' }, made.incident, makeRuntime()));
  expect(refused).toMatchObject({ code: 'NOTIFY_FAILED', message: expect.stringContaining('status 403') });
  expect(refused.message).not.toContain('secret-path');
  const gone = notifyStep.run({ webhook: 'http://127.0.0.1:1/', text: 'x' }, made.incident, makeRuntime());
  expect(await errorOf(gone)).toMatchObject({ code: 'NOTIFY_FAILED' });
});

test('a command of the controller has the text on stdin and in its environment', async () => {
  const file = join(made.folder, 'told');
  const command = `{ cat; printf '|%s|%s' "$NOTIFY_SUBJECT" "$NOTIFY_TEXT"; } >'${file}'`;
  const asked = { command, subject: '$(id)', text: "it's\n`hung`" };
  expect(await notifyStep.run(asked, made.incident, makeRuntime())).toEqual({});
  expect(readFileSync(file, 'utf8')).toBe("it's\n`hung`|$(id)|it's\n`hung`");
  const failing = notifyStep.run({ command: 'echo no >&2; exit 2', text: 'x' }, made.incident, makeRuntime());
  expect(await errorOf(failing)).toMatchObject({
    code: 'NOTIFY_FAILED',
    message: 'nobody was told: the command ended with 2: no',
  });
});

test('exactly one receiver is wanted', () => {
  expect(notifyStep.input.safeParse({ text: 'x' }).success).toBe(false);
  expect(notifyStep.input.safeParse({ text: 'x', webhook: url, command: 'cat' }).success).toBe(false);
});

test('every kind of step is known by its name, and shows what it would run without an input', () => {
  const names = ['shell', 'script', 'copy', 'fetch', 'wait-for', 'assert', 'approve', 'notify'];
  for (const name of names) {
    const kind = stepKinds.get(name);
    expect(kind?.name).toBe(name);
    expect(kind?.commands({}, made.incident, 'host').join('\n')).not.toContain('undefined');
  }
});
