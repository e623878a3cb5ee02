import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly child: ChildProcess;
  /** What came on stderr so far. */
  readonly stderr: () => string;
  readonly finished: Promise<Finished>;
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts the command line as a user does. */
export function startRunbook(args: readonly string[], { cwd, env = {} }: CommandOptions): RunningCommand {
  const command = join(import.meta.dirname, '..', '..', 'bin', 'runbook');
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', code => resolve({ code, stdout, stderr }));
  });
  return { child, stderr: () => stderr, finished };
}

export async function runRunbook(args: readonly string[], options: CommandOptions): Promise<Finished> {
  return startRunbook(args, options).finished;
}
