import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { ask, type Cause, hangRequests, placeShop, type ShopMarks, startSite, until } from './shop.ts';
import type { TestHost } from './test-host.ts';

/** How mod_wsgi runs an application: in a process of its own, or in Apache's child. */
export type Place = 'daemon' | 'embedded';

/** Each is a sub-interpreter, in each of the two places. */
export const applications = ['one', 'two', 'three'] as const;

/** An Apache with one daemon process and one child, in each of which the shop runs in three sub-interpreters. */
export interface SubInterpreters extends ShopMarks {
  /** Process ids as this machine numbers them. */
  readonly processes: Readonly<Record<Place, number>>;
  /** Lets every worker thread of both processes serve every application once. */
  serveAll(): Promise<void>;
  get(path: string): Promise<number | undefined>;
  /** Fires these requests and resolves once each thread stands at its mark. */
  hang(requests: readonly { readonly path: string; readonly cause: Cause }[]): Promise<void>;
}

/** Worker threads, as sub-interpreters.apache.conf has them. */
const threads: Readonly<Record<Place, number>> = { daemon: 5, embedded: 12 };

export async function startSubInterpreters(host: TestHost): Promise<SubInterpreters> {
  const shop = await placeShop(host);
  await startSite(host, 'sub-interpreters');
  const get = (path: string, seconds = 30) => ask(host.address, 80, path, seconds);
  for (const place of ['daemon', 'embedded'] as const)
    await until(`${place} applications answer`, async () => (await get(`/${place}/one/health`, 2)) === 200);
  return {
    ...shop,
    get,
    processes: processesOf(host),
    async serveAll() {
      for (const place of ['daemon', 'embedded'] as const)
        for (const application of applications) await meet(get, `/${place}/${application}`, threads[place]);
    },
    hang: requests =>
      hangRequests(
        host,
        80,
        requests.map(({ path, cause }) => ({ cause, below: dirname(path) })),
      ),
  };
}

/** As many requests at a time as there are threads, none of which ends before all have begun. */
async function meet(get: SubInterpreters['get'], application: string, count: number): Promise<void> {
  const path = `${application}/meet?threads=${count}`;
  const answers = await Promise.all(Array.from({ length: count }, () => get(path)));
  if (answers.some(status => status !== 200)) throw new Error(`${path} answered ${answers.join(', ')}`);
}

/** The daemon process has a title of its own, the child that of its parent. */
function processesOf({ initPid }: TestHost): Readonly<Record<Place, number>> {
  const space = readlinkSync(`/proc/${initPid}/ns/pid_for_children`);
  const found = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(pid => processOf(Number(pid), space));
  const daemon = found.find(({ command }) => command.startsWith('(wsgi:'));
  const child = found.find(({ pid, parent }) => pid !== daemon?.pid && parent === daemon?.parent);
  if (daemon === undefined || child === undefined) throw new Error('no daemon process, or no child of Apache');
  return { daemon: daemon.pid, embedded: child.pid };
}

function processOf(pid: number, space: string): { pid: number; parent: number; command: string }[] {
  try {
    if (readlinkSync(`/proc/${pid}/ns/pid`) !== space) return [];
    const parent = Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    return [{ pid, parent, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8') }];
  } catch {
    // It ended meanwhile.
    return [];
  }
}
