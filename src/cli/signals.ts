import { HangarError } from '../errors.ts';

/**
 * A signal that SIGINT, SIGTERM and SIGHUP abort: the run then ends in order, its `always` steps included.
 * A second one ends the process at once; limits on the host end what was started there.
 */
export function cancelOnSignals(stderr: NodeJS.WritableStream): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(6);
      stderr.write(`${name}: ending in order; once more to end at once\n`);
      controller.abort(cancelled(name));
    });
  return controller.signal;
}

function cancelled(name: string): HangarError {
  return new HangarError({
    code: 'CANCELLED',
    message: `cancelled by ${name}`,
    fix: 'run the command again; nothing that was secured is lost',
    failure: 'cancelled',
  });
}
