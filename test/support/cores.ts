import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A core taken by gcore of a program that was started for it, in a directory of its own. */
export interface CapturedCore {
  readonly path: string;
  readonly pid: number;
  /** Private (0700); holds the core. */
  readonly dir: string;
  readonly remove: () => void;
}

export interface CaptureOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Wait this long after the program's first output line, so that its threads reach where they wait; default 200 ms. */
  readonly settleMilliseconds?: number;
}

/** Makes a private directory that `remove` deletes. */
export function privateDir(): { readonly dir: string; readonly remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'hangar-test-'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** Starts `command`, waits for its first line on stdout, takes its core with gcore, and ends it. */
export async function captureCore(command: readonly string[], options: CaptureOptions = {}): Promise<CapturedCore> {
  const [program = '', ...args] = command;
  const { dir, remove } = privateDir();
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('error', reject);
      child.once('exit', code => reject(new Error(`${program} ended with ${code} before it printed a line`)));
    });
    await new Promise(resolve => setTimeout(resolve, options.settleMilliseconds ?? 200));
    const pid = child.pid ?? 0;
    await promisify(execFile)('gcore', ['-o', join(dir, 'core'), String(pid)], { maxBuffer: 16 * 1024 * 1024 });
    return { path: join(dir, `core.${pid}`), pid, dir, remove };
  } catch (error) {
    remove();
    throw error;
  } finally {
    child.kill('SIGKILL');
  }
}

/** Compiles C text with gcc into `dir`; returns the program's path. */
export function compileC(dir: string, name: string, source: string, flags: readonly string[] = []): string {
  const path = join(dir, name);
  execFileSync('gcc', ['-x', 'c', '-g', '-O0', '-pthread', ...flags, '-o', path, '-'], { input: source });
  return path;
}
