import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { copyStep } from '../../../src/steps/copy.ts';
import { fetchStep } from '../../../src/steps/fetch.ts';
import { errorOf, makeIncident, type TestIncident } from './make-incident.ts';
import { makeRuntime } from './make-runtime.ts';

let made: TestIncident;

beforeAll(async () => {
  made = await makeIncident();
});
afterAll(() => made.end());

function makeFile(name: string, content: string | Buffer): string {
  const path = join(made.folder, name);
  writeFileSync(path, content);
  return path;
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o7777;
}

test('a file is copied whole with its mode, and left alone when it is right', async () => {
  const content = randomBytes(3 * 1024 * 1024);
  const from = makeFile('from', content);
  const folder = join(made.folder, "it's a folder");
  mkdirSync(folder);
  const to = join(folder, 'to $(id)');
  const asked = copyStep.input.parse({ from, to, mode: '0750' });
  const first = await copyStep.run(asked, made.incident, makeRuntime());
  expect(first).toMatchObject({ path: to, bytes: content.length, changed: true });
  expect(readFileSync(to)).toEqual(content);
  expect(modeOf(to)).toBe(0o750);
  expect(await copyStep.run(asked, made.incident, makeRuntime())).toEqual({ ...first, changed: false });
  chmodSync(to, 0o640);
  expect(await copyStep.run(asked, made.incident, makeRuntime())).toMatchObject({ changed: true });
  expect(modeOf(to)).toBe(0o750);
  expect(readdirSync(folder)).toEqual([basename(to)]);
});

test('an empty file is a file, and a link is followed', async () => {
  const from = makeFile('empty', '');
  const [target, to] = [makeFile('target', 'old'), join(made.folder, 'link')];
  symlinkSync(target, to);
  expect(await copyStep.run({ from, to, mode: '644', become: false }, made.incident, makeRuntime())).toMatchObject({
    bytes: 0,
    changed: true,
  });
  expect(readFileSync(target, 'utf8')).toBe('');
});

test('what cannot be copied is an error that says why, and leaves nothing', async () => {
  const from = makeFile('some', 'some');
  const given = { from, mode: '0644', become: true };
  const copy = async (changes: object) =>
    errorOf(copyStep.run(copyStep.input.parse({ ...given, ...changes }), made.incident, makeRuntime()));
  expect(await copy({ to: made.folder })).toMatchObject({
    code: 'COPY_FAILED',
    message: expect.stringContaining('it is a directory'),
  });
  expect(await copy({ to: '/nowhere/at/all' })).toMatchObject({
    code: 'COPY_FAILED',
    message: expect.stringContaining('nothing can be written there'),
  });
  expect(await copy({ to: '/tmp/x', from: '/nowhere' })).toMatchObject({ code: 'FILE_UNREADABLE' });
  const large = makeFile('large', '');
  truncateSync(large, 64 * 1024 * 1024 + 1);
  expect(await copy({ to: '/tmp/x', from: large })).toMatchObject({ code: 'FILE_TOO_LARGE' });
  expect(copyStep.input.safeParse({ from, to: 'relative' }).success).toBe(false);
});

test('a file is fetched privately and verified', async () => {
  const content = randomBytes(5 * 1024 * 1024);
  const from = makeFile('a log', content);
  const runtime = makeRuntime();
  const fetched = await fetchStep.run({ from, become: false }, made.incident, runtime);
  expect(fetched).toMatchObject({
    path: join(await runtime.folder(), `web3-${runtime.key}-a_log`),
    bytes: content.length,
  });
  expect(readFileSync(fetched.path)).toEqual(content);
  expect(modeOf(fetched.path)).toBe(0o600);
  const to = join(made.folder, 'here');
  expect(await fetchStep.run({ from, to, become: true }, made.incident, makeRuntime())).toEqual({
    ...fetched,
    path: to,
  });
});

test('a file that changes under way is no file', async () => {
  // The kernel makes this one anew each time it is read.
  const to = join(made.folder, 'changing');
  const asked = { from: '/proc/sys/kernel/random/uuid', to, become: false };
  expect(await errorOf(fetchStep.run(asked, made.incident, makeRuntime()))).toMatchObject({ code: 'FILE_CHANGED' });
  expect(existsSync(to)).toBe(false);
  expect(readdirSync(made.folder).filter(name => name.endsWith('.part'))).toEqual([]);
});

function failToFetch(from: string, to?: string) {
  const asked = { from, become: false, ...(to !== undefined && { to }) };
  return errorOf(fetchStep.run(asked, made.incident, makeRuntime()));
}

test('what cannot be fetched is an error that says why', async () => {
  expect(await failToFetch('/nowhere')).toMatchObject({
    code: 'FILE_UNREADABLE',
    message: expect.stringContaining('no such file'),
  });
  expect(await failToFetch('/dev/zero')).toMatchObject({
    code: 'FILE_UNREADABLE',
    message: expect.stringContaining('no regular file'),
  });
  expect(await failToFetch('/etc/hostname', '/nowhere/x')).toMatchObject({ code: 'FILE_UNWRITABLE' });
});

test('a dry run shows both', () => {
  expect(fetchStep.commands({ from: '/a b' }, made.incident, 'host')).toEqual(["sha256sum '/a b'", "cat '/a b'"]);
  expect(copyStep.commands({ from: 'x' }, made.incident, 'host')).toEqual(['install -m 0644 /dev/stdin <to> <x']);
});
