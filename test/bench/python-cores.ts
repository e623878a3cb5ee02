import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { commandIn, commandOf, type Interpreter } from '../support/interpreters.ts';
import { run } from './measure.ts';

const frame = z.object({
  name: z.string(),
  qualifiedName: z.string().optional(),
  file: z.string(),
  line: z.int(),
});
const told = z.object({
  threads: z.array(
    z.object({
      lwp: z.int(),
      /** pthread_self(3) */
      ident: z.number(),
      /** Innermost first. */
      frames: z.array(frame),
    }),
  ),
});

/** Where a thread stands, by its program's own account. */
export type TrueThread = z.infer<typeof told>['threads'][number];

export interface BenchCore {
  readonly path: string;
  readonly bytes: number;
  readonly interpreter: Interpreter;
  readonly program: string;
  readonly by: 'gcore' | 'kernel';
  readonly threads: readonly TrueThread[];
}

export interface ProgramToDump {
  readonly interpreter: Interpreter;
  /** Of `programs/`, without `.py`. */
  readonly program: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Private; the cores are put there. */
  readonly folder: string;
  readonly by: readonly BenchCore['by'][];
}

/** Cores of one process, which stands still: one by gcore, one by the kernel as it ends. */
export async function dump({ interpreter, program, args = [], env, folder, by }: ProgramToDump) {
  const file = join(import.meta.dirname, 'programs', `${program}.py`);
  const cwd = await mkdtemp(join(folder, `${program}-${interpreter.version}-`));
  const command = commandOf(interpreter, ['-B', file, ...args]);
  const child = spawn('sh', ['-c', 'ulimit -c unlimited && exec "$0" "$@"', ...command], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const exited = once(child, 'exit');
  try {
    const threads = await firstLine(child.stdout, program);
    const pid = child.pid ?? 0;
    const cores: BenchCore[] = [];
    const add = (path: string, dumper: BenchCore['by']) =>
      cores.push({ path, bytes: statSync(path).size, interpreter, program, by: dumper, threads });
    if (by.includes('gcore')) {
      const [gcore, ...rest] = commandIn(interpreter.root ?? '', '/usr/bin/gcore', [
        '-o',
        join(cwd, 'gcore'),
        `${pid}`,
      ]);
      await run(gcore, rest);
      add(join(cwd, `gcore.${pid}`), 'gcore');
    }
    if (by.includes('kernel')) {
      child.kill('SIGABRT');
      await exited;
      const name = (await readdir(cwd)).find(each => /^core(?:\.\d+)?$/.test(each));
      if (name !== undefined) add(join(cwd, name), 'kernel');
    }
    return cores;
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

async function firstLine(stdout: NodeJS.ReadableStream, program: string): Promise<readonly TrueThread[]> {
  for await (const line of createInterface({ input: stdout })) return told.parse(JSON.parse(line)).threads;
  throw new Error(`${program} ended before it said where it stands`);
}

/** Why the kernel leaves no core where the process ran; undefined when it does (core(5)). */
export function whyNoKernelCore(): string | undefined {
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
  return /^core(?:\.%p)?$/.test(pattern) ? undefined : `core_pattern is "${pattern}"`;
}
