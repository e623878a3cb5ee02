import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { rememberCompliance } from '../../../src/compliance/history.ts';
import { type RunningCommand, runRunbook, startRunbook } from '../../support/run-runbook.ts';

let folder = '';
const started: RunningCommand[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hangar-serve-'));
  mkdirSync(join(folder, 'runbooks'));
});

afterEach(async () => {
  for (const { child } of started) child.kill('SIGKILL');
  await Promise.all(started.splice(0).map(({ finished }) => finished));
  release();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

const everySecond = '* * * * * *';

test('metrics tell how the last run ended while the next one is at work', async () => {
  runbookThat('slow', 'sleep 2');
  fleet(`{ id: slow, runbook: slow, host: web3, cron: "${everySecond}" }`);
  const serve = start();
  const { url } = await opened(serve);
  await told(serve, / slow: ended after [\d.]+ s with 0/);
  let metrics = '';
  while (!/^hangar_schedule_running\{[^}]*\} 1$/m.test(metrics)) metrics = (await get(url, '/metrics')).body;
  expect(metrics).toMatch(/^hangar_schedule_last_exit_code\{[^}]*\} 0$/m);
  expect(metrics).toMatch(/^hangar_schedule_last_duration_seconds\{[^}]*\} \d/m);
});

test('a schedule runs at its times; its runs, metrics and pages are shown to who may see them', async () => {
  runbookThat('tick', 'echo "<b>$WORD</b>"', 'word: { type: string, required: true }');
  fleet(
    `{ id: often, runbook: tick, host: web3, cron: "${everySecond}", params: { word: "-x" } }`,
    '{ runbook: gone, host: all, cron: "@yearly" }',
  );
  const serve = start();
  const { url, token } = await opened(serve);
  expect(serve.stderr()).toMatch(/ often: never ran; next \d/);
  await told(serve, / gone-all: cannot run as it stands: NO_SUCH_RUNBOOK: /);
  const [, run = ''] = await told(serve, / often: ended after [\d.]+ s with 0; runbook show (\S+)/);

  const metrics = await get(url, '/metrics');
  expect(metrics).toMatchObject({ status: 200, type: expect.stringContaining('version=0.0.4') });
  expect(metrics.body).toMatch(/^hangar_schedule_last_exit_code\{schedule="often",runbook="tick"\} 0$/m);
  expect(metrics.body).toMatch(
    /^hangar_schedule_last_success_timestamp_seconds\{schedule="often",runbook="tick"\} \d/m,
  );
  expect(metrics.body).toMatch(/^hangar_schedule_next_timestamp_seconds\{schedule="gone-all",runbook="gone"\} \d/m);
  expect(await get(url, '/healthz')).toMatchObject({ status: 200, body: 'ok\n' });

  expect(await get(url, '/')).toMatchObject({ status: 401 });
  expect(await get(url, '/?token=no')).toMatchObject({ status: 401 });
  const index = await get(url, `/?token=${token}`);
  expect(index).toMatchObject({ status: 200, type: expect.stringContaining('text/html') });
  expect(index.body).toContain('<td>often</td>');
  const html = await get(url, `/runs/${run}?token=${token}`);
  expect(html.body).toContain('<h1>tick: succeeded</h1>');
  const json = await get(url, `/runs/${run}.json`, { Authorization: `Bearer ${token}` });
  expect(JSON.parse(json.body)).toMatchObject({
    schema: 'hangar.run/1',
    run,
    hosts: [{ name: 'web3', steps: [{ outputs: { stdout: '<b>-x</b>' } }] }],
  });
  expect(await get(url, `/runs/${run}?token=${token}`, { Accept: 'application/json' })).toMatchObject({
    type: expect.stringContaining('application/json'),
  });
  expect(await get(url, `/runs/none?token=${token}`)).toMatchObject({ status: 404 });
  expect(await get(url, `/runs/..%2f..%2ffleet.yaml?token=${token}`)).toMatchObject({ status: 404 });
  expect(await get(url, `/compliance?token=${token}`)).toMatchObject({ status: 404 });

  serve.child.kill('SIGTERM');
  expect(await serve.finished).toMatchObject({ code: 0, stdout: '' });
  expect(publicPaths(join(folder, 'state'))).toEqual([]);
});

