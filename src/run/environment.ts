import type { Host } from '../fleet/host.ts';
import type { ParamValues, Runbook } from '../runbook/runbook.ts';
import type { Risk } from '../runbook/step-kind.ts';
import type { Approvals } from './approvals.ts';
import type { History } from './history.ts';
import type { Mask } from './mask.ts';
import type { StepOutcome } from './outcome.ts';
import type { RunEvent } from './run.ts';

/** What all hosts of a run are executed with. */
export interface RunEnvironment<Context> {
  readonly run: string;
  readonly runbook: Runbook<Context>;
  /** With secrets looked up. */
  readonly params: ParamValues;
  readonly mask: Mask;
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal;
  /** What happened before the run was taken up. */
  readonly history: History;
  /** Masks an event, shows it and keeps it; resolves when it is on disk. */
  readonly record: (event: RunEvent) => Promise<void>;
  /** Masks an event and shows it. */
  readonly show: (event: RunEvent) => void;
  readonly ask: (question: string) => Promise<boolean | undefined>;
  readonly approvals: Approvals;
  /** Only steps that read are run; the others tell what they would run. */
  readonly isProbe: boolean;
  /** Steps of at least that risk ask before they act. */
  readonly askFrom: 'none' | Exclude<Risk, 'read'>;
  /** Steps that run once for all hosts, as soon as one host has begun them. */
  readonly once: Map<string, Promise<StepOutcome>>;
  /** A private directory for files that steps keep. */
  readonly folder: () => Promise<string>;
  readonly now: () => string;
}

/** What the steps of one host are executed with. */
export interface HostEnvironment<Context> extends RunEnvironment<Context> {
  readonly host: Host;
  readonly context: Context;
}
