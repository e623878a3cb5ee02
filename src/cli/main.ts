import { messageOf } from '../errors.ts';
import { runCommandLine } from './command-line.ts';
import { cancelOnSignals } from './signals.ts';
import { writeFully } from './write-fully.ts';

// No top-level await: the published command line is a CommonJS module.
async function main(): Promise<void> {
  const { signal, release } = cancelOnSignals(text => process.stderr.write(text));
  process.exitCode = await runCommandLine(process.argv.slice(2), {
    // Streams of Node's are made when they are first asked for, which takes milliseconds.
    get stdin() {
      return process.stdin;
    },
    get stderr() {
      return process.stderr;
    },
    stdout: {
      write(text) {
        // A slow reader holds us up here, where no listener would hear of a signal.
        release();
        writeResult(text);
      },
    },
    env: process.env,
    cwd: process.cwd(),
    signal,
  });
  endOnceIdle();
}

function writeResult(text: string): void {
  try {
    writeFully(1, text);
  } catch (cause) {
    // `runbook list | head`: whoever has read enough ends the pipe, and that is no error.
    if (cause instanceof Error && 'code' in cause && cause.code === 'EPIPE') process.exit(0);
    process.stderr.write(
      `error OUTPUT_UNWRITABLE: the result cannot be written: ${messageOf(cause)}\n  fix: free space where stdout leads to, or choose a file: --output FILE\n`,
    );
    process.exit(1);
  }
}

/** Before Node collects its garbage and takes its heap apart, which takes longer than to read a core. */
function endOnceIdle(): void {
  if (process.getActiveResourcesInfo().length === 0) process.exit();
  process.once('beforeExit', () => process.exit());
}

void main();
