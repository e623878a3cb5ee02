import type { Run, RunEvent } from './run.ts';

/** What a run was asked to do, kept with it. */
export interface RunRequest {
  readonly run: string;
  readonly runbook: string;
  /** Where the runbook was read, and the texts of it and of what it includes, by path. */
  readonly path: string;
  readonly files: Readonly<Record<string, string>>;
  /** Secrets as references. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly hosts: readonly string[];
  /** The fleet file; absent: the hosts are ssh destinations. */
  readonly fleet?: string;
  /** Login name of who asked. */
  readonly by: string;
  readonly startedAt: string;
}

/** What people say to a run from outside. */
export type RunMessage =
  | { readonly kind: 'cancel'; readonly by: string }
  | {
      readonly kind: 'answer';
      readonly by: string;
      readonly step: string;
      /** Absent: on all hosts. */
      readonly host?: string;
      readonly approved: boolean;
    };

export interface RunRecord {
  readonly request: RunRequest;
  readonly events: readonly RunEvent[];
  /** As it ended; absent while it runs, and when its controller was lost. */
  readonly result?: Run;
  /** Somebody is at it now. */
  readonly isActive: boolean;
}

/** Where runs are kept: the only way out to their records. */
export interface RunStore {
  /** A new run, ours until its journal is closed. */
  begin(request: RunRequest): Promise<RunJournal>;
  /** Takes up a run that nobody is at. @throws HangarError `NO_SUCH_RUN`, `RUN_IS_ACTIVE` */
  resume(run: string): Promise<RunJournal>;
  /** The run as far as it came; undefined where there is none of that id. */
  read(run: string): Promise<RunRecord | undefined>;
  /** Ids, the newest first. */
  list(): Promise<readonly string[]>;
  /** Tells an active run something, or one that is yet to be resumed. @throws HangarError `NO_SUCH_RUN` */
  post(run: string, message: RunMessage): Promise<void>;
  /** Forgets a run. @throws HangarError `RUN_IS_ACTIVE` */
  remove(run: string): Promise<void>;
}

/** The record of one run, held by whoever executes it. */
export interface RunJournal {
  readonly request: RunRequest;
  /** What happened before it was taken up. */
  readonly history: readonly RunEvent[];
  /** Resolves when the event is on disk. */
  append(event: RunEvent): Promise<void>;
  /** What was said to the run so far, in order. */
  messages(): readonly RunMessage[];
  end(run: Run): Promise<void>;
  /** Lets go of the run. */
  close(): Promise<void>;
}
