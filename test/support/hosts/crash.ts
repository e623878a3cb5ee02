import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Report, reportSchema } from '../../../src/report/schema.ts';
import { type Run, runSchema } from '../../../src/run/run.ts';
import type { RunningCommand } from '../run-runbook.ts';
import { type Controller, makeController } from './controller.ts';
import { type Cause, type Shop, startShop } from './shop.ts';
import { startHost, type TestHost } from './test-host.ts';

export interface CrashSite {
  readonly host: TestHost;
  readonly shop: Shop;
  readonly controller: Controller;
  /** What an undisturbed run finds. */
  readonly expected: readonly string[];
  stop(): Promise<void>;
}

const causes: readonly Cause[] = ['busy', 'deadlock-stock', 'deadlock-cart', 'recv'];
const traces = { restarts: '/srv/restarts', captures: '/srv/captures' } as const;

/** A host whose service hangs at will, and that counts how often it is restarted and how often its core is taken. */
export async function startCrashSite(): Promise<CrashSite> {
  const host = await startHost({ name: 'web3', release: 'bookworm' });
  const shop = await startShop(host, '3.11');
  await countCaptures(host);
  const service = {
    name: 'shop',
    // Ends within a second: most of an undisturbed run would be spent waiting for a check.
    check: 'curl -sf --max-time 1 http://127.0.0.1:8000/health',
    restart: `echo restart >>${traces.restarts}; service shop restart`,
  };
  const controller = await makeController([{ host, services: [service] }]);
  const site = {
    host,
    shop,
    controller,
    async stop() {
      await controller.remove();
      await host.stop();
    },
  };
  await letHang(site);
  const { stdout } = await controller.run('hang', '--host', 'web3', '--format', 'json');
  return { ...site, expected: causesIn(runSchema.parse(JSON.parse(stdout))) };
}

export interface Resumed {
  /** Undefined: the controller was killed before anything was kept, or after all was done. */
  readonly run?: Run;
  readonly causes: readonly string[];
  readonly restarts: number;
  readonly captures: number;
  /** Whether gdb had come to its end when the controller was killed. */
  readonly wasCapturing: boolean;
  /** Files that are left on the host. */
  readonly left: string;
  readonly stderr: string;
}

/** Lets the service hang, kills the controller at the moment that `moment` waits for, and resumes the run. */
export async function crashAndResume(
  site: Omit<CrashSite, 'expected'>,
  moment: (command: RunningCommand) => Promise<void>,
): Promise<Resumed> {
  const { host, controller } = site;
  await letHang(site);
  const before = await newestRun(controller);
  const command = controller.start('hang', '--host', 'web3', '--format', 'json');
  await Promise.race([moment(command), command.finished]);
  command.child.kill('SIGKILL');
  const killed = await command.finished;
  const wasCapturing = /: core …/.test(killed.stderr) && !/: core succeeded/.test(killed.stderr);
  const after = await newestRun(controller);
  const { run } = after;
  const result =
    run === undefined || run === before.run ? undefined : await controller.run('resume', run, '--format', 'json');
  const whole = parseRun(result?.stdout ?? '') ?? parseRun(killed.stdout);
  return {
    ...(whole && { run: whole }),
    causes: whole === undefined ? [] : causesIn(whole),
    restarts: await countLines(host, traces.restarts),
    captures: await countLines(host, traces.captures),
    wasCapturing,
    left: (await host.run('find /var/tmp -type f')).stdout,
    stderr: [
      killed.stderr,
      `newest run: ${before.run}, then ${after.run}; ${after.stderr}`,
      ...(result === undefined ? ['not resumed'] : [`resume ended with ${result.code}`, result.stderr]),
    ].join('\n'),
  };
}

/** Resolves once the command has said something of that kind. */
export async function said(command: RunningCommand, text: RegExp): Promise<void> {
  while (!text.test(command.stderr())) {
    if (command.child.exitCode !== null) return;
    await new Promise(resolve => setTimeout(resolve, 2));
  }
}

/** A service that hangs for several causes, on a host that has no traces of former runs. */
export async function letHang({ host, shop }: Pick<CrashSite, 'host' | 'shop'>): Promise<void> {
  await host.run(`rm -f ${traces.restarts} ${traces.captures}; rm -rf /var/tmp/hangar*; service shop restart`);
  for (let tries = 0; (await shop.get('/health')) !== 200; tries++) {
    if (tries > 100) throw new Error('the shop does not come up');
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  await shop.hang(causes);
}

/** gdb is the real one behind a line that notes that a core is taken. */
async function countCaptures(host: TestHost): Promise<void> {
  await host.run('mv /usr/bin/gdb /usr/bin/gdb.real');
  const script = `#!/bin/sh\ncase "$*" in *gcore*) echo capture >>${traces.captures} ;; esac\nexec gdb.real "$@"\n`;
  await writeFile(join(host.root, 'usr/bin/gdb'), script, { mode: 0o755 });
}

async function countLines(host: TestHost, path: string): Promise<number> {
  return Number((await host.run(`cat ${path} 2>/dev/null | wc -l`)).stdout);
}

const runs = z.looseObject({ runs: z.array(z.looseObject({ run: z.string() })) });

async function newestRun(
  controller: Controller,
): Promise<{ readonly run: string | undefined; readonly stderr: string }> {
  const { stdout, stderr } = await controller.run('runs', '--format', 'json');
  return { run: runs.parse(JSON.parse(stdout)).runs[0]?.run, stderr };
}

function parseRun(text: string): Run | undefined {
  const parsed = text === '' ? undefined : runSchema.safeParse(JSON.parse(text));
  return parsed?.data;
}

/**
 * Class, and where: what does not change from one process to the next. How sure a busy loop is depends on how much of a
 * core it got.
 */
function causesIn({ hosts }: Run): readonly string[] {
  const report = reportSchema.safeParse(hosts[0]?.report);
  return report.success ? report.data.findings.map(causeOf).sort() : [];
}

function causeOf({ class: kind, roots }: Report['findings'][number]): string {
  const places = roots.map(({ function: name, line }) => `${name}:${line}`).sort();
  return `${kind} ${places.join(' ')}`;
}
