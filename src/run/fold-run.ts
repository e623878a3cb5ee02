import type { HostRun, Run, RunEvent, StepRun } from './run.ts';
import type { RunRecord, RunRequest } from './run-store.ts';

/** A run as far as its record goes: as it ended, or what is known of one that still runs, or broke off. */
export function foldRun({ request, events, result, isActive }: RunRecord): Run {
  if (result !== undefined) return result;
  const status = isActive ? 'running' : 'interrupted';
  const last = events.at(-1)?.at ?? request.startedAt;
  return {
    schema: 'hangar.run/1',
    run: request.run,
    runbook: request.runbook,
    status,
    // Of a run that is not over, nothing can be said yet; one that broke off did so by an internal error.
    exitCode: isActive ? 0 : 1,
    startedAt: request.startedAt,
    seconds: (Date.parse(last) - Date.parse(request.startedAt)) / 1000,
    hosts: foldHosts(request, events, status),
    findings: [],
  };
}

/** What the events say of each host. */
export function foldHosts(
  { hosts }: Pick<RunRequest, 'hosts'>,
  events: readonly RunEvent[],
  open: 'running' | 'interrupted' = 'interrupted',
): HostRun[] {
  const byHost = new Map<string, RunEvent[]>(hosts.map(name => [name, []]));
  for (const event of events)
    if ('host' in event && typeof event.host === 'string') byHost.get(event.host)?.push(event);
  return [...byHost].map(([name, own]) => foldHost(name, own, open));
}

/** `open` is what a host, or a step, is that has not ended. */
function foldHost(name: string, events: readonly RunEvent[], open: 'running' | 'interrupted'): HostRun {
  const end = events.findLast(event => event.kind === 'host-ended' || event.kind === 'host-started');
  const steps = foldSteps(events, open);
  if (end === undefined) return { name, status: 'not-started', steps };
  if (end.kind !== 'host-ended') return { name, status: open, steps };
  return { name, status: end.status, steps, ...(end.error && { error: end.error }) };
}

function foldSteps(events: readonly RunEvent[], open: 'running' | 'interrupted'): StepRun[] {
  const steps = new Map<string, StepRun>();
  for (const event of events)
    if (event.kind === 'step-started')
      steps.set(event.step, {
        id: event.step,
        status: open,
        attempts: event.attempt,
        seconds: 0,
        commands: event.commands,
      });
    else if (event.kind === 'step-ended' || event.kind === 'step-reused') steps.set(event.step, event.result);
  return [...steps.values()];
}
