import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { z } from 'zod';
import { commandOf, type Interpreter } from './interpreters.ts';
import { endProcess } from './targets.ts';

const programs = join(import.meta.dirname, 'programs/values');

/** A program that has told what it has and comes to rest. */
export interface ValueTarget<T> extends AsyncDisposable {
  readonly pid: number;
  readonly told: T;
}

/** Starts one of `programs/values`, or another file, and resolves with its first line of output. */
export async function startValueTarget<T>(
  program: string,
  interpreter: Interpreter,
  shape: z.ZodType<T>,
  env: Readonly<Record<string, string>> = {},
): Promise<ValueTarget<T>> {
  const file = program.includes('/') ? program : join(programs, `${program}.py`);
  const [command, ...args] = commandOf(interpreter, ['-B', file]);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const stop = () => endProcess(child);
  try {
    for await (const line of createInterface({ input: child.stdout }))
      return { pid: child.pid ?? 0, told: shape.parse(JSON.parse(line)), [Symbol.asyncDispose]: stop };
    throw new Error(`${program} ended before it told what it has`);
  } catch (error) {
    await stop();
    throw error;
  }
}
