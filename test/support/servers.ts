import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { privateDir } from './cores.ts';
import { statusOf } from './hosts/shop.ts';
import type { Interpreter } from './interpreters.ts';
import { pythonPackages } from './python-packages.ts';

const services = join(import.meta.dirname, 'services');

/** What starts a server. */
export interface ServerRecipe {
  readonly requirements: readonly string[];
  /** For what is built from source. */
  readonly buildEnv?: Readonly<Record<string, string>>;
  /** Arguments of the interpreter, or of `program`; it serves shop.py on that socket. */
  readonly args: (socket: string) => readonly string[];
  /** Program of a package; else the interpreter. */
  readonly program?: string;
  /** What it writes to stderr once it is ready; absent: it serves. */
  readonly ready?: RegExp;
}

/** A server, running, with a private directory as home. */
export interface Server extends AsyncDisposable {
  readonly pid: number;
  /** Its child processes, ascending. */
  readonly children: () => readonly number[];
  /** Status of an answer; undefined when there is none in time. */
  get(path: string, seconds?: number): Promise<number | undefined>;
  /** Fires requests and resolves once shop.py has said that so many of these causes stand. */
  hang(causes: readonly string[]): Promise<void>;
}

export async function startServer(recipe: ServerRecipe, interpreter: Interpreter): Promise<Server> {
  const packages = await pythonPackages(interpreter, recipe.requirements, recipe.buildEnv);
  const { dir, remove } = privateDir();
  const [socket, journal] = [join(dir, 'socket'), join(dir, 'arrived')];
  const program = recipe.program === undefined ? interpreter.path : join(packages, recipe.program);
  const child = spawn(program, [...recipe.args(socket)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    cwd: dir,
    env: {
      ...process.env,
      PYTHONPATH: `${packages}:${services}`,
      PYTHONHOME: join(interpreter.path, '../..'),
      PYTHONDONTWRITEBYTECODE: '1',
      SHOP_JOURNAL: journal,
      // gunicorn keeps its control socket there.
      HOME: dir,
    },
  });
  const said: string[] = [];
  child.stderr.on('data', (text: Buffer) => said.push(text.toString()));
  const pid = child.pid ?? 0;
  const get = (path: string, seconds = 5) => statusOf({ socketPath: socket, path }, seconds);
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      // With all workers: it leads a group of its own.
      process.kill(-pid, 'SIGKILL');
      await exited;
    }
    remove();
  };
  try {
    const { ready } = recipe;
    const isReady = async () => {
      if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${said.join('')}`);
      return ready === undefined ? (await get('/health', 1)) === 200 : ready.test(said.join(''));
    };
    await until(() => `${program} to be ready: ${said.join('')}`, isReady);
  } catch (error) {
    await stop();
    throw error;
  }
  const hung: string[] = [];
  return {
    pid,
    get,
    children: () => childrenOf(pid),
    async hang(causes) {
      for (const cause of causes) void get(`/${cause}?order=17&token=secret-value`, 86_400);
      hung.push(...causes);
      const wanted = hung.sort().join();
      await until(
        () => `threads to stand at ${wanted}`,
        async () => arrivedIn(journal) === wanted,
      );
    },
    [Symbol.asyncDispose]: stop,
  };
}

function arrivedIn(journal: string): string {
  return existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').filter(Boolean).sort().join() : '';
}

function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => parentOf(pid) === parent)
    .sort((a, b) => a - b);
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

async function until(what: () => string, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await isSo()) return;
    await sleep(100);
  }
  throw new Error(`waited in vain for ${what()}`);
}
