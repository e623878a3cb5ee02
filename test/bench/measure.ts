import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

const execute = promisify(execFile);

/** The command line as a user starts it. */
export const runbook = join(import.meta.dirname, '..', '..', 'bin', 'runbook');

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Rejects when the command fails; `env` is added to our own. */
export function run(program: string, args: readonly string[], { cwd, env }: CommandOptions = {}) {
  return execute(program, [...args], { cwd, env: { ...process.env, ...env }, maxBuffer: 256 * 1024 * 1024 });
}

export async function timed<T extends { readonly stdout: string }>(act: () => Promise<T>) {
  const start = performance.now();
  const { stdout } = await act();
  return { stdout, seconds: (performance.now() - start) / 1000 };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

export interface Measured {
  readonly stdout: string;
  readonly exitCode: number;
  readonly seconds: number;
  /** Of all its processes. */
  readonly cpuSeconds: number;
  /** Of the largest one. */
  readonly peakBytes: number;
}

const measuring = `
import json, resource, subprocess, sys, time
start = time.monotonic()
ran = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
seconds = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({'stdout': ran.stdout.decode(), 'exitCode': ran.returncode, 'seconds': seconds,
  'cpuSeconds': used.ru_utime + used.ru_stime, 'peakBytes': used.ru_maxrss * 1024}))
`;

const measured = z.object({
  stdout: z.string(),
  exitCode: z.int(),
  seconds: z.number(),
  cpuSeconds: z.number(),
  peakBytes: z.number(),
});

/** What a command and its processes took (getrusage(2), RUSAGE_CHILDREN), whatever its exit code. */
export async function measure(command: readonly string[], options: CommandOptions = {}): Promise<Measured> {
  const { stdout } = await run('python3', ['-c', measuring, ...command], options);
  return measured.parse(JSON.parse(stdout));
}

export function mebibytes(bytes = 0): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
