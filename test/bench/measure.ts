import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

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

/** Of the largest process that the command was (getrusage(2), RUSAGE_CHILDREN). */
export function peakMemory(command: readonly string[]): number {
  const program =
    'import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); ' +
    'print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)';
  return Number(execFileSync('python3', ['-c', program, ...command], { encoding: 'utf8' })) * 1024;
}

export function mebibytes(bytes = 0): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
