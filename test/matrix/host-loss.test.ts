import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runSchema, type StepRun } from '../../src/run/run.ts';
import { type CrashSite, letHang, said, startCrashSite } from '../support/hosts/crash.ts';
import { requireRoot } from '../support/hosts/require-root.ts';

let site: CrashSite;
beforeAll(async () => {
  if (!requireRoot.isRoot) return;
  site = await startCrashSite();
  await writeRunbook(site.controller.folder);
});
afterAll(async () => site?.stop());

/** `hang`, with something to do here when it fails, and something to do here whatever happens. */
async function writeRunbook(folder: string): Promise<void> {
  const hang = await readFile(join(import.meta.dirname, '../../runbooks/hang.yaml'), 'utf8');
  const text = `${hang.replace('name: hang', 'name: watched')}  - { id: last, run: "true", where: controller }
rescue:
  - { id: rescue, run: 'test -n "$CODE"', where: controller, env: { CODE: "\${{ failure.code }}" } }
`;
  await mkdir(join(folder, 'runbooks'));
  await writeFile(join(folder, 'runbooks', 'watched.yaml'), text);
}

test.for(['find', 'evidence', 'core', 'recover', 'pull', 'analyze', 'clean'] as const)(
  'a host that is lost in %s is told, rescue and always run, and the run goes on once it is back',
  async (step, context) => {
    requireRoot(context);
    const { host, controller, shop } = site;
    await letHang(site);
    const command = controller.start('watched', '--host', 'web3', '--format', 'json');
    await said(command, new RegExp(`web3: ${step} …`));
    await host.run('pkill -KILL -x sshd');
    const { code, stdout, stderr } = await command.finished;
    const run = runSchema.parse(JSON.parse(stdout));
    const steps = run.hosts[0]?.steps ?? [];
    expect([code, run.hosts[0]?.status], stderr).toEqual([5, 'unreachable']);
    expect(statusOf(steps, 'last')).toBe('succeeded');
    // What comes when all is fetched needs the host no more: then nothing failed that could be rescued.
    const isFetched = step === 'analyze' || step === 'clean';
    expect(statusOf(steps, 'rescue'), stderr).toBe(isFetched ? undefined : 'succeeded');

    await host.run('/usr/sbin/sshd');
    const resumed = await controller.run('resume', run.run, '--format', 'json');
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(await shop.get('/health')).toBe(200);
    expect((await host.run('find /var/tmp -type f')).stdout).toBe('');
  },
);

function statusOf(steps: readonly StepRun[], id: string): string | undefined {
  return steps.find(step => step.id === id)?.status;
}
