import { runCommandLine } from './command-line.ts';
import { cancelOnSignals } from './signals.ts';

// `runbook list | head`: whoever has read enough ends the pipe, and that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const { stdin, stdout, stderr, env } = process;
process.exitCode = await runCommandLine(process.argv.slice(2), {
  stdin,
  stdout,
  stderr,
  env,
  cwd: process.cwd(),
  signal: cancelOnSignals(stderr),
});
