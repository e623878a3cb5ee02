import { execFile } from 'node:child_process';

/** Output of a program of this machine, whatever its exit code; undefined where it cannot be run. */
export function runTool(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise(resolve => {
    execFile(program, [...args], { timeout: 10_000, maxBuffer: 4 * 1024 * 1024 }, (error, stdout) => {
      const isMissing = error !== null && typeof error.code === 'string';
      resolve(isMissing ? undefined : stdout);
    });
  });
}
