import { appendFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Fleet } from '../fleet/fleet.ts';
import type { Host } from '../fleet/host.ts';
import { makePrivateDirectory } from '../private-files.ts';
import { executeRun } from '../run/execute-run.ts';
import { HostLocks } from '../run/host-locks.ts';
import type { HostRun, Run } from '../run/run.ts';
import type { RunJournal } from '../run/run-store.ts';
import type { Resolved } from '../run/secrets.ts';
import { everyStep } from '../runbook/every-step.ts';
import type { ParamValues, Runbook } from '../runbook/runbook.ts';
import { reportOfCase } from '../steps/case-records.ts';
import { Incident } from '../steps/incident.ts';
import { askAt } from './ask.ts';
import { withCompliance } from './compliance.ts';
import type { GlobalOptions, Io } from './io.ts';
import { showProgress } from './progress.ts';
import { tell } from './tell.ts';

export interface ExecutionRequest {
  readonly journal: RunJournal;
  readonly runbook: Runbook<Incident>;
  /** Its params, with what its secrets stand for (`resolveSecrets`). */
  readonly resolved: Resolved;
  readonly hosts: readonly Host[];
  /** Hosts of the run that are not executed now. */
  readonly kept?: readonly HostRun[];
  /** What became of `hosts` before. */
  readonly earlier?: readonly HostRun[];
  readonly fleet?: Fleet;
  /** How long another run that is at work on a host is waited for; default: not at all. */
  readonly waitSeconds?: number;
  readonly isProbe?: boolean;
}

/** Executes a run, with its progress on stderr. */
export async function executeFromHere(request: ExecutionRequest, options: GlobalOptions, io: Io): Promise<Run> {
  const { journal, runbook, hosts, fleet, kept, earlier, waitSeconds = 0, isProbe = false } = request;
  const { params, secrets } = request.resolved;
  const progress = await showProgress(options, io);
  const { run } = journal.request;
  const isResumed = journal.history.length > 0;
  try {
    return await executeRun({
      journal,
      runbook,
      params,
      secrets,
      hosts,
      isProbe,
      ...(kept && { kept }),
      ...(earlier && { earlier }),
      contextOf: host => incidentOf(host, fleet, options, run, isResumed),
      beforeCleanUp: incident => incident.beginCleanUp(),
      close: incident => incident.close(),
      complete: withCompliance,
      reportOf: async incident => {
        const folder = await incident.existingCase();
        return folder && reportOfCase(folder);
      },
      ...(!isProbe &&
        changesHosts(runbook) && {
          locks: {
            locks: new HostLocks({ state: options.state, run, waitSeconds }),
            namesOf: host => [lockName(host, params)],
          },
        }),
      signal: io.signal,
      onEvent: event => {
        tell(event, progress);
        if (options.events !== undefined) appendFileSync(options.events, `${JSON.stringify(event)}\n`, { mode: 0o600 });
      },
      ask: isProbe ? async () => undefined : askAt(io),
      by: personHere(io.env),
      askFrom: fleet?.approvals?.ask ?? 'none',
      folder: async () => {
        const folder = join(options.state, 'runs', run, 'files');
        await makePrivateDirectory(folder);
        return folder;
      },
    });
  } finally {
    progress.end();
  }
}

export function incidentOf(
  host: Host,
  fleet: Fleet | undefined,
  { state }: Pick<GlobalOptions, 'state'>,
  run: string,
  isResumed = false,
): Incident {
  return new Incident({ host, state, run, isResumed, ...(fleet && { fleet }) });
}

/** Login name of who types; under sudo of who called it. */
export function personHere(env: NodeJS.ProcessEnv): string {
  return env['SUDO_USER'] || userInfo().username;
}

/** A runbook that only reads needs no host for itself. */
function changesHosts(runbook: Runbook<Incident>): boolean {
  return everyStep(runbook).some(({ risk }) => risk !== 'read');
}

/** The service of the host that is worked on, else the whole host. */
function lockName({ name, services }: Host, { service }: ParamValues): string {
  const [only, ...others] = services;
  const known = typeof service === 'string' ? service : others.length === 0 ? only?.name : undefined;
  return known === undefined ? name : `${name}/${known}`;
}
