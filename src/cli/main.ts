import { runCommandLine } from './command-line.ts';
import { cancelOnSignals } from './signals.ts';

// `runbook list | head`: whoever has read enough ends the pipe, and that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const { stdout, stderr, env } = process;

// No top-level await: the published command line is a CommonJS module.
async function main(): Promise<void> {
  process.exitCode = await runCommandLine(process.argv.slice(2), {
    // Opened by those who read it.
    get stdin() {
      return process.stdin;
    },
    stdout,
    stderr,
    env,
    cwd: process.cwd(),
    signal: cancelOnSignals(stderr),
  });
}

void main();