test('a page of another site is not served, whatever name it gave to this machine', async () => {
  fleet('{ runbook: hang, host: all, cron: "@yearly" }');
  const { url, token } = await opened(start());
  for (const Host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', ''])
    expect(await get(url, `/?token=${token}`, { Host })).toMatchObject({ status: 403 });
  for (const Host of ['localhost', 'LOCALHOST:1', '127.0.0.1:7465', '[::1]'])
    expect(await get(url, `/?token=${token}`, { Host })).toMatchObject({ status: 200 });
});

test('the last compliance is a page, and among the metrics', async () => {
  fleet('{ runbook: compliance, host: all, cron: "@yearly" }');
  const check = {
    id: 'package:gdb',
    severity: 'error',
    expected: 'installed',
    actual: 'absent',
    why: 'w',
    fix: 'f',
  } as const;
  await rememberCompliance(join(folder, 'state'), {
    schema: 'hangar.compliance/1',
    at: '2026-01-02T03:04:05Z',
    exitCode: 3,
    counts: { pass: 0, warn: 0, fail: 1, error: 0, unknown: 0, 'not-applicable': 0, waived: 0 },
    hosts: [
      {
        host: 'web3',
        state: 'fail',
        checkedAt: '2026-01-02T03:04:05Z',
        checks: [{ ...check, state: 'fail', origin: 'profile' }],
      },
    ],
    waivers: [],
  });
  const { url, token } = await opened(start());
  expect((await get(url, `/?token=${token}`)).body).toContain(`<a href="/compliance?token=${token}">`);
  expect((await get(url, `/compliance?token=${token}`)).body).toMatch(/^<!doctype html>[^]*package:gdb/);
  expect(JSON.parse((await get(url, `/compliance.json?token=${token}`)).body)).toMatchObject({ exitCode: 3 });
  const { body } = await get(url, '/metrics');
  expect(body).toMatch(/^hangar_compliance_check\{.*check="package:gdb".*\} 1$/m);
  // No family twice, each line of the exposition format.
  const families = body.match(/^# TYPE \S+/gm) ?? [];
  expect(new Set(families).size).toBe(families.length);
  const line = /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="(?:[^"\\]|\\.)*"(,\w+="(?:[^"\\]|\\.)*")*\})? -?[\d.e+]+|)$/;
  expect(body.split('\n').filter(each => !line.test(each))).toEqual([]);
});

test('one serve a state directory; an address that others reach is refused', async () => {
  fleet('{ runbook: hang, host: all, cron: "@yearly" }');
  await opened(start());
  const second = await runRunbook(serveArguments(), { cwd: folder });
  expect(second).toMatchObject({ code: 2, stderr: expect.stringContaining('error SERVE_IS_ACTIVE: ') });
  for (const address of ['0.0.0.0:0', '[::]:0', '10.0.0.1:7465', 'web3:80'])
    expect(await runRunbook(['serve', '--listen', address], { cwd: folder })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('error NOT_LOOPBACK: '),
    });
});

test('a time that comes while the run is at work is skipped: never two at once', async () => {
  runbookThat('slow', `echo began >>${folder}/begun; ${waits()}`);
  fleet(`{ id: slow, runbook: slow, host: web3, cron: "${everySecond}" }`);
  const serve = start();
  const { url } = await opened(serve);
  // It may take its process longer to begin than the next times to come.
  await vi.waitUntil(() => begun() > 0, patience);
  await told(serve, / slow: skipped: the run of \S+ is still at work\n(?:.*\n)*?.* slow: skipped: /);
  expect(begun()).toBe(1);
  const { body } = await get(url, '/metrics');
  expect(body).toMatch(/^hangar_schedule_running\{schedule="slow",runbook="slow"\} 1$/m);
  expect(body).toMatch(/^hangar_schedule_skipped_total\{schedule="slow",runbook="slow"\} [1-9]/m);
  release();
  await told(serve, / slow: ended after /);
});

test('SIGTERM ends the run at work in order, then serve; its end is on disk', async () => {
  runbookThat('slow', `echo began >>${folder}/begun; ${waits()}`);
  appendFileSync(
    join(folder, 'runbooks', 'slow.yaml'),
    `always: [{ id: tell, run: "touch ${folder}/cleaned", where: controller }]\n`,
  );
  fleet(`{ id: slow, runbook: slow, host: web3, cron: "${everySecond}" }`);
  const serve = start();
  await vi.waitUntil(() => begun() === 1, patience);
  serve.child.kill('SIGTERM');
  const { code, stderr } = await serve.finished;
  expect({ code, isCleaned: existsSync(join(folder, 'cleaned')) }).toEqual({ code: 0, isCleaned: true });
  expect(stderr).toMatch(/ slow: failed after [\d.]+ s with 6: web3: CANCELLED: /);
});

test('a second signal ends serve at once, though a run does not end', async () => {
  runbookThat('slow', `echo began >>${folder}/begun`);
  appendFileSync(
    join(folder, 'runbooks', 'slow.yaml'),
    `always: [{ id: stuck, run: "touch ${folder}/cleaning; ${waits()}", where: controller }]\n`,
  );
  fleet(`{ id: slow, runbook: slow, host: web3, cron: "${everySecond}" }`);
  const serve = start('--stop-within', '1h');
  await vi.waitUntil(() => existsSync(join(folder, 'cleaning')), patience);
  serve.child.kill('SIGINT');
  await told(serve, /SIGINT: ending in order/);
  serve.child.kill('SIGINT');
  expect(await serve.finished).toMatchObject({ code: 6 });
});

