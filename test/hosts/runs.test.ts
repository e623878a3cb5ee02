import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type Run, runSchema } from '../../src/run/run.ts';
import { type Controller, makeController } from '../support/hosts/controller.ts';
import { said } from '../support/hosts/crash.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';
import type { RunningCommand } from '../support/run-runbook.ts';

let host: TestHost;
let controller: Controller;

const runbooks = {
  slow: `
steps:
  - id: work
    run: |
      echo begun >>/srv/shared/begun
      sleep "$SECONDS_TO_WORK"
      echo done >>/srv/shared/done
    env: { SECONDS_TO_WORK: "\${{ params.seconds }}" }
always:
  - { id: tidy, run: "echo tidied >>/srv/shared/tidied" }
`,
  careful: `
steps:
  - { id: agree, uses: approve, with: { question: "go on?", ttl: 20s } }
  - { id: work, run: "id -un >>/srv/shared/begun", become: true }
`,
  flaky: `
steps:
  - { id: mark, run: 'echo "$NAME" >>/srv/shared/begun', env: { NAME: "\${{ host.name }}" } }
  - { id: work, run: 'test "$NAME" = web3 || test -e /srv/shared/mended', env: { NAME: "\${{ host.name }}" } }
`,
  leaky: `
steps:
  - { id: show, run: 'echo "it is $TOKEN"; echo "$TOKEN" | base64 >&2', env: { TOKEN: "\${{ params.token }}" }, outputs: { all: text } }
  - { id: tell, run: 'echo "$WHAT; token $TOKEN"', env: { WHAT: "\${{ steps.show.all }}", TOKEN: "\${{ params.token }}" }, outputs: { found: { regex: "token (.*)" } } }
  - { id: fail, run: 'echo "cannot log in with $TOKEN" >&2; exit 3', env: { TOKEN: "\${{ params.token }}" }, continueOnError: true }
  - { id: local, where: controller, run: 'echo "here too: $TOKEN"', env: { TOKEN: "\${{ params.token }}" } }
  - { id: last, run: "sleep 0.5" }
`,
} as const;

const params: Partial<Record<keyof typeof runbooks, string>> = {
  slow: 'params: { seconds: { type: integer, default: 3 } }',
  leaky: 'params: { token: { type: secret, required: true } }',
};

beforeAll(async () => {
  if (!requireRoot.isRoot) return;
  host = await startHost({ name: 'web3', release: 'bookworm' });
  await host.run('mkdir -m 777 /srv/shared');
  // Two names for one machine.
  const again = { name: 'web4', address: host.address, hostKey: host.hostKey, identityFile: host.identityFile };
  controller = await makeController([{ host }, { host: again }]);
  await mkdir(join(controller.folder, 'runbooks'));
  for (const [name, steps] of Object.entries(runbooks)) {
    const head = `version: 1\nname: ${name}\nsummary: A test.\n`;
    const own = Object.entries(params).find(([each]) => each === name)?.[1] ?? '';
    await writeFile(join(controller.folder, 'runbooks', `${name}.yaml`), `${head}${own}${steps}`);
  }
});
afterAll(async () => {
  await controller?.remove();
  await host?.stop();
});

async function fresh(): Promise<void> {
  await host.run('rm -f /srv/shared/*');
}

async function lines(name: string): Promise<readonly string[]> {
  const { stdout } = await host.run(`cat /srv/shared/${name} 2>/dev/null`);
  return stdout.split('\n').filter(Boolean);
}

function parse(stdout: string): Run {
  return runSchema.parse(JSON.parse(stdout));
}

async function runOf(command: RunningCommand): Promise<string> {
  await said(command, /^run (\S+) on/m);
  return /^run (\S+) on/m.exec(command.stderr())?.[1] ?? '';
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await reached()) return;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error('waited in vain');
}

