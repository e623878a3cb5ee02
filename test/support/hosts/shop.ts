import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { type RequestOptions, request } from 'node:http';
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
  | 'ledger'
  | 'bare-left'
  | 'bare-right'
  | 'acquire'
  | 'till'
  | 'released'
  | 'slow';

const paths: Readonly<Partial<Record<Cause, string>>> = { victim: '/order' };

export interface ShopOptions {
  readonly threads?: number;
  readonly server?: 'apache' | 'own';
  /** Comes before the first line of shop.py. */
  readonly heading?: string;
}

/**
 * Starts the shop on a host: under apache2 with mod_wsgi, or as a service of its own (which 2.7 cannot run).
 * @param server mod_wsgi is there for the release's newest Python and for 2.7
 */
export async function startShop(
  host: TestHost,
  python: ShopPython,
  { threads = 4, server = python === '2.7' ? 'apache' : 'own', heading = '' }: ShopOptions = {},
): Promise<Shop> {
  const { file, line, functionOf } = await placeShop(host, heading);
  const entry = server === 'apache' ? await startApache(host, threads) : await startService(host, python, threads);
  const port = server === 'apache' ? 80 : 8000;
  const get = (path: string, seconds = 2) => ask(host.address, port, path, seconds);
  await until(`the shop on ${host.name} answers`, async () => (await get('/health')) === 200);
  return {
    host,
    service: entry.name,
    port,
    file,
    entry,
    get,
    hang: causes =>
      hangRequests(
        host,
        port,
        causes.map(cause => ({ cause })),
      ),
    line,
    function: functionOf,
  };
}

/** What shop.py says of itself. */
export interface ShopMarks {
  /** Where it lies. */
  readonly file: string;
  /** Line that is marked `at: NAME`. */
  readonly line: (mark: Cause) => number;
  /** Name of the function that the mark is in. */
  readonly functionOf: (mark: Cause) => string;
}

/** Puts shop.py on a host, and the folder of its journal. */
export async function placeShop(host: TestHost, heading = ''): Promise<ShopMarks> {
  const source = heading + (await readFile(join(services, 'shop.py'), 'utf8'));
  await mkdir(join(host.root, 'srv/shop'), { recursive: true });
  await writeFile(join(host.root, 'srv/shop/shop.py'), source);
  await host.run('mkdir -p /run/shop && chmod 1777 /run/shop && chmod 644 /srv/shop/shop.py');
  return marksOf('/srv/shop/shop.py', source);
}

/** Of the shop of this checkout. */
export async function shopMarks(): Promise<ShopMarks> {
  const file = join(services, 'shop.py');
  return marksOf(file, await readFile(file, 'utf8'));
}

function marksOf(file: string, source: string): ShopMarks {
  return {
    file,
    line: mark => markedLine(source, mark),
    functionOf: mark => functionAt(source, markedLine(source, mark)),
  };
}

/** Fires requests of these handlers, below a path if one is given, and resolves once each thread stands at its mark. */
export async function hangRequests(
  host: TestHost,
  port: number,
  requests: readonly { readonly cause: Cause; readonly below?: string }[],
): Promise<void> {
  await host.run('rm -f /run/shop/arrived');
  const causes = requests.map(({ cause }) => cause).sort();
  for (const { cause, below = '' } of requests) {
    const path = `${below}${paths[cause] ?? `/${cause}`}`;
    void ask(host.address, port, `${path}?order=17&token=secret-value`, 86_400);
  }
  await until(`threads of ${host.name} stand at ${causes.join(', ')}`, async () => {
    const { stdout } = await host.run('cat /run/shop/arrived 2>/dev/null');
    return stdout.split('\n').filter(Boolean).sort().join() === causes.join();
  });
}

async function startApache(host: TestHost, threads: number): Promise<Shop['entry']> {
  await startSite(host, 'shop', text => text.replace(/threads=\d+/, `threads=${threads}`));
  return { name: 'apache2', check: 'http://127.0.0.1/health', match: 'wsgi:shop' };
}

/** Starts apache2 with the one site of `NAME.apache.conf`. */
export async function startSite(host: TestHost, name: string, edit: (text: string) => string = text => text) {
  const site = edit(await readFile(join(services, `${name}.apache.conf`), 'utf8'));
  await writeFile(join(host.root, 'etc/apache2/sites-available/shop.conf'), site);
  await expectSuccess(host, 'a2dissite -q 000-default; a2ensite -q shop && service apache2 start');
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

/** Status of an answer; undefined when there was none in time. */
export function ask(host: string, port: number, path: string, seconds: number): Promise<number | undefined> {
  return statusOf({ host, port, path }, seconds);
}

/** As `ask`, of whatever Node can ask, a socket of the file system too. */
export function statusOf(whom: RequestOptions, seconds: number): Promise<number | undefined> {
  return new Promise(resolve => {
    const asked = request({ ...whom, agent: false }, answer => {
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

export async function until(what: string, test: () => Promise<boolean>): Promise<void> {
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
    .findLast(each => each.trimStart().startsWith('def '))
    ?.trimStart()
    .slice('def '.length)
    .split('(')[0];
  if (name === undefined) throw new Error(`line ${line} of shop.py is in no function`);
  return name;
}
