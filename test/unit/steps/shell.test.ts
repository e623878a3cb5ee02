import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HangarError } from '../../../src/errors.ts';
import { scriptStep } from '../../../src/steps/script.ts';
import { shellStep } from '../../../src/steps/shell.ts';
import { errorOf, makeIncident, type TestIncident } from './make-incident.ts';
import { makeRuntime } from './make-runtime.ts';

let made: TestIncident;

beforeAll(async () => {
  made = await makeIncident();
});
afterAll(() => made.end());

const base = `/var/tmp/hangar-work-${process.getuid?.()}`;

test('a command gives out what it printed and how it ended, and its exit code is its failure', async () => {
  const { incident } = made;
  const asked = {
    run: 'echo "$COUNT $FLAG"; echo first >&2; echo last >&2; exit 75',
    env: { COUNT: 3, FLAG: true },
    become: false,
  };
  const output = await shellStep.run(asked, incident, makeRuntime());
  expect(output).toEqual({ exitCode: 75, stdout: '3 true', stderr: 'first\nlast\n' });
  const failure = shellStep.failure?.(output, asked, incident);
  expect(failure).toMatchObject({
    code: 'COMMAND_FAILED',
    remoteExitCode: 75,
    message: '"web3": the command ended with 75: last',
  });
  expect(shellStep.failure?.({ ...output, exitCode: 0 }, asked, incident)).toBeUndefined();
  expect(shellStep.output.parse(output)).toEqual(output);
});

test('long output is cut at a character, and says so', async () => {
  const asked = { run: "yes é | head -n 40000 | tr -d '\\n'; yes e | head -n 9000 >&2", become: false };
  const { stdout, stderr, truncated } = await shellStep.run(asked, made.incident, makeRuntime());
  expect([Buffer.byteLength(stdout), stdout.endsWith('é'), truncated]).toEqual([65_536, true, true]);
  expect(stderr.length).toBe(4096);
});

test('declared outputs are read from all of stdout and from files', async () => {
  const runtime = makeRuntime();
  const file = join(made.folder, 'result');
  const asked = shellStep.input.parse({
    run: 'printf \'{"a": [1]}\'; printf binary\\\\000 >"$FILE"',
    env: { FILE: file },
    outputs: { all: 'json', text: 'text', a: { regex: String.raw`\[(\d)`, type: 'integer' }, result: { file } },
  });
  const output = await shellStep.run(asked, made.incident, runtime);
  expect(output).toMatchObject({ exitCode: 0, all: { a: [1] }, text: '{"a": [1]}', a: 1 });
  const sha256 = createHash('sha256').update('binary\0').digest('hex');
  expect(output['result']).toMatchObject({ bytes: 7, sha256 });
  const [kept = ''] = readdirSync(await runtime.folder());
  expect(kept).toBe(`web3-${runtime.key}-result`);
  expect(statSync(join(await runtime.folder(), kept)).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(await runtime.folder(), kept), 'utf8')).toBe('binary\0');
});

test('an output that is missing fails a command that succeeded, and never hides one that failed', async () => {
  const outputs = { version: { regex: 'version (.*)' } };
  const asked = { run: 'echo nothing', become: false, outputs };
  expect(await errorOf(shellStep.run(asked, made.incident, makeRuntime()))).toMatchObject({ code: 'OUTPUT_MISSING' });
  const failing = { ...asked, run: 'exit 3' };
  expect(await shellStep.run(failing, made.incident, makeRuntime())).toMatchObject({ exitCode: 3 });
});

test('what a command had printed is kept when it is ended before its time, and when an output cannot be had', async () => {
  const controller = new AbortController();
  const runtime = makeRuntime({ signal: controller.signal });
  const mark = join(made.folder, 'mark');
  const asked = { run: `echo begun; echo hm >&2; : >${mark}; sleep 60`, become: false };
  const running = errorOf(shellStep.run(asked, made.incident, runtime));
  while (!existsSync(mark)) await sleep(10);
  controller.abort(new HangarError({ code: 'STEP_TIMEOUT', message: 'too late', fix: 'wait', failure: 'cancelled' }));
  await running;
  expect(runtime.kept).toEqual([{ stdout: 'begun', stderr: 'hm\n' }]);
  const other = makeRuntime();
  await errorOf(shellStep.run({ run: 'echo x', become: false, outputs: { all: 'json' } }, made.incident, other));
  expect(other.kept).toEqual([{ exitCode: 0, stdout: 'x', stderr: '' }]);
});