test('a run that does not end within the limit is ended with all that it started', async () => {
  runbookThat('slow', `echo began >>${folder}/begun`);
  appendFileSync(
    join(folder, 'runbooks', 'slow.yaml'),
    `always: [{ id: stuck, run: "touch ${folder}/cleaning; ${waits()}", where: controller }]\n`,
  );
  fleet(`{ id: slow, runbook: slow, host: web3, cron: "${everySecond}" }`);
  const serve = start('--stop-within', '200ms');
  await vi.waitUntil(() => existsSync(join(folder, 'cleaning')), patience);
  serve.child.kill('SIGTERM');
  const { code, stderr } = await serve.finished;
  expect(code).toBe(0);
  expect(stderr).toMatch(/ slow: failed after [\d.]+ s with 1: it was ended by SIGKILL/);
});

test('a run that is killed does not end serve: the next time it runs again', async () => {
  runbookThat('slow', `echo began >>${folder}/begun; ${waits()}`);
  fleet(`{ id: slow, runbook: slow, host: web3, cron: "${everySecond}" }`);
  const serve = start();
  await vi.waitUntil(() => begun() === 1, patience);
  for (const pid of childrenOf(serve)) process.kill(pid, 'SIGKILL');
  await told(serve, / slow: failed after [\d.]+ s with 1: it was ended by SIGKILL/);
  await vi.waitUntil(() => begun() === 2, patience);
  release();
  expect(await told(serve, / slow: ended after [\d.]+ s with (\d)/)).toMatchObject({ 1: '0' });
});

test('an invalid fleet file is told and runs nothing; mended, it is taken as it is then', async () => {
  runbookThat('tick', 'true');
  fleet(`{ id: often, runbook: tick, host: web3, cron: "${everySecond}" }`);
  const serve = start();
  const { url } = await opened(serve);
  await told(serve, / often: ended after /);
  fleet('{ id: often, runbook: tick, host: web9, cron: "@yearly" }');
  await told(serve, /Z INVALID_FLEET: .*"web9": no such host/);
  const { body } = await get(url, '/metrics');
  expect(body).toMatch(/^hangar_serve_fleet_file_valid 0$/m);
  fleet(`{ id: other, runbook: tick, host: web3, cron: "${everySecond}" }`);
  await told(serve, /Z the fleet file is valid again\n/);
  await told(serve, / often: is no longer in the fleet file/);
  await told(serve, / other: ended after /);
});

test('what passed while serve was down is told and not caught up; a run that outlived it is not doubled', async () => {
  runbookThat('slow', `echo began >>${folder}/begun; ${waits()}`);
  fleet(`{ id: slow, runbook: slow, host: web3, cron: "${everySecond}" }`);
  const first = start();
  await vi.waitUntil(() => begun() === 1, patience);
  first.child.kill('SIGKILL');
  await first.finished;
  const record = join(folder, 'state', 'serve', 'schedules', 'slow.json');
  const { startedAt, ...rest } = JSON.parse(readFileSync(record, 'utf8'));
  const hourBefore = new Date(Date.parse(startedAt) - 3_600_000).toISOString();
  writeFileSync(record, JSON.stringify({ ...rest, startedAt: hourBefore }));
  const runs = join(folder, 'state', 'runs');
  execFileSync('mv', [runs, `${runs}.away`]);
  const second = start();
  await told(second, / slow: ran last \S+; missed 1000 times or more, the last time \S+: not caught up; next /);
  await told(second, / slow: skipped: a run that an earlier serve started is still at work/);
  expect(begun()).toBe(1);
});

test('what somebody ran by hand counts as the last run', async () => {
  runbookThat('tick', 'true');
  fleet('{ runbook: tick, host: all, cron: "@yearly" }');
  await runRunbook(['tick', '--host', 'all', '--state', join(folder, 'state')], { cwd: folder });
  const serve = start();
  const [, first] = await told(serve, / tick-all: (.*); next /);
  expect(first).toMatch(/^ran last \S+$/);
});

