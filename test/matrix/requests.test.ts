import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { analyze } from '../../src/analyze.ts';
import { indexElfFiles } from '../../src/corefile/index-files.ts';
import type { Report } from '../../src/report/schema.ts';
import { takeCore } from '../support/analyze-target.ts';
import { type PythonVersion, requireInterpreter } from '../support/interpreters.ts';
import { pythonPackages } from '../support/python-packages.ts';
import { endProcess } from '../support/targets.ts';

interface Case {
  readonly version: PythonVersion;
  readonly framework: string;
  readonly packages: readonly string[];
  /** Who serves: a thread, or a suspended task. */
  readonly by: 'thread' | 'task';
}

const uvicorn = ['uvicorn==0.34.0', 'starlette==0.45.2'];
const cases: readonly Case[] = [
  { version: '2.7', framework: 'http_server', packages: [], by: 'thread' },
  { version: '2.7', framework: 'django_wsgi', packages: ['Django==1.11.29'], by: 'thread' },
  { version: '2.7', framework: 'flask', packages: ['Flask==1.1.4'], by: 'thread' },
  { version: '2.7', framework: 'bottle', packages: ['bottle==0.12.25'], by: 'thread' },
  { version: '3.8', framework: 'aiohttp', packages: ['aiohttp==3.9.5', 'yarl==1.9.4'], by: 'task' },
  { version: '3.12', framework: 'http_server', packages: [], by: 'thread' },
  { version: '3.12', framework: 'django_wsgi', packages: ['Django==5.1.4'], by: 'thread' },
  { version: '3.12', framework: 'flask', packages: ['Flask==3.1.0'], by: 'thread' },
  { version: '3.12', framework: 'falcon', packages: ['falcon==4.0.2'], by: 'thread' },
  { version: '3.13', framework: 'django_asgi', packages: ['Django==5.1.4', ...uvicorn], by: 'task' },
  { version: '3.13', framework: 'starlette', packages: uvicorn, by: 'task' },
  { version: '3.13', framework: 'fastapi', packages: ['fastapi==0.115.6', ...uvicorn.slice(0, 1)], by: 'task' },
  { version: '3.13', framework: 'aiohttp', packages: ['aiohttp==3.11.11'], by: 'task' },
  { version: '3.13', framework: 'tornado', packages: ['tornado==6.4.2'], by: 'task' },
];

test.for(cases)(
  '$framework on CPython $version: the request is told of the $by that serves it and of the thread it was handed to',
  async ({ version, framework, packages, by }, context) => {
    const interpreter = requireInterpreter(version, context);
    const folder = packages.length === 0 ? '' : await pythonPackages(interpreter, packages);
    await using server = await startServer(interpreter.path, framework, folder);
    await server.hang('/shop/orders/?card=4111');
    const [bare, whole] = await reportsOf(server.pid);
    const request = { method: 'GET', path: '/shop/orders/' };
    const auditing = bare.threads.filter(({ python }) => python.some(({ function: name }) => name === 'audit'));
    expect(auditing.map(thread => thread.request)).toEqual([request]);
    const serving =
      by === 'thread'
        ? bare.threads.filter(({ python }) => python.some(({ function: name }) => name === 'pay'))
        : (bare.tasks ?? []).filter(({ stack }) => stack.some(({ function: name }) => name.endsWith('pay_later')));
    expect(serving.length).toBeGreaterThan(0);
    for (const each of serving) expect(each.request).toEqual(request);
    expect(JSON.stringify(bare)).not.toContain('4111');
    const asked = whole.threads.find(({ lwp }) => lwp === auditing[0]?.lwp);
    expect(asked?.request).toEqual({ method: 'GET', path: '/shop/orders/?card=4111' });
  },
);

test.for(cases.filter(({ framework }) => ['http_server', 'aiohttp'].includes(framework)))(
  '$framework on CPython $version: a connection that waits for its next request serves none',
  async ({ version, framework, packages }, context) => {
    const interpreter = requireInterpreter(version, context);
    const folder = packages.length === 0 ? '' : await pythonPackages(interpreter, packages);
    await using server = await startServer(interpreter.path, framework, folder);
    const connection = await server.answer('/quick?card=4111');
    const [{ threads, tasks = [] }] = await reportsOf(server.pid);
    connection.destroy();
    expect([...threads, ...tasks].filter(({ request }) => request !== undefined)).toEqual([]);
    // The connection is there, and its handler waits.
    expect(JSON.stringify([threads, tasks])).toMatch(
      framework === 'aiohttp' ? /RequestHandler\.start/ : /readinto|readline/,
    );
  },
);

interface Server extends AsyncDisposable {
  readonly pid: number;
  /** Asks for a path, and resolves when its handler hangs. */
  hang(path: string): Promise<void>;
  /** Asks for a path, and resolves when the answer is there; the connection stays open. */
  answer(path: string): Promise<Socket>;
}

async function startServer(python: string, framework: string, folder: string): Promise<Server> {
  const port = await freePort();
  const file = join(import.meta.dirname, '../support/programs/values/web.py');
  const child = spawn(python, ['-B', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, FRAMEWORK: framework, PORT: String(port), PYTHONPATH: folder, MALLOC_ARENA_MAX: '1' },
  });
  let told = '';
  child.stderr.on('data', data => (told += String(data)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const until = async (word: string) => {
    for (;;) {
      const { value, done = false } = await lines.next();
      if (done) throw new Error(`${framework} ended: ${told}`);
      if (String(value).includes(`"${word}"`)) return;
    }
  };
  const stop = () => endProcess(child);
  try {
    await until('listens');
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    async hang(path) {
      ask(port, path, 100);
      await until('serves');
    },
    async answer(path) {
      const connection = await connected(port);
      connection.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      await once(connection, 'data');
      // From its answer to its next wait.
      await sleep(300);
      return connection;
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Again while nobody listens yet: servers say so before they do. The answer never comes. */
function ask(port: number, path: string, tries: number): void {
  const request = get({ host: '127.0.0.1', port, path });
  request.on('error', () => {
    if (tries > 0 && request.socket?.readyState !== 'open') setTimeout(() => ask(port, path, tries - 1), 100);
  });
}

async function connected(port: number, tries = 100): Promise<Socket> {
  const connection = connect(port, '127.0.0.1');
  try {
    await once(connection, 'connect');
    return connection;
  } catch (error) {
    if (tries === 0) throw error;
    await sleep(100);
    return connected(port, tries - 1);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Of one core: as it is by default, and with query strings. */
async function reportsOf(pid: number): Promise<readonly [bare: Report, whole: Report]> {
  const core = await takeCore(pid);
  try {
    const options = { findFiles: () => indexElfFiles([]), searched: [], native: false, hash: false };
    const report = (showQuery: boolean) =>
      analyze({ core: core.path, case: 'test', host: { name: 'test' } }, { ...options, showQuery });
    return [await report(false), await report(true)];
  } finally {
    core.remove();
  }
}
