import type { ProcessId } from '../capture/process-id.ts';
import { type CaseFolder, createCase } from '../case/case-folder.ts';
import { HangarError } from '../errors.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Host } from '../fleet/host.ts';
import { openSession } from '../ssh/open-session.ts';
import type { SshSession } from '../ssh/session.ts';
import { type FoundRecord, foundSchema, records } from './case-records.ts';

export interface IncidentOptions {
  readonly host: Host;
  readonly fleet?: Fleet;
  /** State directory of this controller. */
  readonly state: string;
  /** Id of the run that this incident is handled by. */
  readonly run: string;
}

/** What the steps of one run share for one host: the way in, opened when first needed, and the case folder. */
export class Incident {
  readonly host: Host;
  readonly state: string;
  readonly #options: IncidentOptions;
  #session: Promise<SshSession> | undefined;
  #case: Promise<CaseFolder> | undefined;

  constructor(options: IncidentOptions) {
    this.host = options.host;
    this.state = options.state;
    this.#options = options;
  }

  /** Acts over this host's connection; one that was lost, or never opened, is opened anew for the next caller. */
  async withSession<T>(act: (session: SshSession) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const opened = (this.#session ??= this.#open(signal));
    try {
      return await act(await opened);
    } catch (error) {
      if (this.#session === opened && isLost(error)) this.#session = undefined;
      throw error;
    }
  }

  /** The folder of this incident, made when first asked for: a run that finds nothing leaves none. */
  case(): Promise<CaseFolder> {
    this.#case ??= createCase(this.state, { host: this.host.name, run: this.#options.run });
    return this.#case;
  }

  /** The folder if there is one. */
  async existingCase(): Promise<CaseFolder | undefined> {
    return this.#case;
  }

  /** What `find-process` saw; undefined before it. */
  async found(): Promise<FoundRecord | undefined> {
    return (await this.#case)?.readRecord(records.found, foundSchema);
  }

  /** The process that was found under that number, or whatever has it now. */
  async processOf(pid: number): Promise<ProcessId> {
    const found = await this.found();
    return found?.pid === pid ? { pid, startTicks: found.startTicks } : { pid };
  }

  async close(): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    this.#session = undefined;
    await session?.close();
  }

  #open(signal: AbortSignal | undefined): Promise<SshSession> {
    const { host, fleet } = this.#options;
    const opened = openSession(host, { ...(fleet && { fleet }), ...(signal && { signal }) });
    // A failure is not kept: the next step tries again.
    opened.catch(() => {
      if (this.#session === opened) this.#session = undefined;
    });
    return opened;
  }
}

function isLost(error: unknown): boolean {
  return error instanceof HangarError && error.failure === 'unreachable';
}
