import { HangarError, messageOf } from '../src/errors.ts';
import type { Host } from '../src/fleet/host.ts';
import type { Profile } from '../src/fleet/profile.ts';

/** How a host is asked whether it is ready, and what would make it so: the program's only way to the hosts. */
export interface Readiness {
  /** One round trip that changes nothing. @throws HangarError where the host cannot be reached or asked */
  ask(host: Host, profile: Profile, signal: AbortSignal): Promise<Asked>;
  /** Logs in, nothing else. @throws HangarError */
  reach(host: Host, signal: AbortSignal): Promise<void>;
}

/** What a host answered. */
export interface Asked {
  readonly machine: Machine;
  /** What keeps it from being ready; mended by `script`, as far as that can. */
  readonly deviations: readonly Deviation[];
  /** What is worth knowing and keeps nobody from anything: never mended, never a failure. */
  readonly warnings: readonly Deviation[];
  /** Debian packages of the profile that are installed, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** For `sh -eu -s -- TOKEN` as root: makes it ready, whatever it lacks, and writes TOKEN as its stamp last. */
  readonly script: string;
}

/** What tells a machine, and its last preparation, from others. */
export interface Machine {
  /** What the last preparation by Pulumi left there. */
  readonly stamp?: string;
  readonly machineId?: string;
  /** When dpkg's database last changed, in Unix seconds. */
  readonly packagesChangedSeconds?: number;
}

export interface Deviation {
  /** As `package:gdb`: what `runbook prepare --only` takes. */
  readonly id: string;
  /** As found, in words. */
  readonly words: string;
}

export type Answer =
  | ({ readonly status: 'asked' } & Asked)
  /** Not asked, so nobody knows whether it is ready. */
  | { readonly status: 'unreachable'; readonly error: HangarError };

/** Asks within a limit of our own: a host that takes connections and then says nothing would be waited for without end. */
export async function ask(
  readiness: Readiness,
  host: Host,
  profile: Profile,
  { limitSeconds }: { readonly limitSeconds: number },
): Promise<Answer> {
  try {
    const asked = await within(limitSeconds, host, signal => readiness.ask(host, profile, signal));
    return { status: 'asked', ...asked };
  } catch (error) {
    return { status: 'unreachable', error: asHangarError(error, host) };
  }
}

/** As `ask`, again and again: a new machine's sshd comes up after the machine does. */
export async function askWhenUp(
  readiness: Readiness,
  host: Host,
  profile: Profile,
  { limitSeconds, waitSeconds }: { readonly limitSeconds: number; readonly waitSeconds: number },
): Promise<Answer> {
  const until = Date.now() + waitSeconds * 1000;
  for (;;) {
    const answer = await ask(readiness, host, profile, { limitSeconds });
    if (answer.status === 'asked' || !isYetToCome(answer.error) || Date.now() >= until) return answer;
    await new Promise(resolve => setTimeout(resolve, 1000));
  }
}

/** Whether the host lets us in, within the same limit. @throws HangarError */
export async function reach(readiness: Readiness, host: Host, limitSeconds: number): Promise<void> {
  await within(limitSeconds, host, signal => readiness.reach(host, signal));
}

/** A key that is not the expected one, or a refused login, does not mend itself. */
function isYetToCome({ code }: HangarError): boolean {
  return ['UNREACHABLE', 'HOST_SILENT', 'CONNECTION_LOST'].includes(code);
}

async function within<T>(seconds: number, host: Host, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const late = silent(host, seconds);
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      controller.abort(late);
      reject(late);
    }, seconds * 1000);
  });
  try {
    return await Promise.race([act(controller.signal), limit]);
  } finally {
    clearTimeout(timer);
  }
}

function silent({ name }: Host, seconds: number): HangarError {
  return new HangarError({
    code: 'HOST_SILENT',
    message: `"${name}" did not answer within ${seconds} s`,
    fix: `see whether it is up and what keeps it busy: runbook hosts --host ${name}`,
    failure: 'unreachable',
  });
}

function asHangarError(error: unknown, { name }: Host): HangarError {
  if (error instanceof HangarError) return error;
  return new HangarError({
    code: 'HOST_NOT_ASKED',
    message: `"${name}" could not be asked: ${messageOf(error)}`,
    fix: `see whether it answers: runbook hosts --host ${name}`,
    failure: 'unreachable',
    cause: error,
  });
}