test('a start whose end nobody heard of is joined over another connection', async () => {
  const { incident, server, folder } = made;
  const runtime = makeRuntime();
  const count = join(folder, 'count');
  const asked = { run: 'echo x >>"$COUNT"; sleep 1; echo done', env: { COUNT: count }, become: false };
  expect(await shellStep.probe?.(asked, incident, runtime)).toEqual({ state: 'notDone' });
  const running = errorOf(shellStep.run(asked, incident, runtime));
  while (!existsSync(count)) await sleep(20);
  server.dropConnections();
  expect(await running).toMatchObject({ code: 'CONNECTION_LOST', failure: 'unreachable' });
  const next = made.again();
  expect(await shellStep.probe?.(asked, next, runtime)).toEqual({ state: 'notDone' });
  expect(await shellStep.run(asked, next, runtime)).toMatchObject({ exitCode: 0, stdout: 'done' });
  expect(await shellStep.probe?.(asked, next, runtime)).toMatchObject({ state: 'done', output: { stdout: 'done' } });
  expect(readFileSync(count, 'utf8')).toBe('x\n');
});

test('a start that nothing is known of is unknown', async () => {
  const { incident } = made;
  const runtime = makeRuntime();
  const begun = join(made.folder, 'begun');
  const asked = { run: 'echo x >"$BEGUN"; sleep 30', env: { BEGUN: begun }, become: false };
  const running = errorOf(shellStep.run(asked, incident, runtime));
  const group = join(base, incident.machine('host').run, runtime.key, 'group');
  while (!existsSync(begun) || !existsSync(group) || readFileSync(group, 'utf8') === '') await sleep(20);
  const [leader, , guard] = readFileSync(group, 'utf8').split(' ').map(Number);
  process.kill(guard ?? 0, 'SIGKILL');
  process.kill(-(leader ?? 0), 'SIGKILL');
  expect(await running).toMatchObject({ code: 'WORK_LOST' });
  expect(await shellStep.probe?.(asked, incident, runtime)).toMatchObject({ state: 'unknown' });
});

test('a step runs on the controller in the same way, and the end of the incident leaves nothing anywhere', async () => {
  const other = await makeIncident();
  const { incident } = other;
  const asked = { run: 'echo "$SSH_CONNECTION"', become: false };
  expect((await shellStep.run(asked, incident, makeRuntime())).stdout).toContain('127.0.0.1');
  const here = await shellStep.run({ ...asked, run: 'echo "$PPID"' }, incident, makeRuntime({ where: 'controller' }));
  expect(Number(here.stdout)).toBeGreaterThan(1);
  const { run } = incident.machine('host');
  expect(existsSync(join(base, run))).toBe(true);
  await other.end();
  expect(existsSync(join(base, run))).toBe(false);
});

test('a script file of the controller runs with arguments and interpreter', async () => {
  const path = join(made.folder, 'deploy');
  writeFileSync(path, 'printf "%s|" "$@" "$A" "$-"\n');
  const asked = scriptStep.input.parse({ path, args: ['a b', '$HOME'], interpreter: 'bash -eu', env: { A: 1 } });
  const { stdout } = await scriptStep.run(asked, made.incident, makeRuntime());
  expect(stdout).toMatch(/^a b\|\$HOME\|1\|e\w*u\w*\|$/);
  expect(scriptStep.commands(asked, made.incident, 'host')).toEqual([`bash -eu ${path} 'a b' '$HOME'`, 'A=1']);
  const missing = { ...asked, path: join(made.folder, 'none') };
  expect(await errorOf(scriptStep.run(missing, made.incident, makeRuntime()))).toMatchObject({
    code: 'FILE_UNREADABLE',
  });
});

test('a dry run names what is not known yet', () => {
  expect(shellStep.commands({ env: { A: '<a>' } }, made.incident, 'host')).toEqual(['A=<a>', '<run>']);
  expect(scriptStep.commands({}, made.incident, 'controller')).toEqual(['sh <path>']);
});

test('an input with an unknown key, or an output name that is taken, is refused', () => {
  expect(shellStep.input.safeParse({ run: 'true', shell: 'bash' }).success).toBe(false);
  expect(shellStep.input.safeParse({ run: 'true', env: { 'a-b': 'x' } }).success).toBe(false);
  for (const outputs of [
    { stdout: 'text' },
    { 'a-b': 'text' },
    { a: { regex: '(' } },
    { a: { file: 'x', regex: 'y' } },
  ])
    expect(shellStep.input.safeParse({ run: 'true', outputs }).success).toBe(false);
});

test('become runs as root, as the host says how', async () => {
  const asked = { run: 'id -u', become: true };
  const key = randomBytes(8).toString('hex');
  expect((await shellStep.run(asked, made.incident, makeRuntime({ key }))).stdout).toBe('0');
});
