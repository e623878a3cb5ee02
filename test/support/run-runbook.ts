import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { quote } from '../../src/quote.ts';

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

const bin = join(import.meta.dirname, '..', '..', 'bin', 'runbook');

/** Starts the command line as a user does. */
export function startRunbook(args: readonly string[], { cwd, env = {} }: CommandOptions): RunningCommand {
  const child = spawn(bin, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', code => resolve({ code, stdout, stderr }));
  });
  return { child, stderr: () => stderr, finished };
}

export interface CommandOnTerminal {
  /** Everything on the screen so far. */
  readonly shown: () => string;
  /** Presses keys: `\\u0003` is Ctrl-C, `\\r` is Enter. */
  readonly type: (keys: string) => void;
  readonly finished: Promise<Pick<Finished, 'code'>>;
}

/** Starts the command line on a terminal of its own (script(1)). */
export function startOnTerminal(args: readonly string[], { cwd, env = {} }: CommandOptions): CommandOnTerminal {
  const line = [bin, ...args].map(quote).join(' ');
  const child = spawn('script', ['-qefc', `exec ${line}`, '/dev/null'], {
    cwd,
    env: { ...process.env, TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  const finished = new Promise<Pick<Finished, 'code'>>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', code => resolve({ code }));
  });
  return { shown: () => shown, type: keys => child.stdin.write(keys), finished };
}

export async function runRunbook(args: readonly string[], options: CommandOptions): Promise<Finished> {
  return startRunbook(args, options).finished;
}
