import { HangarError } from '../errors.ts';
import type { Host, Service } from '../fleet/host.ts';
import type { Watched } from '../host/watched.ts';
import { readWatched } from '../host/watched.ts';
import type { SshSession } from '../ssh/session.ts';
import type { Candidate, Decision, Liveness } from './decide.ts';
import { decide } from './decide.ts';
import type { Arguments, CallOptions } from './host-program.ts';
import { callHost, hostLine } from './host-program.ts';

export interface FindOptions {
  /** Name of one of the host's services; absent: its only one. */
  readonly service?: string;
  /** The process itself: the choice is made, its state is reported all the same. */
  readonly pid?: number;
  /** How long the service's check may take; default 5. */
  readonly checkLimitSeconds?: number;
}

export interface FoundProcess {
  readonly state: Liveness;
  readonly pid: number;
  /** With the pid, the identity of the process (`ProcessId`). */
  readonly startTicks: number;
  /** ISO 8601 UTC. */
  readonly startedAt: string;
  readonly command: string;
  readonly service?: Service;
  readonly reasons: readonly string[];
  /** The chosen one first. */
  readonly candidates: readonly Candidate[];
  /** Where the service's processes were found: `pidfile /run/shop.pid`. */
  readonly how: string;
}

/**
 * Watches a service's Python processes for about a second (for some more where one is busy), and says which hangs.
 * @throws HangarError `SERVICE_NEEDED`, `SERVICE_NOT_RUNNING`, `NO_PYTHON_PROCESS`, `PROCESS_GONE`, or as `callHost`
 */
export async function findProcess(
  session: SshSession,
  options: FindOptions = {},
  { signal }: CallOptions = {},
): Promise<FoundProcess> {
  const service = chooseService(session.host, options);
  const first = await watch(session, options, service, shortLook, signal);
  if (!first.decision.lookLonger) return found(first, service);
  return found(await watch(session, options, service, longLook, signal), service);
}

/** The commands that `findProcess` runs. */
export function findProcessCommands(host: Host, options: FindOptions = {}): readonly string[] {
  return [hostLine(host, 'find', findArguments(options, chooseService(host, options), shortLook))];
}

interface Look {
  readonly samples: number;
  readonly seconds: number;
}

const shortLook: Look = { samples: 4, seconds: 1 };
const longLook: Look = { samples: 6, seconds: 5 };

interface Observation {
  readonly watched: Watched;
  readonly decision: Decision;
}

async function watch(
  session: SshSession,
  options: FindOptions,
  service: Service | undefined,
  look: Look,
  signal: AbortSignal | undefined,
): Promise<Observation> {
  const { stdout } = await callHost(session, 'find', findArguments(options, service, look), {
    ...(signal && { signal }),
    timeoutSeconds: 60,
  });
  const watched = readWatched(stdout.toString());
  const decision = decide(watched);
  if (decision === undefined) throw noneLeft(session.host);
  return { watched, decision };
}

function findArguments({ pid, checkLimitSeconds }: FindOptions, service: Service | undefined, look: Look): Arguments {
  return {
    service: service?.name,
    pid,
    match: pid === undefined ? service?.match : undefined,
    check: service?.check,
    limit: checkLimitSeconds,
    samples: look.samples,
    seconds: look.seconds,
  };
}

function found({ watched, decision }: Observation, service: Service | undefined): FoundProcess {
  const chosen = watched.processes.find(({ pid }) => pid === decision.pid);
  return {
    state: decision.state,
    pid: decision.pid,
    startTicks: chosen?.startTicks ?? 0,
    startedAt: chosen?.startedAt ?? '',
    command: chosen?.command ?? '',
    ...(service && { service }),
    reasons: decision.reasons,
    candidates: decision.candidates,
    how: watched.how,
  };
}

/** The service that was named, or the host's only one. */
function chooseService(host: Host, { service, pid }: FindOptions): Service | undefined {
  if (service !== undefined) return host.services.find(({ name }) => name === service) ?? { name: service };
  const [only, ...others] = host.services;
  if (others.length === 0 && only !== undefined) return only;
  if (pid !== undefined) return undefined;
  const names = host.services.map(({ name }) => name);
  throw new HangarError({
    code: 'SERVICE_NEEDED',
    message:
      names.length === 0
        ? `no service of "${host.name}" is known`
        : `"${host.name}" has ${names.length} services: ${names.join(', ')}`,
    fix: `name the one to look at: --service ${names[0] ?? 'NAME'} (or a process: --pid PID)`,
    failure: 'usage',
  });
}

function noneLeft(host: Host): HangarError {
  return new HangarError({
    code: 'PROCESS_GONE',
    message: `${host.name}: the processes ended while they were watched`,
    fix: `look again: runbook hang --host ${host.name}`,
    failure: 'step',
  });
}