test('--print-systemd writes units for each schedule, which systemd accepts', async () => {
  runbookThat('tick', 'true');
  fleet(
    '{ runbook: tick, host: web3, cron: "0 6 * * *", timezone: Europe/Berlin }',
    '{ id: twice, runbook: tick, host: all, cron: "0 0 13 * 5" }',
  );
  const print = ['serve', '--print-systemd', '--user-unit', '--state', join(folder, 'state')];
  const shown = await runRunbook(print, { cwd: folder });
  expect(shown.stdout.match(/^# hangar-.*$/gm)).toEqual([
    '# hangar-tick-web3.service',
    '# hangar-tick-web3.timer',
    '# hangar-twice.service',
    '# hangar-twice.timer',
  ]);
  expect(await runRunbook([...print, '--output', join(folder, 'units')], { cwd: folder })).toMatchObject({
    code: 0,
    stdout: '',
  });
  const names = ['hangar-tick-web3.service', 'hangar-tick-web3.timer', 'hangar-twice.service', 'hangar-twice.timer'];
  const paths = names.map(name => join(folder, 'units', name));
  const verified = spawnSync('systemd-analyze', ['--user', 'verify', '--man=no', ...paths], {
    encoding: 'utf8',
    env: { ...process.env, XDG_RUNTIME_DIR: folder },
  });
  expect(verified.error === undefined ? verified.stderr : '').toBe('');
  // What systemd would run is what runs.
  const [, command = ''] = /^ExecStart=(.*)$/m.exec(readFileSync(paths[0] ?? '', 'utf8')) ?? [];
  const run = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' });
  expect(JSON.parse(run.stdout)).toMatchObject({ runbook: 'tick', status: 'succeeded' });
});

test('--print-systemd refuses what systemd cannot say, a runbook that is not there, and params that it has not', async () => {
  runbookThat('tick', 'true');
  expect(await printedErrors('{ runbook: tick, host: web3, cron: "0 0 15W * *" }')).toContain(
    'error NO_CALENDAR_EVENT: ',
  );
  expect(await printedErrors('{ runbook: tock, host: web3, cron: "@daily" }')).toContain('error NO_SUCH_RUNBOOK: ');
  expect(await printedErrors('{ runbook: tick, host: web3, cron: "@daily", params: { x: 1 } }')).toContain(
    'has no param "x"',
  );
});

const patience = { timeout: 120_000, interval: 20 };

function fleet(...schedules: readonly string[]): void {
  const text = ['version: 1', 'hosts: { web3: }', 'schedules:', ...schedules.map(each => `  - ${each}`), ''].join('\n');
  writeFileSync(join(folder, 'fleet.yaml'), text);
}

/** A runbook of one step, which runs on this machine. */
function runbookThat(name: string, script: string, params = ''): void {
  const text = `version: 1
name: ${name}
summary: It does what it does.
${params === '' ? '' : `params: { ${params} }`}
steps:
  - id: only
    where: controller
    risk: read
    ${params === '' ? '' : 'env: { WORD: "${{ params.word }}" }'}
    run: |
      ${script}
`;
  writeFileSync(join(folder, 'runbooks', `${name}.yaml`), text);
}

function serveArguments(): readonly string[] {
  return ['serve', '--listen', '127.0.0.1:0', '--state', join(folder, 'state')];
}

function start(...more: readonly string[]): RunningCommand {
  const running = startRunbook([...serveArguments(), ...more], { cwd: folder });
  started.push(running);
  return running;
}

/** Lets go what waits for that. */
function release(): void {
  writeFileSync(join(folder, 'go'), '');
}

/** Shell text that waits for `release`, or for the end of the test. */
function waits(): string {
  return `until [ -e ${folder}/go ] || [ ! -d ${folder} ]; do sleep 0.05; done`;
}

function begun(): number {
  const path = join(folder, 'begun');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
}

async function told({ stderr, child }: RunningCommand, pattern: RegExp): Promise<RegExpExecArray> {
  return vi.waitUntil(() => {
    const found = pattern.exec(stderr());
    if (found === null && child.exitCode !== null) throw new Error(`it ended without that: ${stderr()}`);
    return found ?? undefined;
  }, patience);
}

async function opened(serve: RunningCommand): Promise<{ readonly url: string; readonly token: string }> {
  const [, url = '', token = ''] = await told(serve, /open (\S+)\/\?token=(\S+)\n/);
  return { url, token };
}

async function printedErrors(schedule: string): Promise<string> {
  fleet(schedule);
  return (await runRunbook(['serve', '--print-systemd'], { cwd: folder })).stderr;
}

function childrenOf({ child }: RunningCommand): readonly number[] {
  const text = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
  return text.trim().split(' ').map(Number);
}

function get(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly type: string; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, { headers, setHost: headers['Host'] === undefined }, response => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body }),
      );
    });
    asked.once('error', reject);
    asked.end();
  });
}

/** What others than its owner can read or enter. */
function publicPaths(path: string): readonly string[] {
  return execFileSync('find', [path, '-perm', '/077'], { encoding: 'utf8' }).split('\n').filter(Boolean);
}
