import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HangarError } from '../../../src/errors.ts';
import type { Place } from '../../../src/runbook/step-kind.ts';
import { waitForStep } from '../../../src/steps/wait-for.ts';
import { errorOf, makeIncident, type TestIncident } from './make-incident.ts';
import { makeRuntime } from './make-runtime.ts';

let made: TestIncident;
let server: Server;
let port: number;
let status = 200;

beforeAll(async () => {
  made = await makeIncident();
  server = createServer((_request, response) => response.writeHead(status).end());
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(async () => {
  await new Promise(resolve => server.close(resolve));
  await made.end();
});

function show(asked: object, where: Place = 'host'): readonly string[] {
  return waitForStep.commands(asked, made.incident, where);
}

const places: readonly Place[] = ['host', 'controller'];

describe.each(places)('on the %s', where => {
  const wait = (asked: object, limit = new AbortController().signal) => {
    const runtime = makeRuntime({ where, signal: limit });
    const waiting = waitForStep.run(waitForStep.input.parse({ interval: 0.1, ...asked }), made.incident, runtime);
    return { waiting, said: runtime.said };
  };
  const waitInVain = async (asked: object): Promise<{ error: HangarError; said: readonly string[] }> => {
    const abort = new AbortController();
    const { waiting, said } = wait(asked, abort.signal);
    const ended = errorOf(waiting);
    while (said.length < 2) await new Promise(resolve => setTimeout(resolve, 20));
    abort.abort(new HangarError({ code: 'STEP_TIMEOUT', message: 'out of time', fix: 'y', failure: 'cancelled' }));
    return { error: await ended, said };
  };

  test('a port is waited for', async () => {
    expect(await wait({ port }).waiting).toMatchObject({ tries: 1 });
    const { error } = await waitInVain({ port: 1 });
    expect(error.code).toBe('STEP_TIMEOUT');
    expect(error.message).toMatch(where === 'host' ? /nothing listens on port 1$/ : /port 1 does not take connections/);
  });

  test('a URL is waited for until its status is below 500', async () => {
    const http = `http://127.0.0.1:${port}/a?b='c'`;
    status = 404;
    expect(await wait({ http }).waiting).toMatchObject({ tries: 1 });
    status = 503;
    const { waiting, said } = wait({ http });
    while (said.length === 0) await new Promise(resolve => setTimeout(resolve, 20));
    status = 200;
    const { seconds, tries } = await waiting;
    expect(tries).toBeGreaterThan(1);
    expect(seconds).toBeGreaterThan(0.09);
    expect(said[0]).toMatch(/answers with status 503$/);
    expect((await waitInVain({ http: 'http://127.0.0.1:1/' })).error.message).toMatch(/does not answer/);
  });

  test('a file is waited for', async () => {
    const file = join(made.folder, `it's ${where}`);
    const { waiting, said } = wait({ file });
    while (said.length === 0) await new Promise(resolve => setTimeout(resolve, 20));
    writeFileSync(file, '');
    await waiting;
    expect(said[0]).toContain(`there is no ${file}`);
  });

  test('a command is waited for, with its variables', async () => {
    const command = 'cat; [ "$A" = "b c" ] || { echo "not $A" >&2; exit 3; }';
    expect(await wait({ command, env: { A: 'b c' } }).waiting).toMatchObject({ tries: 1 });
    const { error, said } = await waitInVain({ command, env: { A: 'd' } });
    expect(said[0]).toBe('the try ended with 3: not d');
    expect(error.message).toBe('out of time; the try ended with 3: not d');
  });
});

test('exactly one condition is wanted', () => {
  for (const asked of [{}, { port: 80, file: '/x' }, { http: 'ftp://x' }])
    expect(waitForStep.input.safeParse(asked).success).toBe(false);
});

test('a dry run shows what is asked', () => {
  expect(
    [show({ file: '/a b' }), show({}), show({ http: 'http://x/' }), show({ port: 80 }, 'controller')].flat(),
  ).toEqual(["test -e '/a b'", '<command>', 'curl http://x/', 'connect to 127.0.0.1 port 80']);
});
