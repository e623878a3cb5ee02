import type { HostName } from '../fleet/host.ts';
import type { CheckResult, Compliance, HostCompliance } from './schema.ts';
import { worstState } from './states.ts';
import { durationText } from './units.ts';
import { fits } from './wildcards.ts';

/** A deviation that somebody answers for, until then. */
export interface Waiver {
  /** A check's id; `*` is any text. */
  readonly check: string;
  /** As the file names them. */
  readonly host: string;
  readonly isFor: (host: HostName) => boolean;
  readonly reason: string;
  readonly owner: string;
  readonly expires: Date;
  /** ISO 8601 with offset. */
  readonly expiresText: string;
}

export interface Waived {
  readonly hosts: readonly HostCompliance[];
  /** Waivers that are expired (`fail`), soon will be, or fit nothing (`warn`). */
  readonly problems: Compliance['waivers'];
}

const twoWeeks = 14 * 86_400;

/**
 * What is waived now is told as such, with what it really is. Waivers for other hosts than these are not looked at,
 * and one that may fit a host that could not be asked is not unused.
 */
export function waive(
  hosts: readonly HostCompliance[],
  waivers: readonly Waiver[],
  at: Date,
  soonSeconds = twoWeeks,
): Waived {
  const valid = waivers.filter(({ expires }) => expires > at);
  const problems = waivers.flatMap(waiver => problemOf(waiver, hosts, at, soonSeconds) ?? []);
  return { hosts: hosts.map(host => waiveHost(host, valid)), problems };
}

function waiveHost(host: HostCompliance, valid: readonly Waiver[]): HostCompliance {
  const mine = valid.filter(({ isFor }) => isFor(host.host));
  if (mine.length === 0) return host;
  const checks = host.checks.map(check => waiveCheck(check, mine));
  return { ...host, checks, state: worstState(checks.map(({ state }) => state)) };
}

function waiveCheck(check: CheckResult, mine: readonly Waiver[]): CheckResult {
  const waiver = isDeviation(check) ? mine.find(each => fits(each.check, check.id)) : undefined;
  if (waiver === undefined) return check;
  const { reason, owner, expiresText: expires } = waiver;
  return { ...check, state: 'waived', actualState: check.state, waiver: { reason, owner, expires } };
}

function isDeviation({ state }: CheckResult): boolean {
  return state === 'fail' || state === 'warn' || state === 'error';
}

function problemOf(
  waiver: Waiver,
  hosts: readonly HostCompliance[],
  at: Date,
  soonSeconds: number,
): Compliance['waivers'][number] | undefined {
  const { check, host, expires, expiresText } = waiver;
  const checks = hosts.filter(each => waiver.isFor(each.host)).map(each => each.checks);
  if (checks.length === 0) return undefined;
  const left = (expires.getTime() - at.getTime()) / 1000;
  if (left <= 0)
    return { check, host, state: 'fail', problem: `it expired at ${expiresText}: mend what it waives, or renew it` };
  const fitting = checks.flat().filter(({ id }) => fits(check, id));
  if (!fitting.some(each => isDeviation(each) || each.state === 'unknown') && !isPartial(waiver, hosts))
    return { check, host, state: 'warn', problem: 'nothing deviates that it would waive: take it out' };
  if (left <= soonSeconds)
    return { check, host, state: 'warn', problem: `it expires at ${expiresText}, in ${durationText(left)}` };
  return undefined;
}

/** Whether a host that it is for was not asked. */
function isPartial(waiver: Waiver, hosts: readonly HostCompliance[]): boolean {
  return hosts.some(({ host, error, state }) => waiver.isFor(host) && (error !== undefined || state === 'unknown'));
}
