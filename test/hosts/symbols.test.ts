import { copyFile, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type Report, reportSchema } from '../../src/report/schema.ts';
import { type Run, runSchema } from '../../src/run/run.ts';
import { type Controller, makeController } from '../support/hosts/controller.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';
import { type SymbolRepository, startSymbolRepository } from '../support/symbol-repository.ts';

const services = join(import.meta.dirname, '..', 'support', 'services');

const service = { name: 'shop', check: 'http://127.0.0.1:8000/' };

let host: TestHost;
let repository: SymbolRepository;
let controller: Controller;

beforeAll(async () => {
  if (!requireRoot.isRoot) return;
  host = await startHost({ name: 'web3', release: 'bullseye' });
  repository = await startSymbolRepository({ address: host.address.replace(/\d+$/, '1') });
  await installLibrary();
  await startService();
  controller = await makeController([{ host, services: [service], changes: { profile: 'shop' } }], {
    shop: {
      symbolSources: [{ url: repository.url, key: repository.keyArmoured }],
      packages: ['libshopstock1-dbgsym'],
    },
  });
});
afterAll(async () => {
  await controller?.remove();
  await repository?.stop();
  await host?.stop();
});

test('a hang in a C library shows its file and line once the host is prepared with its debug symbols, from a signed repository', async context => {
  requireRoot(context);
  const { packages } = repository;

  await letHang();
  const bare = await hang();
  expect(framesIn(bare.report).length).toBeGreaterThan(0);
  expect(framesIn(bare.report).filter(({ file, line }) => file !== undefined || line !== undefined)).toEqual([]);
  expect(symbolsOf(bare.report)).toEqual({ 'libshopstock.so.1.0': 'dynamic', 'libshopvalue.so.1.0': 'dynamic' });
  expect(pulled(bare.run).debugFiles).toBe(0);

  await installSymbols();
  await letHang();
  const { run, report } = await hang();
  const places = [
    ['await_delivery', 'shopstock.c', packages.line('delivery')],
    ['shelf_take', 'shopstock.c', packages.line('take')],
    ['stock_reserve', 'shopstock.c', packages.line('reserve')],
  ];
  expect(placesIn(report)).toEqual(places);
  expect(report.summary).toContain('computes in stock_reserve');
  const evidence = report.findings.flatMap(finding => finding.evidence.map(({ text }) => text)).join('\n');
  expect(evidence).toContain(`await_delivery (shopstock.c:${packages.line('delivery')}) of `);
  expect(symbolsOf(report)).toMatchObject({ 'libshopstock.so.1.0': 'full' });
  expect(report.gaps.filter(({ what }) => what.includes('symbols'))).toEqual([]);
  // The debug file, and what dwz took out of it; the other library's where a call that is over left an address of it.
  expect([2, 3]).toContain(pulled(run).debugFiles);
  expect(report.recovery).toMatchObject({ succeeded: true });

  // The store has them now: the host need not.
  await letHang();
  await succeed('dpkg -r libshopstock1-dbgsym');
  const again = await hang();
  expect(placesIn(again.report)).toEqual(places);
  expect(pulled(again.run).debugFiles).toBe(0);
  const { stdout } = await controller.run('analyze', report.case, '--format', 'json');
  expect(framesIn(reportSchema.parse(JSON.parse(stdout)))).toEqual(framesIn(report));
  expect(await readableByOthers(join(controller.state, 'store'))).toEqual([]);
});

