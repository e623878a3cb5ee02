import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HangarError } from '../errors.ts';
import { makePrivateDirectory } from '../private-files.ts';
import { ExclusiveLock } from './exclusive-lock.ts';
import { pause } from './pause.ts';

export interface HostLocksOptions {
  /** State directory; locks are files below `STATE/locks`. */
  readonly state: string;
  readonly run: string;
  /** How long another run that is at work there is waited for; 0: not at all. */
  readonly waitSeconds: number;
}

export interface HeldLocks {
  release(): void;
}

/** One run at a time on each thing that a run changes: a service of a host, or a whole host. */
export class HostLocks {
  readonly #options: HostLocksOptions;

  constructor(options: HostLocksOptions) {
    this.#options = options;
  }

  /**
   * Takes the locks of these names, all or none; `waiting` is told once which run is waited for.
   * @throws HangarError `HOST_IN_USE` when another run has one and the wait is over, or the signal's reason
   */
  async take(names: readonly string[], signal: AbortSignal, waiting: (text: string) => void): Promise<HeldLocks> {
    const deadline = Date.now() + this.#options.waitSeconds * 1000;
    let isTold = false;
    for (;;) {
      signal.throwIfAborted();
      const held = await this.#takeAll(names);
      if (!('taken' in held)) return held;
      const holder = await this.#holderOf(held.taken);
      if (Date.now() >= deadline) throw inUse(held.taken, holder);
      if (!isTold) waiting(`waits for run ${holder ?? 'of somebody else'}, which is at work on ${held.taken}`);
      isTold = true;
      await pause(500, signal);
    }
  }

  async #takeAll(names: readonly string[]): Promise<HeldLocks | { readonly taken: string }> {
    const folder = join(this.#options.state, 'locks');
    await makePrivateDirectory(folder);
    const locks: ExclusiveLock[] = [];
    const release = (): void => {
      for (const lock of locks.splice(0)) lock.release();
    };
    // In one order for all: two runs never hold what the other wants.
    for (const name of [...new Set(names)].sort()) {
      const lock = ExclusiveLock.take(this.#pathOf(name));
      if (lock === undefined) {
        release();
        return { taken: name };
      }
      locks.push(lock);
      await writeFile(`${this.#pathOf(name)}.holder`, this.#options.run, { mode: 0o600 });
    }
    return { release };
  }

  /** The run that has the lock, as it said itself. */
  async #holderOf(name: string): Promise<string | undefined> {
    return readFile(`${this.#pathOf(name)}.holder`, 'utf8').catch(() => undefined);
  }

  #pathOf(name: string): string {
    return join(this.#options.state, 'locks', encodeURIComponent(name));
  }
}

function inUse(name: string, holder: string | undefined): HangarError {
  return new HangarError({
    code: 'HOST_IN_USE',
    message: `run ${holder ?? '(unknown)'} is at work on ${name}`,
    fix: `watch it: runbook show ${holder ?? 'RUN'}; or let this one wait for it: --wait 10m`,
    failure: 'step',
  });
}