test('a cancel from another process ends the work on the host, and always runs', async context => {
  requireRoot(context);
  await fresh();
  const command = controller.start('slow', '--host', 'web3', '--seconds', '60', '--format', 'json');
  const run = await runOf(command);
  await until(async () => (await lines('begun')).length === 1);
  expect((await controller.run('cancel', run)).code).toBe(0);
  const { code, stdout, stderr } = await command.finished;
  expect(code, stderr).toBe(6);
  expect(parse(stdout).hosts[0]?.steps.map(({ id, status }) => `${id} ${status}`)).toEqual([
    'work cancelled',
    'tidy succeeded',
  ]);
  expect((await host.run('pgrep -f "[s]leep 60"')).code).toBe(1);
  expect([await lines('done'), await lines('tidied')]).toEqual([[], ['tidied']]);
  expect((await host.run('find /var/tmp -type f')).stdout).toBe('');
  const again = await controller.run('cancel', run);
  expect([again.code, again.stderr.split(':')[0]]).toEqual([2, 'error RUN_NOT_ACTIVE']);
});

test('work that outlives its controller is joined by the resumed run, not done again', async context => {
  requireRoot(context);
  await fresh();
  const command = controller.start('slow', '--host', 'web3', '--seconds', '3');
  const run = await runOf(command);
  await until(async () => (await lines('begun')).length === 1);
  command.child.kill('SIGKILL');
  await command.finished;
  expect((await controller.run('show', run)).stdout).toContain(`runbook resume ${run}`);
  const { code, stdout, stderr } = await controller.run('resume', run, '--format', 'json');
  expect(code, stderr).toBe(0);
  expect(parse(stdout).status).toBe('succeeded');
  expect([await lines('begun'), await lines('done'), await lines('tidied')]).toEqual([['begun'], ['done'], ['tidied']]);
  expect((await host.run('find /var/tmp -type f')).stdout).toBe('');
  expect((await controller.run('resume', run)).stderr).toContain('NOTHING_TO_RESUME');
});

test('a run that waits goes on when somebody agrees from elsewhere, and the record says who', async context => {
  requireRoot(context);
  await fresh();
  const command = controller.start('careful', '--host', 'web3', '--format', 'json');
  const run = await runOf(command);
  await said(command, /waits until/);
  const wrong = await controller.run('approve', run, 'agre');
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('did you mean "agree"?')]);
  expect((await controller.run('approve', run, 'agree')).code).toBe(0);
  const { code, stdout, stderr } = await command.finished;
  expect(code, stderr).toBe(0);
  expect(parse(stdout).hosts[0]?.steps[0]?.outputs).toEqual({ approvedBy: [userInfo().username] });
  expect(await lines('begun')).toEqual(['root']);
});

test('a refusal ends the run with 7, and nothing more is done', async context => {
  requireRoot(context);
  await fresh();
  const command = controller.start('careful', '--host', 'web3', '--format', 'json');
  const run = await runOf(command);
  await said(command, /waits until/);
  await controller.run('approve', run, 'agree', '--deny');
  const { code, stdout } = await command.finished;
  expect([code, parse(stdout).hosts[0]?.error?.code]).toEqual([7, 'APPROVAL_DENIED']);
  expect(await lines('begun')).toEqual([]);
});

test('one run at a time is at work on a host: another is refused and names it, or waits for it', async context => {
  requireRoot(context);
  await fresh();
  const first = controller.start('slow', '--host', 'web3', '--seconds', '3');
  const run = await runOf(first);
  await until(async () => (await lines('begun')).length === 1);
  const second = await controller.run('slow', '--host', 'web3', '--format', 'json');
  expect([second.code, parse(second.stdout).hosts[0]?.error]).toMatchObject([
    3,
    { code: 'HOST_IN_USE', message: `run ${run} is at work on web3` },
  ]);
  const third = await controller.run('slow', '--host', 'web3', '--seconds', '0', '--wait', '1m');
  expect(third.code, third.stderr).toBe(0);
  expect(third.stderr).toContain(`waits for run ${run}`);
  expect((await first.finished).code).toBe(0);
  expect(await lines('done')).toEqual(['done', 'done']);
});

test('of several hosts only those that failed are taken up again, and what they had done is not repeated', async context => {
  requireRoot(context);
  await fresh();
  const first = await controller.run('flaky', '--host', 'all', '--format', 'json');
  const { run, hosts } = parse(first.stdout);
  expect([first.code, hosts.map(({ status }) => status)], first.stderr).toEqual([3, ['succeeded', 'failed']]);
  await host.run('touch /srv/shared/mended');
  const second = await controller.run('resume', run, '--failed', '--format', 'json');
  expect(second.code, second.stderr).toBe(0);
  expect(parse(second.stdout).hosts.map(({ name, status }) => `${name} ${status}`)).toEqual([
    'web3 succeeded',
    'web4 succeeded',
  ]);
  expect([...(await lines('begun'))].sort()).toEqual(['web3', 'web4']);
});