test('a debug file of another build is not used, and told; one under the name that the library gives is', async context => {
  requireRoot(context);
  const buildId = repository.packages.buildIds['libshopstock.so.1'];
  const place = `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
  await succeed(`mkdir -p ${dirname(place)} && cp /usr/lib/*/libshopvalue.so.1 ${place}`);
  await letHang();
  const { outputs, report } = await captureAndAnalyze();
  expect(outputs.debugFiles).toBe(0);
  expect(symbolsOf(report)).toMatchObject({ 'libshopstock.so.1.0': 'dynamic' });
  expect(framesIn(report).filter(({ file }) => file !== undefined)).toEqual([]);
  expect(report.gaps).toContainEqual({
    what: `debug symbols: ${place}`,
    why: expect.stringContaining(`expected a file with build-id ${buildId}`),
  });

  // The right one, where older packages have it: under the directory and the name that the library gives.
  const { symbols } = repository.packages;
  await copyFile(symbols, join(host.root, 'srv', basename(symbols)));
  await succeed(
    `dpkg-deb -x /srv/${basename(symbols)} /srv/symbols && rm ${place} && cp -r /srv/symbols/usr/lib/debug/.dwz /usr/lib/debug/ &&
     for library in /usr/lib/*/libshopstock.so.1; do directory=/usr/lib/debug\${library%/*}; mkdir -p $directory; done &&
     cp /srv/symbols${place} $directory/`,
  );
  const again = await captureAndAnalyze();
  expect(again.outputs.debugFiles).toBeGreaterThanOrEqual(2);
  expect(placesIn(again.report)[0]).toEqual(['await_delivery', 'shopstock.c', repository.packages.line('delivery')]);
});

/** By a controller that has nothing in its store yet; the process is left as it is. */
async function captureAndAnalyze() {
  const stranger = await makeController([{ host, services: [service] }]);
  try {
    const captured = await stranger.run('capture', '--host', 'web3', '--format', 'json');
    const run = runSchema.parse(JSON.parse(captured.stdout));
    expect(run.hosts[0]?.error, captured.stderr).toBeUndefined();
    const outputs = pulled(run);
    const { stdout } = await stranger.run('analyze', outputs.case, '--format', 'json');
    return { outputs, report: reportSchema.parse(JSON.parse(stdout)) };
  } finally {
    await stranger.remove();
  }
}

async function installLibrary(): Promise<void> {
  const { library } = repository.packages;
  await copyFile(library, join(host.root, 'srv', basename(library)));
  await succeed(`dpkg -i /srv/${basename(library)} && ldconfig`);
}

async function startService(): Promise<void> {
  const files = [
    ['stock.py', 'srv/shop/stock.py'],
    ['shop.init', 'etc/init.d/shop'],
  ] as const;
  for (const [name, path] of files) {
    await mkdir(dirname(join(host.root, path)), { recursive: true });
    await copyFile(join(services, name), join(host.root, path));
  }
  await writeFile(join(host.root, 'etc/default/shop'), "DAEMON=/usr/bin/python3.9\nARGUMENTS='/srv/shop/stock.py'\n");
  await succeed('chmod 755 /etc/init.d/shop && service shop start');
}

/** As an operator does. No other source is asked for anything: the host has no way to them. */
async function installSymbols(): Promise<void> {
  await succeed('mv /etc/apt/sources.list /root/');
  const ids = ['symbol-key', 'symbol-source', 'package:libshopstock1-dbgsym'];
  const named = ids.flatMap(id => ['--only', id]);
  const { code, stdout } = await controller.run('prepare', '--host', 'web3', ...named);
  expect(code, stdout).toBe(0);
  expect(stdout).toContain('package:libshopstock1-dbgsym: installed libshopstock1-dbgsym 1.0-1');
}

async function letHang(): Promise<void> {
  const { stdout } = await host.run(
    'for i in $(seq 50); do curl -sf --max-time 1 http://127.0.0.1:8000/ && break; sleep 0.1; done',
  );
  expect(stdout).toContain('ok');
  // It does not answer, and never will.
  await host.run('curl -s --max-time 0.5 http://127.0.0.1:8000/reserve');
}

async function hang(): Promise<{ readonly run: Run; readonly report: Report }> {
  const result = await controller.run('hang', '--host', 'web3', '--format', 'json');
  const run = runSchema.parse(JSON.parse(result.stdout));
  expect(run.hosts[0]?.error, result.stderr).toBeUndefined();
  return { run, report: reportSchema.parse(run.hosts[0]?.report) };
}

function framesIn({ threads }: Report) {
  return threads.flatMap(({ native }) => native.filter(({ module }) => module?.includes('libshop')));
}

function placesIn(report: Report) {
  return framesIn(report).map(({ function: name, file, line }) => [name, file, line]);
}

function symbolsOf({ modules }: Report): Readonly<Record<string, string>> {
  const ours = modules.filter(({ path }) => path.includes('libshop'));
  return Object.fromEntries(ours.map(({ path, symbols }) => [basename(path), symbols]));
}

function pulled(run: Run) {
  return pullOutputs.parse(run.hosts[0]?.steps.find(({ id }) => id === 'pull')?.outputs);
}

const pullOutputs = z.looseObject({ case: z.string(), debugFiles: z.int(), debugSentBytes: z.number() });

async function readableByOthers(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true });
  const modes = await Promise.all(names.map(async name => [name, (await stat(join(folder, name))).mode] as const));
  return modes.filter(([, mode]) => (mode & 0o077) !== 0).map(([name]) => name);
}

async function succeed(command: string): Promise<void> {
  const { code, stdout, stderr } = await host.run(command);
  expect(code, `${command}: ${stdout}${stderr}`).toBe(0);
}
