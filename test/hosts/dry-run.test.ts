import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runSchema } from '../../src/run/run.ts';
import { type Controller, makeController } from '../support/hosts/controller.ts';
import { requireRoot } from '../support/hosts/require-root.ts';
import { type Shop, startShop } from '../support/hosts/shop.ts';
import { startHost, type TestHost } from '../support/hosts/test-host.ts';

const run = promisify(execFile);
const repository = join(import.meta.dirname, '..', '..');
const commandLog = '/srv/commands';

let host: TestHost;
let shop: Shop;
let controller: Controller;

beforeAll(async () => {
  if (!requireRoot.isRoot) return;
  host = await startHost({ name: 'web3', release: 'bookworm' });
  shop = await startShop(host, '3.11');
  await installProgram();
  await logCommands();
  controller = await makeController([{ host, services: [shop.entry] }]);
});
afterAll(async () => {
  await controller?.remove();
  await host?.stop();
});

/** As on a prepared host: what is sent is then the very command line, without the program's text on stdin. */
async function installProgram(): Promise<void> {
  const path = join(host.root, 'usr/local/lib/hangar/host');
  await mkdir(join(host.root, 'usr/local/lib/hangar'), { recursive: true });
  await copyFile(join(repository, 'src/host/program.sh'), path);
  await chmod(path, 0o755);
}

/** The login shell notes each command line that it is given. */
async function logCommands(): Promise<void> {
  const script = `#!/bin/sh\nprintf '%s\\n' "$2" >>${commandLog}\nexec /bin/bash "$@"\n`;
  await writeFile(join(host.root, 'srv/login'), script, { mode: 0o755 });
  await host.run(`touch ${commandLog}; chmod 666 ${commandLog}; usermod -s /srv/login ops`);
}

const calls = [
  'openat,open,creat,mkdir,mkdirat,unlink,unlinkat,rmdir,rename,renameat,renameat2,link,linkat,symlink,symlinkat',
  'truncate,ftruncate,chmod,fchmod,fchmodat,chown,fchown,fchownat,utimensat,mknod,mknodat,connect,bind',
].join(',');

test('a dry run writes nothing here, and speaks to nobody', async context => {
  requireRoot(context);
  const log = join(controller.folder, 'strace');
  const before = (await host.run(`cat ${commandLog}`)).stdout;
  await run(
    'strace',
    [
      '-f',
      '-qq',
      '-e',
      `trace=${calls}`,
      '-o',
      log,
      join(repository, 'bin/runbook'),
      '--state',
      controller.state,
      'hang',
      '--host',
      'web3',
      '--dry-run',
    ],
    {
      cwd: controller.folder,
    },
  );
  const lines = (await readFile(log, 'utf8')).split('\n');
  expect(lines.length).toBeGreaterThan(100);
  expect(lines.filter(isWrite)).toEqual([]);
  expect(existsSync(controller.state)).toBe(false);
  expect((await host.run(`cat ${commandLog}`)).stdout).toBe(before);
});

/** A call that succeeded and may have changed a file, or reached out; terminals and the like are no files. */
function isWrite(line: string): boolean {
  if (!/^\d+ +\w+\(/.test(line) || / = -1 /.test(line)) return false;
  if (/open(at)?\(/.test(line))
    return /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND/.test(line) && !/"\/(dev|proc)\//.test(line);
  if (/ (connect|bind)\(/.test(line)) return /AF_INET/.test(line);
  return /^\d+ +(creat|mkdir|unlink|rmdir|rename|link|symlink|truncate|ftruncate|f?chmod|f?chown|utimens|mknod)/.test(
    line,
  );
}

test('a probe runs what only reads, and changes nothing, here or there', async context => {
  requireRoot(context);
  await shop.hang(['busy', 'recv', 'sleep', 'till']);
  const processes = (await host.run('ps -eo pid,lstart,args | grep serve.py | grep -v grep')).stdout;
  await host.run('sleep 1; touch /srv/marker; sleep 0.1');
  const { code, stdout, stderr } = await controller.run(
    'hang',
    '--host',
    'web3',
    '--dry-run=probe',
    '--format',
    'json',
  );
  expect(code, stderr).toBe(0);
  const { hosts } = runSchema.parse(JSON.parse(stdout));
  expect(hosts[0]?.steps.map(({ id, status, reason }) => `${id} ${reason ?? status}`)).toEqual([
    'find succeeded',
    'evidence succeeded',
    'core probe',
    'recover probe',
    'pull when',
    'analyze when',
    'witness probe',
    'clean probe',
  ]);
  expect(hosts[0]?.steps[3]?.commands?.join()).toContain('recover service=shop mode=service');
  const changed = await host.run(
    `find / -xdev -newer /srv/marker -type f -not -path '${commandLog}' -not -path '/proc/*'`,
  );
  expect(changed.stdout).toBe('');
  expect(existsSync(controller.state)).toBe(false);
  expect((await host.run('ps -eo pid,lstart,args | grep serve.py | grep -v grep')).stdout).toBe(processes);
});

const plan = z.object({
  hosts: z.array(z.object({ steps: z.array(z.looseObject({ id: z.string(), commands: z.array(z.string()) })) })),
});

test('what the plan says is what is run: nothing more, and nothing less', async context => {
  requireRoot(context);
  const planned = plan.parse(
    JSON.parse((await controller.run('hang', '--host', 'web3', '--dry-run', '--format', 'json')).stdout),
  );
  await host.run(`: >${commandLog}`);
  const { code, stdout, stderr } = await controller.run('hang', '--host', 'web3', '--format', 'json');
  expect(code, stderr).toBe(0);
  const done = runSchema.parse(JSON.parse(stdout)).hosts[0]?.steps ?? [];
  const sent = (await host.run(`cat ${commandLog}`)).stdout.trim().split('\n');
  const patterns = (planned.hosts[0]?.steps ?? []).flatMap(({ commands }) => commands.map(patternOf));
  // Asked once a connection: whether the host has the program, and whether a longer look is needed.
  const own = sent.filter(line => !line.startsWith('sha256sum '));
  expect(own.filter(line => !patterns.some(pattern => pattern.test(line)))).toEqual([]);
  expect(patterns.filter(pattern => !own.some(line => pattern.test(line)))).toEqual([]);
  // And the record has them, with what the plan could not know yet.
  for (const { id, commands = [] } of done) {
    const before = planned.hosts[0]?.steps.find(step => step.id === id)?.commands ?? [];
    expect(commands.length, id).toBe(before.length);
    for (const [at, command] of commands.entries()) expect(command).toMatch(patternOf(before[at] ?? ''));
  }
});

/** `<…>` stands for what is known only later, and the look may be repeated for longer. */
function patternOf(command: string): RegExp {
  const parts = command
    .replace('samples=4 seconds=1', '<samples>')
    .split(/'?[\w]*=?<[^>]*>'?/)
    .map(part => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}`);
}
