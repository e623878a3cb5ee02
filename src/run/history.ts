import type { RunEvent, StepRun } from './run.ts';

/** What identifies a step: never its place in the file. */
export interface StepIdentity {
  readonly host: string;
  /** Id, with those of the includes above it. */
  readonly step: string;
  /** Of a step with `foreach`. */
  readonly item?: unknown;
  /** Hash of its inputs. */
  readonly input: string;
  /** Runs on one host for all. */
  readonly once: boolean;
}

/** What became of a step before the run was taken up again. */
export interface PastStep {
  /** `started`: nobody heard of its end. */
  readonly state: 'started' | StepRun['status'];
  readonly attempts: number;
  /** Idempotency key of the last start. */
  readonly key: string;
  readonly result?: StepRun;
}

/** What a run's events say of its steps. */
export class History {
  readonly #steps = new Map<string, PastStep>();
  readonly #starts = new Map<string, number>();

  constructor(events: readonly RunEvent[]) {
    for (const event of events) this.#add(event);
  }

  past(identity: StepIdentity): PastStep | undefined {
    return this.#steps.get(nameOf(identity));
  }

  /** How often it was begun anew: part of the next idempotency key. */
  starts(identity: StepIdentity): number {
    return this.#starts.get(nameOf(identity)) ?? 0;
  }

  #add(event: RunEvent): void {
    if (event.kind === 'step-started') {
      const name = nameOf({ ...event, once: event.once === true });
      const known = this.#steps.get(name);
      if (known?.key !== event.key) this.#starts.set(name, (this.#starts.get(name) ?? 0) + 1);
      this.#steps.set(name, { state: 'started', attempts: event.attempt, key: event.key });
    } else if (event.kind === 'step-ended' && event.start !== undefined) {
      const { input, item, once } = event.start;
      const name = nameOf({ host: event.host, step: event.step, item, input, once: once === true });
      const known = this.#steps.get(name);
      if (known !== undefined) this.#steps.set(name, { ...known, state: event.result.status, result: event.result });
    }
  }
}

function nameOf({ host, step, item, input, once }: StepIdentity): string {
  return JSON.stringify([once ? null : host, step, item ?? null, input]);
}
