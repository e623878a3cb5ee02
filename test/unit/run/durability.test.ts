import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HangarError } from '../../../src/errors.ts';
import { ExclusiveLock } from '../../../src/run/exclusive-lock.ts';
import { foldRun } from '../../../src/run/fold-run.ts';
import { HostLocks } from '../../../src/run/host-locks.ts';
import type { RunRequest } from '../../../src/run/run-store.ts';
import { sqliteRunStore } from '../../../src/run/sqlite-run-store.ts';
import { begun, book, execute, makeLog } from '../runbook/fake-kinds.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'hangar-state-'));
});
afterEach(() => rmSync(state, { recursive: true }));

const request: RunRequest = {
  run: 'r1',
  runbook: 'book',
  path: '/runbooks/book.yaml',
  files: { '/runbooks/book.yaml': 'text' },
  params: { token: 'env:TOKEN' },
  hosts: ['web1'],
  by: 'ops',
  startedAt: '2026-11-25T00:00:00.000Z',
};

const oneStep = book('  - { id: a, uses: say, with: { name: a } }\n');

test('a run is on disk, private, with all that was asked, all that happened and how it ended', async () => {
  const store = sqliteRunStore(state);
  const { run } = await execute(oneStep, { journal: await store.begin(request) });
  const record = await store.read('r1');
  expect(record).toMatchObject({ request, result: run, isActive: false });
  expect(record?.events.map(({ kind }) => kind)).toEqual([
    'run-started',
    'host-started',
    'step-started',
    'step-ended',
    'host-ended',
    'run-ended',
  ]);
  expect(await store.list()).toEqual(['r1']);
  const folder = join(state, 'runs', 'r1');
  for (const name of readdirSync(folder))
    expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o600]);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test('at whatever moment its controller is killed, a run is there as a whole or not at all', async () => {
  const begins = `
    import { sqliteRunStore } from '${new URL('../../../src/run/sqlite-run-store.ts', import.meta.url).href}';
    const store = sqliteRunStore(process.argv[1]);
    for (let at = 0; ; at++) {
      await store.begin({ ...JSON.parse(process.argv[3]), run: process.argv[2] + at });
      if (at === 0) console.log('begins');
    }`;
  const store = sqliteRunStore(state);
  for (const round of Array(12).keys()) {
    const args = ['--input-type=module', '-e', begins, '--', state, `round${round}-`, JSON.stringify(request)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await new Promise(resolve => setTimeout(resolve, round));
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const runs = await store.list();
  expect(new Set(runs.map(run => run.split('-')[0])).size).toBe(12);
  for (const run of runs) expect((await store.read(run))?.request.run).toBe(run);
});

test('a run whose end was not heard of reads as interrupted, with what is known of its steps', async () => {
  const store = sqliteRunStore(state);
  const journal = await store.begin(request);
  const at = '2026-11-25T00:00:01.000Z';
  const place = { at, run: 'r1', host: 'web1' };
  await journal.append({ kind: 'host-started', ...place });
  await journal.append({
    kind: 'step-started',
    ...place,
    step: 'a',
    input: 'x',
    attempt: 1,
    key: 'k',
    commands: ['ls'],
  });
  expect((await store.read('r1'))?.isActive).toBe(true);
  await journal.close();
  const record = await store.read('r1');
  expect(record && foldRun(record)).toMatchObject({
    status: 'interrupted',
    seconds: 1,
    hosts: [{ name: 'web1', status: 'interrupted', steps: [{ id: 'a', status: 'interrupted', commands: ['ls'] }] }],
  });
});

test('a run is executed by one process at a time, and can be taken up once that has let go', async () => {
  const store = sqliteRunStore(state);
  const journal = await store.begin(request);
  await expect(store.resume('r1')).rejects.toMatchObject({ code: 'RUN_IS_ACTIVE' });
  await expect(store.remove('r1')).rejects.toMatchObject({ code: 'RUN_IS_ACTIVE' });
  await journal.close();
  const again = await store.resume('r1');
  await again.close();
  await store.remove('r1');
  expect(await store.list()).toEqual([]);
  await expect(store.resume('r1')).rejects.toMatchObject({ code: 'NO_SUCH_RUN' });
});

test('a lock outlives neither its process nor is it lost when another looks at it', async () => {
  const path = join(state, 'lock');
  const own = ExclusiveLock.take(path);
  expect(own).toBeDefined();
  expect(ExclusiveLock.take(path)).toBeUndefined();
  const program = `const { ExclusiveLock } = await import(${JSON.stringify(join(import.meta.dirname, '../../../src/run/exclusive-lock.ts'))});
process.stdout.write(ExclusiveLock.take(${JSON.stringify(path)}) ? 'taken' : 'busy');
setInterval(() => {}, 1000);`;
  const first = await holder(program);
  expect(first.said).toBe('busy');
  await first.kill();
  own?.release();
  const second = await holder(program);
  expect(second.said).toBe('taken');
  expect(ExclusiveLock.take(path)).toBeUndefined();
  await second.kill();
  const last = ExclusiveLock.take(path);
  expect(last).toBeDefined();
  last?.release();
});

async function holder(program: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = await new Promise<string>(resolve => child.stdout.once('data', chunk => resolve(String(chunk))));
  const gone = new Promise<void>(resolve => child.once('exit', () => resolve()));
  return {
    said,
    kill: () => {
      child.kill('SIGKILL');
      return gone;
    },
  };
}

test('one run at a time is at work on a host: another one is refused with its name, or waits', async () => {
  const signal = new AbortController().signal;
  const first = new HostLocks({ state, run: 'r1', waitSeconds: 0 });
  const second = new HostLocks({ state, run: 'r2', waitSeconds: 0 });
  const patient = new HostLocks({ state, run: 'r3', waitSeconds: 60 });
  const held = await first.take(['web1/shop'], signal, () => {});
  await expect(second.take(['web1/shop'], signal, () => {})).rejects.toMatchObject({
    code: 'HOST_IN_USE',
    message: 'run r1 is at work on web1/shop',
  });
  (await second.take(['web1/mail'], signal, () => {})).release();
  const told: string[] = [];
  const waiting = patient.take(['web1/shop'], signal, text => told.push(text));
  while (told.length === 0) await new Promise(resolve => setTimeout(resolve, 2));
  held.release();
  (await waiting).release();
  expect(told).toEqual(['waits for run r1, which is at work on web1/shop']);
});

test('a cancel from elsewhere ends the running step, and what always runs runs', async () => {
  const store = sqliteRunStore(state);
  const journal = await store.begin(request);
  const log = makeLog();
  const running = execute(
    `${book('  - { id: a, uses: wait, with: { name: a } }\n')}always: [{ id: z, uses: say, with: { name: z } }]\n`,
    { log, journal },
  );
  await begun(log, 'a');
  await store.post('r1', { kind: 'cancel', by: 'eve' });
  const { run, status } = await running;
  expect([status('a'), status('z')]).toEqual(['cancelled', 'succeeded']);
  expect(run).toMatchObject({ status: 'cancelled', exitCode: 6, hosts: [{ error: { code: 'CANCELLED' } }] });
});

test('a record that cannot be written stops the run before the step does anything', async () => {
  const store = sqliteRunStore(state);
  const journal = await store.begin(request);
  const broken = {
    ...journal,
    request,
    history: [],
    messages: () => [],
    end: async () => {},
    close: async () => journal.close(),
  };
  const failing = {
    ...broken,
    append: async (event: { readonly kind: string }) => {
      if (event.kind === 'step-started')
        throw new HangarError({ code: 'STATE_UNWRITABLE', message: 'no space', fix: 'free some', failure: 'step' });
    },
  };
  const { log, run } = await execute(oneStep, { journal: failing });
  expect(log.done).toEqual([]);
  expect(run.hosts[0]?.error?.code).toBe('STATE_UNWRITABLE');
});
