import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { commandOf, type Interpreter } from './interpreters.ts';
import { endProcess, type Target } from './targets.ts';

const programs = join(import.meta.dirname, 'programs');

const account = z.object({
  pid: z.int(),
  lwp: z.int(),
  /** A thread that works for one of them. */
  worker: z.int().optional(),
  tasks: z.array(
    z.object({
      name: z.string(),
      stack: z.array(z.object({ function: z.string(), file: z.string(), line: z.int() })),
    }),
  ),
});

/** A program with tasks or greenlets, running, and what CPython itself says of their frames. */
export interface TaskTarget extends Target {
  readonly tasks: z.infer<typeof account>['tasks'];
  readonly worker?: number;
  /** Thread of the event loop. */
  readonly lwp: number;
  /** Path of the program. */
  readonly file: string;
}

/**
 * Starts a program that has told of its tasks and come to rest when this resolves.
 * @param program `many` of `programs/tasks`, or `greenlets/plain`
 * @param packages a folder for PYTHONPATH
 * @param rests whether it comes to rest at all
 */
export async function startTaskTarget(
  program: string,
  interpreter: Interpreter,
  args: readonly string[] = [],
  { packages, rests = true }: { readonly packages?: string; readonly rests?: boolean } = {},
): Promise<TaskTarget> {
  const file = join(programs, `${program.includes('/') ? program : `tasks/${program}`}.py`);
  const [command, ...rest] = commandOf(interpreter, ['-B', file, ...args]);
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(packages !== undefined && { PYTHONPATH: packages }) },
  });
  const stop = () => endProcess(child);
  try {
    const { lwp, tasks, worker } = account.parse(JSON.parse(await firstLine(child.stdout, program)));
    const pid = child.pid ?? 0;
    if (rests) await untilAsleep(pid);
    const thread = { lwp, ident: '', startedFor: '<module>', holds: [] };
    return {
      pid,
      lwp,
      ...(worker !== undefined && { worker }),
      file,
      tasks,
      truth: { file, never: ['any'], threads: [thread] },
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function firstLine(output: NodeJS.ReadableStream, program: string): Promise<string> {
  for await (const line of createInterface({ input: output })) return line;
  throw new Error(`${program} ended before it told of its tasks`);
}

/** Its main thread has not been scheduled between two looks. */
async function untilAsleep(pid: number): Promise<void> {
  for (let before = '', tries = 0; tries < 400; tries++) {
    await sleep(50);
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const now = [...status.matchAll(/ctxt_switches:\t\d+|^State:\t\w/gm)].join();
    if (now === before && now.includes('State:\tS')) return;
    before = now;
  }
  throw new Error('the event loop did not come to rest');
}
