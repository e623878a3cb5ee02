import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Report, reportSchema } from '../../src/report/schema.ts';
import { type Run, runSchema } from '../../src/run/run.ts';
import { type Controller, makeController } from '../support/hosts/controller.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import type { Release } from '../support/hosts/root-filesystem.ts';
import { type Cause, type Shop, type ShopPython, startShop } from '../support/hosts/shop.ts';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';

const fleet: readonly (readonly [ShopPython, 'apache' | 'own', Release])[] = [
  ['2.7', 'apache', 'bullseye'],
  ['3.9', 'own', 'bullseye'],
  ['3.11', 'own', 'bookworm'],
  ['3.13', 'apache', 'trixie'],
];

describe.each(fleet)('a web service on Python %s (server: %s)', (python, server, release) => {
  let host: TestHost;
  let shop: Shop;
  let controller: Controller;

  beforeAll(async () => {
    if (!requireRoot.isRoot) return;
    host = await startHost({ name: 'web3', release });
    shop = await startShop(host, python, { server });
    controller = await makeController([{ host, services: [shop.entry] }]);
  });
  afterAll(async () => {
    await controller?.remove();
    await host?.stop();
  });

  test('is left alone while it is healthy, lightly loaded', async context => {
    requireRoot(context);
    const before = await processes(shop);
    const load = lightLoad(shop);
    const result = await controller.run('hang', '--host', 'web3', '--format', 'json');
    await load.stop();
    const run = runSchema.parse(JSON.parse(result.stdout));
    expect(result.code, result.stderr).toBe(0);
    expect(run.hosts[0]?.status).toBe('finished');
    expect(run.findings).toEqual([]);
    expect(await processes(shop)).toBe(before);
    expect((await host.run('ls -A /var/tmp')).stdout).toBe('');
  });

  test('is explained, secured and brought back when it hangs for several causes at once', async context => {
    requireRoot(context);
    const causes: readonly Cause[] = ['busy', 'deadlock-stock', 'deadlock-cart', 'recv'];
    await shop.hang(causes);
    const { run, report } = await hang(controller);

    expect(run.exitCode).toBe(0);
    expect(report.candidates?.[0]).toMatchObject({ state: 'hung', chosen: true });
    expect(report.findings.map(({ class: kind }) => kind).sort(compare)).toEqual([
      'blocking-io',
      'busy-loop',
      'deadlock',
    ]);
    const [busy] = rootsOf(report, 'busy-loop');
    expect(busy).toMatchObject(placeOf(shop, 'busy'));
    const [recv] = rootsOf(report, 'blocking-io');
    expect(recv).toMatchObject(placeOf(shop, 'recv'));
    expect(
      rootsOf(report, 'deadlock')
        .map(({ line }) => line)
        .sort((a, b) => a - b),
    ).toEqual([shop.line('deadlock-stock'), shop.line('deadlock-cart')]);
    expect(report.findings.find(({ class: kind }) => kind === 'deadlock')?.confidence).toBe('proven');
    // Every hung thread stands where it stands, and the others are no application threads.
    const busyThreads = report.threads.filter(({ role }) => role === 'application');
    expect(busyThreads.map(thread => thread.python[0]?.line).sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(
      causes.map(cause => shop.line(cause)).sort((a, b) => a - b),
    );
    const source = busyThreads.find(({ lwp }) => lwp === busy?.lwp)?.python[0]?.source;
    expect(source).toMatchObject({ status: 'as-run' });
    expect(source?.lines.join('\n')).toContain('while True: pass');
    expect(busyThreads.find(({ lwp }) => lwp === busy?.lwp)?.request).toEqual({ method: 'GET', path: '/busy' });
    expect(report.capture).toMatchObject({ method: 'gcore' });
    expect(report.recovery).toMatchObject({ succeeded: true });
    expect(await shop.get('/health')).toBe(200);
    expect((await host.run('find /var/tmp -type f')).stdout).toBe('');
    expect(JSON.stringify(run)).not.toContain('secret-value');
  });

  test('gives merged stacks in the order C, Python, C', async context => {
    requireRoot(context);
    await shop.hang(['busy', 'recv', 'sleep', 'till']);
    const { report } = await hang(controller);
    const thread = report.threads.find(({ python: [frame] }) => frame?.line === shop.line('recv'));
    expect(thread?.stack.map(entry => ('native' in entry ? 'c' : 'python')).join(' ')).toMatch(/^c (c )*python (.*)c$/);
  });
});

test('is told where a busy loop of one request hangs a service of one thread', async context => {
  requireRoot(context);
  const host = await startHost({ name: 'web3', release: 'bullseye' });
  try {
    const shop = await startShop(host, '2.7', { threads: 1 });
    const controller = await makeController([{ host, services: [shop.entry] }]);
    await shop.hang(['busy']);
    const result = await controller.run('hang', '--host', 'web3');
    expect(result.code, result.stderr).toBe(0);
    const [first] = result.stdout.split('\n');
    expect(first).toMatch(/^busy-loop(?: \(likely\))?: /);
    expect(first).toContain(`recount_stock (/srv/shop/shop.py:${shop.line('busy')}: \`while True: pass`);
    expect(first).toContain('GET /busy');
    await controller.remove();
  } finally {
    await host.stop();
  }
});

test('is told once where two hosts hang for the same cause, though Python and line differ', async context => {
  requireRoot(context);
  const [web3, web4] = await Promise.all([
    startHost({ name: 'web3', release: 'bullseye' }),
    startHost({ name: 'web4', release: 'trixie' }),
  ]);
  try {
    const shops = [
      await startShop(web3, '2.7', { threads: 2 }),
      await startShop(web4, '3.13', { threads: 2, server: 'apache', heading: '# As deployed\n\n' }),
    ];
    const labels = { role: 'web' };
    const entries = shops.map(({ host, entry }) => ({ host, services: [entry], changes: { labels } }));
    const controller = await makeController(entries);
    for (const shop of shops) await shop.hang(['ledger', 'recv']);
    const result = await controller.run('hang', '--host', 'role=web');
    expect(result.code, result.stderr).toBe(0);
    const common = result.stdout.slice(0, result.stdout.indexOf('\n\n')).split('\n');
    expect(common).toEqual(common.map(() => expect.stringMatching(/^web3, web4: /)));

    const [, id = ''] = /^run (\S+) on web3, web4$/m.exec(result.stderr) ?? [];
    const run = runSchema.parse(JSON.parse((await controller.run('show', id, '--format', 'json')).stdout));
    expect(common).toHaveLength(run.findings.length);
    const classes = run.findings.map(({ class: kind }) => kind);
    expect(classes).toEqual([...new Set(classes)]);
    expect(classes).toEqual(expect.arrayContaining(['busy-loop', 'blocking-io']));
    for (const { hosts } of run.findings) expect(hosts).toEqual(['web3', 'web4']);
    const [old, recent] = run.hosts.map(({ report }) => reportSchema.parse(report));
    const roots = [old, recent].map(report => report?.findings[0]?.roots[0]);
    expect(roots[0]).toMatchObject({ function: 'close_month', line: shops[0]?.line('ledger') });
    expect(roots[1]).toMatchObject({ function: 'Ledger.close_month', line: shops[1]?.line('ledger') });
    expect(roots[1]?.line).not.toBe(roots[0]?.line);
    await controller.remove();
  } finally {
    await Promise.all([web3.stop(), web4.stop()]);
  }
});

async function hang(controller: Controller): Promise<{ readonly run: Run; readonly report: Report }> {
  const result = await controller.run('hang', '--host', 'web3', '--format', 'json');
  const run = runSchema.parse(JSON.parse(result.stdout));
  expect(run.hosts[0]?.error, result.stderr).toBeUndefined();
  return { run, report: reportSchema.parse(run.hosts[0]?.report) };
}

function rootsOf({ findings }: Report, kind: string) {
  return findings.find(each => each.class === kind)?.roots ?? [];
}

function placeOf(shop: Shop, cause: Cause) {
  return { function: shop.function(cause), file: shop.file, line: shop.line(cause) };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1;
}

/** Start times of all processes but the ones that ask. */
async function processes({ host }: Shop): Promise<string> {
  const { stdout } = await host.run("ps -eo pid,lstart,args | grep -E 'apache|python' | grep -v grep");
  return stdout;
}

function lightLoad(shop: Shop): { stop(): Promise<void> } {
  const over = new AbortController();
  const work = (async () => {
    while (!over.signal.aborted) await shop.get('/prices?seconds=0.05');
  })();
  return {
    async stop() {
      over.abort();
      await work;
    },
  };
}