test('a secret is in no file, output, event, error or database row, here or there', async context => {
  requireRoot(context);
  const canary = 'canary+Zeisig/42"ü';
  const events = join(controller.folder, 'events.jsonl');
  const env = { ...process.env, SHOP_TOKEN: canary };
  const args = ['leaky', '--host', 'web3', '--token', 'env:SHOP_TOKEN'] as const;
  const whole = await controller.runWith(env, ...args, '--events', events, '--format', 'json');
  expect(whole.code, whole.stderr).toBe(0);
  expect(parse(whole.stdout).hosts[0]?.steps[0]?.outputs).toMatchObject({ all: 'it is <masked>' });
  const run = parse(whole.stdout).run;
  // One more whose controller is killed: nothing was tidied up.
  const killed = controller.startWith(env, ...args);
  await said(killed, /web3: last …/);
  killed.child.kill('SIGKILL');
  const told = await killed.finished;
  const printed = [
    whole,
    told,
    await controller.run('show', run, '--format', 'json'),
    await controller.run('show', run),
  ];
  const forms = [
    canary,
    encodeURIComponent(canary),
    Buffer.from(canary).toString('base64').slice(0, 20),
    JSON.stringify(canary).slice(1, -1),
  ];
  for (const form of forms) {
    for (const { stdout, stderr } of printed) expect(stdout + stderr).not.toContain(form);
    expect(filesWith(form, controller.folder)).toBe('');
  }
  expect((await host.run(`grep -rlF 'canary+Zeisig' /var/log /srv /home /root /tmp /etc 2>/dev/null`)).stdout).toBe('');
  // What a command printed lies in a private file of its machine until its run is over.
  const resumed = await controller.runWith(env, 'resume', await runOf(killed));
  expect(resumed.code, resumed.stderr).toBe(0);
  expect((await host.run("grep -rlF 'canary+Zeisig' /var/tmp")).stdout).toBe('');
  expect(filesWith('canary+Zeisig', `/var/tmp/hangar-work-${process.getuid?.()}`)).toBe('');
  const missing = await controller.run(...args);
  expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('SHOP_TOKEN is not set')]);
});

test('a secret that a command gives is asked for once', async context => {
  requireRoot(context);
  const asked = join(controller.folder, 'asked');
  const token = `cmd:echo once >>${asked}; printf canary`;
  const { code, stderr } = await controller.run('leaky', '--host', 'web3', '--token', token);
  expect(code, stderr).toBe(0);
  expect(await readFile(asked, 'utf8')).toBe('once\n');
});

/** Names of files that hold the text, whatever kind of file they are. */
function filesWith(text: string, folder: string): string {
  try {
    return execFileSync('grep', ['-rlaF', '-e', text, folder], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

const listed = z.looseObject({ runs: z.array(z.looseObject({ run: z.string(), status: z.string() })) });

test('runs are listed, exported as JSON lines, and forgotten when they are old', async context => {
  requireRoot(context);
  await fresh();
  const killed = controller.start('slow', '--host', 'web3', '--seconds', '1');
  await until(async () => (await lines('begun')).length === 1);
  killed.child.kill('SIGKILL');
  await killed.finished;
  const { runs } = listed.parse(JSON.parse((await controller.run('runs', '--format', 'json')).stdout));
  expect(runs.length).toBeGreaterThan(1);
  const done = runs.find(({ status }) => status === 'succeeded')?.run ?? '';
  const exported = await controller.run('show', done, '--events', '-');
  const kinds = exported.stdout
    .trim()
    .split('\n')
    .map(line => z.looseObject({ kind: z.string() }).parse(JSON.parse(line)).kind);
  expect([kinds[0], kinds.at(-1)]).toEqual(['run-started', 'run-ended']);
  expect((await controller.run('prune', '--older-than', '1h')).stdout).toContain('removed 0 runs');
  await controller.run('prune', '--older-than', '0s');
  const left = listed.parse(JSON.parse((await controller.run('runs', '--format', 'json')).stdout)).runs;
  // What broke off can still be resumed.
  expect(left.map(({ status }) => status)).toEqual(['interrupted']);
  expect((await controller.run('resume', left[0]?.run ?? '')).code).toBe(0);
});
