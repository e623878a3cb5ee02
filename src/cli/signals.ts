import { HangarError } from '../errors.ts';

/** How the signals that end a process cancel a command. */
interface Cancelling {
  /** Aborted by the first of them; its reason is the HangarError `CANCELLED`. */
  readonly signal: AbortSignal;
  /** From now on they end the process at once, as they do by themselves (signal(7)). */
  readonly release: () => void;
}

/**
 * A signal that SIGINT, SIGTERM and SIGHUP abort: the run then ends in order, its `always` steps included.
 * A second one ends the process at once; limits on the host end what was started there.
 */
export function cancelOnSignals(tell: (text: string) => void): Cancelling {
  const controller = new AbortController();
  const cancel = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(6);
    tell(`${name}: ending in order; once more to end at once\n`);
    controller.abort(cancelled(name));
  };
  for (const name of ending) process.on(name, cancel);
  return {
    signal: controller.signal,
    release() {
      for (const name of ending) process.off(name, cancel);
    },
  };
}

const ending = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function cancelled(name: string): HangarError {
  return new HangarError({
    code: 'CANCELLED',
    message: `cancelled by ${name}`,
    fix: 'run the command again; nothing that was secured is lost',
    failure: 'cancelled',
  });
}
