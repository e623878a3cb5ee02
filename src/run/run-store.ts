import type { Run, RunEvent } from './run.ts';

/** What a run was asked to do, kept with it. */
export interface RunRequest {
  readonly run: string;
  readonly runbook: string;
  /** Text of the runbook file. */
  readonly text: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly hosts: readonly string[];
  readonly startedAt: string;
}

/** Where runs are kept: the only way out to their records. */
export interface RunStore {
  begin(request: RunRequest): Promise<RunJournal>;
  /** The run as far as it came; undefined where there is none of that id. */
  read(run: string): Promise<Run | undefined>;
  /** Ids, the newest first. */
  list(): Promise<readonly string[]>;
}

export interface RunJournal {
  /** Resolves when the event is on disk. */
  append(event: RunEvent): Promise<void>;
  end(run: Run): Promise<void>;
}
