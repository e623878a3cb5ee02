import { HangarError } from '../errors.ts';
import type { Host, Service } from '../fleet/host.ts';
import type { Recovered } from '../host/recovered.ts';
import { readRecovered } from '../host/recovered.ts';
import type { SshSession } from '../ssh/session.ts';
import { earlierResult } from './earlier-result.ts';
import type { Arguments, CallOptions } from './host-program.ts';
import { brokenReply, callHost, hostLine } from './host-program.ts';
import type { ProcessId } from './process-id.ts';
import { processArguments } from './process-id.ts';

export interface RecoverOptions {
  /** The service, or only the worker that hangs: its master starts a new one. */
  readonly mode: 'service' | 'worker';
  /** As found; `worker` needs the process. */
  readonly service?: Service;
  readonly process?: ProcessId;
  /** Until the service answers again; default 90. */
  readonly limitSeconds?: number;
  /**
   * Lowercase hex digits, 8 or more: of all calls with one key only one restarts. The host keeps the key until
   * `removeRecoveryMark`; absent: each call restarts, and nothing is kept.
   */
  readonly key?: string;
}

export interface RecoveredService extends Recovered {
  readonly mode: 'service' | 'worker';
  readonly service: string;
  readonly succeeded: boolean;
}

/**
 * Restarts a service (systemctl, `service`, apachectl, or what the fleet file says) or ends its hung worker, and waits
 * until its check answers. Called again with the same key it gives what became of that restart, waits for it, or, where
 * it was cut off before anything was restarted, goes on.
 * @throws HangarError `SERVICE_NEEDED`, `RECOVER_FAILED`, `RECOVER_NO_ANSWER`, `PROCESS_GONE`, `STILL_RUNNING`, or as
 * `callHost`
 */
export async function recoverService(
  session: SshSession,
  options: RecoverOptions,
  { signal }: CallOptions = {},
): Promise<RecoveredService> {
  const limitSeconds = options.limitSeconds ?? defaultLimitSeconds;
  const { stdout } = await callHost(session, 'recover', recoverArguments(session.host, options), {
    ...(signal && { signal }),
    // The restart and the answer each have the limit; the hung process gets 20 s to leave.
    timeoutSeconds: limitSeconds * 2 + 60,
  });
  const recovered = readRecovered(stdout.toString());
  if (recovered === undefined) throw brokenReply(session.host, 'recover');
  return recoveredAs(options, recovered);
}

/** How an earlier `recoverService` with that key brought the service back; undefined: it did not. Changes nothing. */
export async function earlierRecovery(
  session: SshSession,
  key: string,
  recovery: Pick<RecoverOptions, 'mode' | 'service'>,
  options: CallOptions = {},
): Promise<RecoveredService | undefined> {
  const recovered = await earlierResult(session, { key }, readRecovered, options);
  return recovered && recoveredAs(recovery, recovered);
}

/** The commands that `recoverService` runs. */
export function recoverServiceCommands(host: Host, options: RecoverOptions): readonly string[] {
  const { service, key = '<key>', ...rest } = options;
  const named = service ?? host.services[0] ?? { name: '<service>' };
  const { service: name, mode, ...more } = recoverArguments(host, { ...rest, key, service: named });
  return [hostLine(host, 'recover', { service: name, mode, pid: '<pid>', start: '<start>', ...more })];
}

const defaultLimitSeconds = 90;

function recoveredAs({ mode, service }: Pick<RecoverOptions, 'mode' | 'service'>, how: Recovered): RecoveredService {
  return { mode, service: service?.name ?? '', succeeded: true, ...how };
}

function recoverArguments(host: Host, { mode, service, process, limitSeconds, key }: RecoverOptions): Arguments {
  if (mode === 'service' && service === undefined)
    throw new HangarError({
      code: 'SERVICE_NEEDED',
      message: `no service of "${host.name}" was named to restart`,
      fix: 'name it: --service NAME (or leave it as it is: --recover none)',
      failure: 'usage',
    });
  return {
    service: service?.name,
    mode,
    ...(process && processArguments(process)),
    restart: service?.restart,
    check: service?.check,
    limit: limitSeconds ?? defaultLimitSeconds,
    key,
  };
}
