import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { runSchema } from '../../src/run/run.ts';
import { expandedCore } from '../support/expanded-core.ts';
import { makeController } from '../support/hosts/controller.ts';
import { startShop } from '../support/hosts/shop.ts';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';
import { measure, mebibytes, median, run, runbook, say, timed } from './measure.ts';

const rounds = 7;

/**
 * How long it takes to have all Python stacks of the core of a hung mod_wsgi daemon on Python 2.7, by us and by what a
 * user would use instead; and what the whole run cost. Needs root, for it makes a Debian host.
 */
export async function benchStacks(): Promise<void> {
  const host = await startHost({ name: 'web3', release: 'bullseye' });
  try {
    const shop = await startShop(host, '2.7');
    const controller = await makeController([{ host, services: [shop.entry] }]);
    await shop.hang(['busy', 'deadlock-stock', 'deadlock-cart', 'recv']);
    const { stdout } = await controller.run('hang', '--host', 'web3', '--format', 'json');
    tellRun(runSchema.parse(JSON.parse(stdout)));
    const [id = ''] = await readdir(join(controller.state, 'cases'));
    const core = await expandedCore(join(controller.state, 'cases', id, 'core.zst'), controller.folder);
    await compare(host, core, join(controller.state, 'store', 'modules'));
    await controller.remove();
  } finally {
    await host.stop();
  }
}

const outputs = z.looseObject({
  coreBytes: z.number().optional(),
  storedBytes: z.number().optional(),
  sentBytes: z.number().optional(),
  modulesSentBytes: z.number().optional(),
  stoppedSeconds: z.number().optional(),
  downSeconds: z.number().optional(),
});

function tellRun({ hosts, seconds }: z.infer<typeof runSchema>): void {
  const all = Object.assign({}, ...(hosts[0]?.steps ?? []).map(step => outputs.safeParse(step.outputs).data ?? {}));
  const { coreBytes, storedBytes, sentBytes, modulesSentBytes, stoppedSeconds, downSeconds } = outputs.parse(all);
  say(`core                ${mebibytes(coreBytes)}, stored as ${mebibytes(storedBytes)}`);
  say(
    `sent                ${mebibytes(sentBytes)} of core, ${mebibytes(modulesSentBytes)} of modules (each once per fleet)`,
  );
  say(`process stood still ${stoppedSeconds} s`);
  say(`service was down    ${downSeconds} s`);
  say(`run in all          ${seconds.toFixed(1)} s`);
}

/** Turn about, so that what else the machine does hits both alike; one round before, which warms the caches. */
async function compare(host: TestHost, core: string, modules: string): Promise<void> {
  const folder = join(host.root, 'srv/bench');
  await mkdir(folder, { recursive: true });
  await copyFile(core, join(folder, 'core'));
  const analyze = ['analyze', '--quiet', '--no-native', '--format', 'json', '--modules', modules, core];
  const ours = () => run(runbook, analyze);
  const theirs = () => run('chroot', [host.root, ...gdb]);
  const times: { readonly ours: number[]; readonly theirs: number[] } = { ours: [], theirs: [] };
  let [found, shown] = ['', ''];
  for (let round = 0; round <= rounds; round++) {
    const [first, second] = [await timed(ours), await timed(theirs)];
    [found, shown] = [first.stdout, second.stdout];
    if (round === 0) continue;
    times.ours.push(first.seconds);
    times.theirs.push(second.seconds);
  }
  for (const name of ['recount_stock', 'reserve_then_charge', 'charge_then_reserve', 'fetch_price'])
    if (!found.includes(name) || !shown.includes(name)) throw new Error(`${name} is not in both results`);
  const [mine, other] = [median(times.ours), median(times.theirs)];
  say(`all Python stacks   ${mine.toFixed(2)} s by runbook analyze --no-native --format json`);
  say(`                    ${other.toFixed(2)} s by gdb with python2.7-dbg, thread apply all py-bt`);
  say(`ratio               ${(mine / other).toFixed(2)} (median of ${rounds} each, turn about)`);
  say(`peak memory         ${mebibytes((await measure([runbook, ...analyze])).peakBytes)}`);
}

const script = '/usr/share/gdb/auto-load/usr/lib/x86_64-linux-gnu/libpython2.7.so.1.0-gdb.py';
const gdb = [
  'gdb',
  '-nx',
  '-batch',
  '-ex',
  `source ${script}`,
  '-ex',
  'thread apply all py-bt',
  '/usr/sbin/apache2',
  '/srv/bench/core',
];
