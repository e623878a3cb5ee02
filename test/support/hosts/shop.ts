import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import type { TestHost } from './test-host.ts';

const services = join(import.meta.dirname, '..', 'services');

/** Pythons that the hosts' releases have, and how the shop runs under each. */
export type ShopPython = '2.7' | '3.9' | '3.11' | '3.13';

export interface Shop {
  readonly host: TestHost;
  /** Its name for the fleet file. */
  readonly service: string;
  readonly port: number;
  /** Where shop.py lies on the host. */
  readonly file: string;
  /** Fires the requests of these handlers and resolves once each thread stands at its mark. */
  hang(causes: readonly Cause[]): Promise<void>;
  /** Status of one answer; undefined when there was none in time. */
  get(path: string, seconds?: number): Promise<number | undefined>;
  /** Line in shop.py that is marked `at: NAME`. */
  line(mark: Cause): number;
  /** Name of the function that the mark is in. */
  function(mark: Cause): string;
  /** Fleet file entry of the service. */
  readonly entry: { readonly name: string; readonly check: string; readonly match?: string };
}

/** Handlers of shop.py that stop at a mark of the same name. */
export type Cause =
  | 'busy'
  | 'native'
  | 'deadlock-stock'
  | 'deadlock-cart'
  | 'victim'
  | 'recv'
  | 'sleep'
  | 'bare-left'
  | 'bare-right'
  | 'acquire'
  | 'till'
  | 'released'
  | 'slow';

const paths: Readonly<Partial<Record<Cause, string>>> = { victim: '/order' };

/** Starts the shop on a host: under apache2 with mod_wsgi for Python 2.7, as a service of its own else. */
export async function startShop(host: TestHost, python: ShopPython, { threads = 4 } = {}): Promise<Shop> {
  const source = await readFile(join(services, 'shop.py'), 'utf8');
  await place(host, 'shop.py', 'srv/shop/shop.py');
  await host.run('mkdir -p /run/shop && chmod 1777 /run/shop');
  const entry = python === '2.7' ? await startApache(host, threads) : await startService(host, python, threads);
  const port = python === '2.7' ? 80 : 8000;
  const get = (path: string, seconds = 2) => ask(host.address, port, path, seconds);
  await until(`the shop on ${host.name} answers`, async () => (await get('/health')) === 200);
  return {
    host,
    service: entry.name,
    port,
    file: '/srv/shop/shop.py',
    entry,
    get,
    async hang(causes) {
      await host.run('rm -f /run/shop/arrived');
      for (const cause of causes) void get(`${paths[cause] ?? `/${cause}`}?order=17&token=secret-value`, 86_400);
      await until(`threads of ${host.name} stand at ${causes.join(', ')}`, () => allArrived(host, causes));
    },
    line: mark => markedLine(source, mark),
    function: mark => functionAt(source, markedLine(source, mark)),
  };
}

async function startApache(host: TestHost, threads: number): Promise<Shop['entry']> {
  const site = (await readFile(join(services, 'shop.apache.conf'), 'utf8')).replace(
    /threads=\d+/,
    `threads=${threads}`,
  );
  await writeFile(join(host.root, 'etc/apache2/sites-available/shop.conf'), site);
  await expectSuccess(host, 'a2dissite -q 000-default; a2ensite -q shop && service apache2 start');
  return { name: 'apache2', check: 'http://127.0.0.1/health', match: 'wsgi:shop' };
}

async function startService(host: TestHost, python: ShopPython, threads: number): Promise<Shop['entry']> {
  await place(host, 'serve.py', 'srv/shop/serve.py');
  await place(host, 'shop.init', 'etc/init.d/shop', 0o755);
  const settings = `DAEMON=/usr/bin/python${python}\nARGUMENTS='/srv/shop/serve.py 8000 ${threads}'\n`;
  await writeFile(join(host.root, 'etc/default/shop'), settings);
  await expectSuccess(host, 'service shop start');
  return { name: 'shop', check: 'http://127.0.0.1:8000/health' };
}

async function place(host: TestHost, name: string, path: string, mode = 0o644): Promise<void> {
  const target = join(host.root, path);
  await mkdir(dirname(target), { recursive: true });
  await copyFile(join(services, name), target);
  await host.run(`chmod ${mode.toString(8)} /${path}`);
}

async function expectSuccess(host: TestHost, command: string): Promise<void> {
  const { code, stdout, stderr } = await host.run(command);
  if (code !== 0) throw new Error(`${host.name}: "${command}" ended with ${code}: ${stdout}${stderr}`);
}

function ask(host: string, port: number, path: string, seconds: number): Promise<number | undefined> {
  return new Promise(resolve => {
    const asked = request({ host, port, path, agent: false }, answer => {
      answer.resume();
      resolve(answer.statusCode);
    });
    // A request that is meant to hang must not keep the test's process alive.
    asked.on('socket', socket => socket.unref());
    asked.setTimeout(seconds * 1000, () => asked.destroy());
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
}

async function allArrived(host: TestHost, causes: readonly Cause[]): Promise<boolean> {
  const { stdout } = await host.run('cat /run/shop/arrived 2>/dev/null');
  const arrived = stdout.split('\n');
  return causes.every(cause => arrived.includes(cause));
}

async function until(what: string, test: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    if (await test()) return;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  throw new Error(`waited in vain until ${what}`);
}

function markedLine(source: string, mark: Cause): number {
  const at = source.split('\n').findIndex(line => line.endsWith(`# at: ${mark}`));
  if (at < 0) throw new Error(`shop.py has no mark "${mark}"`);
  return at + 1;
}

function functionAt(source: string, line: number): string {
  const name = source
    .split('\n')
    .slice(0, line)
    .findLast(each => each.startsWith('def '))
    ?.slice('def '.length)
    .split('(')[0];
  if (name === undefined) throw new Error(`line ${line} of shop.py is in no function`);
  return name;
}
