import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { agentsOf } from '../../infra/agent.ts';
import type { Host } from '../../src/fleet/host.ts';

const run = promisify(execFile);
const kinds = [
  ['ed25519', '256'],
  ['ecdsa', '256'],
  ['ecdsa', '384'],
  ['ecdsa', '521'],
  ['rsa', '2048'],
] as const;

let folder: string;
let runtime: string | undefined;
let agent: string | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hangar-agents-'));
  [runtime, agent] = [process.env['XDG_RUNTIME_DIR'], process.env['SSH_AUTH_SOCK']];
  process.env['XDG_RUNTIME_DIR'] = folder;
  delete process.env['SSH_AUTH_SOCK'];
});

afterEach(async () => {
  restore('XDG_RUNTIME_DIR', runtime);
  restore('SSH_AUTH_SOCK', agent);
  await rm(folder, { recursive: true, force: true });
});

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

async function makeKey(type: string, bits?: string, passphrase = ''): Promise<string> {
  const file = join(folder, `${type}${bits ?? ''}${passphrase}`);
  await run('ssh-keygen', [
    '-q',
    '-t',
    type,
    ...(bits === undefined ? [] : ['-b', bits]),
    '-N',
    passphrase,
    '-f',
    file,
  ]);
  return file;
}

function hostWith(identityFile: string, name = 'web3'): Host {
  return { name, become: 'none', labels: {}, services: [], identityFile };
}

async function offered(socket: string): Promise<string> {
  const { stdout } = await run('ssh-add', ['-L'], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
  return stdout;
}

async function publicKey(file: string): Promise<string> {
  return (await readFile(`${file}.pub`, 'utf8')).split(' ')[1] ?? 'none';
}

test.each(kinds)('signs with a key of the type %s %s so that OpenSSH accepts it', async (type, bits) => {
  const key = await makeKey(type, bits);
  const agents = agentsOf('test');
  const socket = agents.socketFor(hostWith(key));
  await agents.serve();
  expect(await signAndVerify(key, socket)).toContain('Good "file" signature');
});

test('does not keep its process from ending, and leaves no socket', async () => {
  const key = await makeKey('ed25519');
  const program = `
    import { agentsOf } from ${JSON.stringify(join(import.meta.dirname, '../../infra/agent.ts'))};
    const agents = agentsOf('test');
    const socket = agents.socketFor({ name: 'web3', become: 'none', labels: {}, services: [], identityFile: ${JSON.stringify(key)} });
    await agents.serve();
    console.log(socket);
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
  expect(stdout).toMatch(/^\/.*\.sock\n$/);
  expect(existsSync(stdout.trim())).toBe(false);
});

test('offers the keys of each host at a socket of its own, in a folder that nobody else reads', async () => {
  const [one, two] = [await makeKey('ed25519'), await makeKey('ecdsa')];
  const agents = agentsOf('test');
  const sockets = [agents.socketFor(hostWith(one, 'web1')), agents.socketFor(hostWith(two, 'web2'))] as const;
  await agents.serve();
  expect(await offered(sockets[0])).toContain(await publicKey(one));
  expect(await offered(sockets[0])).not.toContain(await publicKey(two));
  expect(await offered(sockets[1])).toContain(await publicKey(two));
  expect((await stat(dirname(sockets[0]))).mode & 0o777).toBe(0o700);
});

test('has the same socket for a host of a stack each time, and another for another stack', () => {
  const host = hostWith('/nowhere');
  expect(agentsOf('one').socketFor(host)).toBe(agentsOf('one').socketFor(host));
  expect(agentsOf('one').socketFor(host)).not.toBe(agentsOf('two').socketFor(host));
});

test('listens nowhere until it is to serve', async () => {
  const socket = agentsOf('test').socketFor(hostWith(await makeKey('ed25519')));
  await expect(offered(socket)).rejects.toThrow('Error connecting to agent');
});

test('refuses a folder that others can enter', async () => {
  const agents = agentsOf('test');
  const socket = agents.socketFor(hostWith(await makeKey('ed25519')));
  await mkdir(dirname(socket));
  await chmod(dirname(socket), 0o755);
  await expect(agents.serve()).rejects.toMatchObject({ code: 'AGENT_FOLDER_UNSAFE' });
});

test("passes on what the user's own agent has", async () => {
  const key = await makeKey('ed25519', undefined, 'passphrase');
  const own = join(folder, 'own.sock');
  const { stdout } = await run('ssh-agent', ['-a', own]);
  const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(stdout)?.[1]);
  try {
    const env = { ...process.env, SSH_AUTH_SOCK: own, SSH_ASKPASS_REQUIRE: 'force', SSH_ASKPASS: await askpass() };
    execFileSync('ssh-add', [key], { env, stdio: 'ignore' });
    process.env['SSH_AUTH_SOCK'] = own;
    const agents = agentsOf('test');
    const { identityFile: _none, ...host } = hostWith(key);
    const socket = agents.socketFor(host);
    await agents.serve();
    expect(await offered(socket)).toContain(await publicKey(key));
    expect(await signAndVerify(key, socket)).toContain('Good "file" signature');
  } finally {
    process.kill(pid);
  }
});

async function askpass(): Promise<string> {
  const path = join(folder, 'askpass');
  await writeFile(path, '#!/bin/sh\necho passphrase\n', { mode: 0o700 });
  return path;
}

/** ssh-keygen signs through the agent at `socket`, and verifies. */
async function signAndVerify(key: string, socket: string): Promise<string> {
  const text = join(folder, 'text');
  const asked = join(folder, 'asked');
  await writeFile(text, 'to be signed');
  await run('cp', [`${key}.pub`, `${asked}.pub`]);
  await run('ssh-keygen', ['-Y', 'sign', '-n', 'file', '-f', `${asked}.pub`, text], {
    env: { ...process.env, SSH_AUTH_SOCK: socket },
  });
  await writeFile(join(folder, 'allowed'), `ops ${await readFile(`${key}.pub`, 'utf8')}`);
  const verify = ['-Y', 'verify', '-n', 'file', '-I', 'ops', '-f', join(folder, 'allowed'), '-s', `${text}.sig`];
  const child = run('ssh-keygen', verify);
  child.child.stdin?.end('to be signed');
  return (await child).stdout;
}
