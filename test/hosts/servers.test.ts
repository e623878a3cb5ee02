import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../../src/report/schema.ts';
import { accountFor, accountOf, type HungRequest } from '../support/account.ts';
import { analyzeProcess, misquoted } from '../support/analyze-target.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { type Release, rootFilesystem } from '../support/hosts/root-filesystem.ts';
import { type Place, type SubInterpreters, startSubInterpreters } from '../support/hosts/sub-interpreters.ts';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';

const hosts: readonly (readonly [python: string, release: Release])[] = [
  ['2.7', 'bullseye'],
  ['3.11', 'bookworm'],
  ['3.13', 'trixie'],
];
const places: readonly Place[] = ['daemon', 'embedded'];

const hung: Readonly<Record<Place, readonly HungRequest[]>> = {
  daemon: [...deadlock('/daemon/one'), { path: '/daemon/three/recv', cause: 'recv', class: 'blocking-io' }],
  embedded: [
    { path: '/embedded/one/till', cause: 'till', class: 'sleep' },
    { path: '/embedded/one/released', cause: 'released', behind: '/embedded/one/till' },
    { path: '/embedded/two/acquire', cause: 'acquire', class: 'lock-wait' },
    ...deadlock('/embedded/three'),
    { path: '/embedded/three/recv', cause: 'recv', class: 'blocking-io' },
  ],
};

/** Comes last: up to 3.11 it keeps other interpreters from the GIL, since who waits for that asks only its own to give way. */
const busy: HungRequest = { path: '/daemon/two/busy', cause: 'busy', class: 'busy-loop' };

function deadlock(below: string): readonly HungRequest[] {
  const [stock, cart] = [`${below}/deadlock-stock`, `${below}/deadlock-cart`];
  return [
    { path: stock, cause: 'deadlock-stock', class: 'deadlock', behind: cart },
    { path: cart, cause: 'deadlock-cart', class: 'deadlock', behind: stock },
  ];
}

describe.each(hosts)('mod_wsgi with sub-interpreters on Python %s', (python, release) => {
  let host: TestHost;
  let shop: SubInterpreters;
  let folders: readonly string[];

  beforeAll(async () => {
    if (!requireRoot.isRoot) return;
    const root = await rootFilesystem(release);
    folders = [join(root, 'usr'), join(root, 'lib')];
    host = await startHost({ name: 'web3', release });
    shop = await startSubInterpreters(host);
    await shop.serveAll();
  });
  afterAll(() => host?.stop());

  test.for(places)('is silent about threads that wait for requests (%s)', async (place, context) => {
    requireRoot(context);
    const { report, remove } = await analyzeProcess(shop.processes[place], { folders });
    remove();
    expect(report.process.pythons[0]?.startsWith(`${python}.`), report.process.pythons[0]).toBe(true);
    expect(report.findings).toEqual([]);
    expect(report.threads.filter(({ role }) => role === 'application')).toEqual([]);
    expect(report.summary).toMatch(/^Nothing hangs/);
    // The host counts its processes by itself.
    expect(report.threads.filter(({ lwp, nsPid = lwp }) => nsPid === lwp)).toEqual([]);
  });

  test('names each cause with its interpreter, and nothing else', async context => {
    requireRoot(context);
    expect(await shop.get('/embedded/two/leak')).toBe(200);
    await shop.hang([...hung.daemon, ...hung.embedded]);
    await shop.hang([busy]);
    for (const place of places) {
      const { report, core, remove } = await analyzeProcess(shop.processes[place], { folders });
      const expected = place === 'daemon' ? [...hung.daemon, busy] : hung.embedded;
      try {
        expect(accountOf(report)).toEqual(accountFor(expected, shop));
        const classes = new Set(expected.flatMap(({ class: kind }) => kind ?? []));
        expect(report.findings.map(({ class: kind }) => kind).sort()).toEqual([...classes].sort());
        expect(report.findings.find(({ class: kind }) => kind === 'deadlock')?.confidence).toBe('proven');
        const interpreters = interpretersOf(report);
        expect(interpreters).toEqual([...new Set(interpreters)]);
        expect(interpreters).toHaveLength(3);
        expect(interpreters).not.toContain(0);
        expect(await misquoted(report, core)).toEqual([]);
      } finally {
        remove();
      }
    }
  });
});

/** Ids of the interpreters whose frames run the applications, one for each application that has any. */
function interpretersOf({ threads }: Report): readonly number[] {
  const byApplication = new Map<string, Set<number>>();
  for (const { request, python } of threads) {
    if (request === undefined) continue;
    const application = request.path.split('/').slice(0, 3).join('/');
    const ids = byApplication.get(application) ?? new Set();
    byApplication.set(application, ids);
    for (const { interpreter } of python) ids.add(interpreter);
  }
  return [...byApplication.values()].flatMap(ids => [...ids]);
}
