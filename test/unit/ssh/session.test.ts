import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { assert, property, string } from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HangarError } from '../../../src/errors.ts';
import type { Host } from '../../../src/fleet/host.ts';
import { quote } from '../../../src/quote.ts';
import { openSession } from '../../../src/ssh/open-session.ts';
import type { SshSession } from '../../../src/ssh/session.ts';
import { type Sshd, startSshd } from '../../support/sshd.ts';

let server: Sshd;
let session: SshSession;

beforeAll(async () => {
  server = await startSshd();
  session = await openSession(server.host);
});
afterAll(async () => {
  await session.close();
  await server.stop();
});

async function codeOf(act: Promise<unknown>): Promise<string> {
  const thrown: unknown = await act.then(
    () => 'nothing',
    error => error,
  );
  return thrown instanceof HangarError ? thrown.code : String(thrown);
}

test('stdout is what the command wrote, byte for byte, with its exit code and stderr', async () => {
  const line = String.raw`printf '\000\377\303'; sleep 0.1; printf '\274 '; echo trouble >&2; exit 7`;
  const { exitCode, stdout, stderr } = await session.run({ line });
  expect([exitCode, stdout.toString('hex'), stderr]).toEqual([7, '00ffc3bc20', 'trouble\n']);
});

test('a command that ends at once keeps its exit code, time after time', async () => {
  const codes = await Promise.all(
    Array.from({ length: 8 }, async (_, at) => (await session.run({ line: `exit ${at}` })).exitCode),
  );
  expect(codes).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test('a command that a signal ends says which', async () => {
  expect(await session.run({ line: 'kill -9 $$' })).toMatchObject({ exitCode: 137, signal: 'KILL' });
});

test('stdin is fed and closed', async () => {
  const stdin = Buffer.from([0, 255, 10, 13]);
  expect((await session.run({ line: 'cat', stdin })).stdout).toEqual(stdin);
});

test('a stream arrives whole, however slow its reader is', async () => {
  const bytes = 32 * 1024 * 1024;
  const hash = createHash('sha256');
  let count = 0;
  const slow = new Writable({
    highWaterMark: 1024,
    write(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      count += chunk.length;
      setImmediate(done);
    },
  });
  await session.stream({ line: `head -c ${bytes} /dev/zero` }, slow);
  expect(count).toBe(bytes);
  expect(hash.digest('hex')).toBe(createHash('sha256').update(Buffer.alloc(bytes)).digest('hex'));
});

test('too much output, too much time and a cancel are errors of their own', async () => {
  expect(await codeOf(session.run({ line: 'head -c 100000 /dev/zero' }, { maxOutputBytes: 1000 }))).toBe(
    'OUTPUT_TOO_LARGE',
  );
  expect(await codeOf(session.run({ line: 'sleep 30' }, { timeoutSeconds: 0.2 }))).toBe('REMOTE_TIMEOUT');
  const reason = new HangarError({ code: 'CANCELLED', message: 'x', fix: 'y', failure: 'cancelled' });
  expect(await codeOf(session.run({ line: 'sleep 30' }, { signal: AbortSignal.abort(reason) }))).toBe('CANCELLED');
  expect((await session.run({ line: 'echo still here' })).stdout.toString()).toBe('still here\n');
});

test('a connection that is lost in mid-stream is an error, never a short success', async () => {
  const other = await startSshd();
  const lost = await openSession(other.host);
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
  const streaming = codeOf(lost.stream({ line: 'echo begun; sleep 30' }, sink));
  const running = codeOf(lost.run({ line: 'sleep 30' }));
  await new Promise(resolve => setTimeout(resolve, 300));
  other.dropConnections();
  expect(await Promise.all([streaming, running])).toEqual(['CONNECTION_LOST', 'CONNECTION_LOST']);
  expect(sink.destroyed).toBe(true);
  expect(await codeOf(lost.run({ line: 'true' }))).toBe('CONNECTION_LOST');
  await lost.close();
  await other.stop();
});

test('a jump host is gone through, and its key verified too', async () => {
  const target = await startSshd('target');
  const hosts = new Map<string, Host>([['bastion', { ...server.host, name: 'bastion' }]]);
  const fleet = { path: 'fleet.yaml', hosts, approvals: undefined, profiles: new Map(), schedules: undefined };
  const through = await openSession({ ...target.host, jump: 'bastion' }, { fleet });
  expect((await through.run({ line: 'echo through' })).stdout.toString()).toBe('through\n');
  await through.close();
  const wrong: Host = { ...server.host, name: 'bastion', hostKey: target.host.hostKey ?? '' };
  const other = { ...fleet, hosts: new Map([['bastion', wrong]]) };
  expect(await codeOf(openSession({ ...target.host, jump: 'bastion' }, { fleet: other }))).toBe('HOST_KEY_MISMATCH');
  await target.stop();
});

test('a quoted text comes through a shell as it was', () => {
  assert(
    property(string({ unit: 'binary', maxLength: 40 }), text => {
      const plain = text.replaceAll('\0', '').toWellFormed();
      expect(execFileSync('sh', ['-c', `printf %s ${quote(plain)}`], { encoding: 'utf8' })).toBe(plain);
    }),
    { numRuns: 60 },
  );
});
