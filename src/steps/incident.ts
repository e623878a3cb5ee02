import { createHash } from 'node:crypto';
import type { ProcessId } from '../capture/process-id.ts';
import { type CaseFolder, createCase, findCase } from '../case/case-folder.ts';
import { HangarError } from '../errors.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Host } from '../fleet/host.ts';
import { defaultProfile, type Profile } from '../fleet/profile.ts';
import type { Place } from '../runbook/step-kind.ts';
import { localShell } from '../ssh/local-shell.ts';
import { openSession } from '../ssh/open-session.ts';
import { removeWork } from '../ssh/remote-work.ts';
import type { SshSession } from '../ssh/session.ts';
import type { Shell } from '../ssh/shell.ts';
import { type FoundRecord, foundSchema, records } from './case-records.ts';

export interface IncidentOptions {
  readonly host: Host;
  readonly fleet?: Fleet;
  /** State directory of this controller. */
  readonly state: string;
  /** Id of the run that this incident is handled by. */
  readonly run: string;
  /** The run was taken up again: there may be a case already. */
  readonly isResumed?: boolean;
}

/** Where a step's commands run. */
export interface Machine {
  readonly shell: Shell;
  /** The host, or this machine under the name `controller`. */
  readonly host: Host;
  /** What work of this incident is kept under there: on the controller the hosts of a run are told apart. */
  readonly run: string;
}

/** Longest that the end of an incident waits for its files on the machines to be removed. */
const removeSeconds = 10;

/** What the steps of one run share for one host: the way in, opened when first needed, and the case folder. */
export class Incident {
  readonly host: Host;
  readonly state: string;
  readonly #options: IncidentOptions;
  #session: Promise<SshSession> | undefined;
  #case: Promise<CaseFolder> | undefined;
  #earlier: Promise<CaseFolder | undefined> | undefined;
  #isCleaningUp = false;
  /** Why the host cannot be reached, once the clean-up has tried. */
  #refusal: unknown;
  /** Where work was started, and with which rights. */
  readonly #work = new Map<string, { readonly machine: Machine; readonly become: boolean }>();

  constructor(options: IncidentOptions) {
    this.host = options.host;
    this.state = options.state;
    this.#options = options;
  }

  /** What the host is to have. */
  get profile(): Profile {
    const { fleet } = this.#options;
    return (this.host.profile === undefined ? undefined : fleet?.profiles.get(this.host.profile)) ?? defaultProfile;
  }

  /** The inventory, where there is one. */
  get fleet(): Fleet | undefined {
    return this.#options.fleet;
  }

  /** Id of the run. */
  get run(): string {
    return this.#options.run;
  }

  /** Where the commands of a step run; a connection is opened, and opened anew, when one of them needs it. */
  machine(where: Place): Machine {
    const name = createHash('sha256').update(this.host.name).digest('hex').slice(0, 8);
    const run = `${this.run}-${name}`;
    if (where === 'controller') return { shell: localShell(), host: controller(), run };
    return { shell: this.#hostShell(), host: this.host, run };
  }

  /** As `machine`, for work: what it leaves there is removed when the incident is closed. */
  workplace(where: Place, become: boolean): Machine {
    const machine = this.machine(where);
    this.#work.set(`${where} ${become}`, { machine, become });
    return machine;
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

  /** From now on a host that cannot be reached is tried once more, not again for each step. */
  beginCleanUp(): void {
    this.#isCleaningUp = true;
  }

  /** The folder of this incident, made when first asked for: a run that finds nothing leaves none. */
  case(): Promise<CaseFolder> {
    this.#case ??= this.#findOrCreateCase();
    return this.#case;
  }

  /** The folder if there is one. */
  async existingCase(): Promise<CaseFolder | undefined> {
    return this.#case ?? this.#earlierCase();
  }

  /** What `find-process` saw; undefined before it. */
  async found(): Promise<FoundRecord | undefined> {
    return (await this.existingCase())?.readRecord(records.found, foundSchema);
  }

  /** The process that was found under that number, or whatever has it now. */
  async processOf(pid: number): Promise<ProcessId> {
    const found = await this.found();
    return found?.pid === pid ? { pid, startTicks: found.startTicks } : { pid };
  }

  async close(): Promise<void> {
    await this.#removeWork();
    const session = await this.#session?.catch(() => undefined);
    this.#session = undefined;
    await session?.close();
  }

  async #findOrCreateCase(): Promise<CaseFolder> {
    const { run } = this.#options;
    return (await this.#earlierCase()) ?? createCase(this.state, { host: this.host.name, run });
  }

  /** That of this run before it was taken up again. */
  async #earlierCase(): Promise<CaseFolder | undefined> {
    const { run, isResumed = false } = this.#options;
    if (isResumed) this.#earlier ??= findCase(this.state, { host: this.host.name, run });
    return this.#earlier;
  }

  #hostShell(): Shell {
    return {
      run: (command, options) => this.withSession(session => session.run(command, options), options?.signal),
      stream: (command, sink, options) =>
        this.withSession(session => session.stream(command, sink, options), options?.signal),
    };
  }

  /** What cannot be removed now is, a week later, by the next incident there. */
  async #removeWork(): Promise<void> {
    const signal = AbortSignal.timeout(removeSeconds * 1000);
    // What was started before the run was taken up again nobody here remembers.
    if (this.#options.isResumed === true) {
      this.workplace('controller', false);
      if (this.#session !== undefined) for (const become of [false, true]) this.workplace('host', become);
    }
    const removals = [...this.#work.values()].map(({ machine, become }) =>
      removeWork(machine.shell, { run: machine.run, host: machine.host, become }, { signal }),
    );
    this.#work.clear();
    await Promise.allSettled(removals);
  }

  #open(signal: AbortSignal | undefined): Promise<SshSession> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    const { host, fleet } = this.#options;
    const opened = openSession(host, { ...(fleet && { fleet }), ...(signal && { signal }) });
    // A failure is not kept: the next step tries again.
    opened.catch((error: unknown) => {
      if (this.#session === opened) this.#session = undefined;
      if (this.#isCleaningUp) this.#refusal = error;
    });
    return opened;
  }
}

function controller(): Host {
  const become = process.getuid?.() === 0 ? 'none' : 'sudo';
  return { name: 'controller', become, labels: {}, services: [] };
}

function isLost(error: unknown): boolean {
  return error instanceof HangarError && error.failure === 'unreachable';
}
