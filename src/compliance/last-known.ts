import { isKnown, wasAsked } from './known.ts';
import type { CheckResult, CheckState, Compliance } from './schema.ts';

/** The same result, whose unknown checks say what was last known of them; `earlier`: newest first. */
export function lastKnown(value: Compliance, earlier: readonly Compliance[]): Compliance {
  if (value.hosts.every(wasAsked)) return value;
  const known = lastKnownStates(earlier);
  const hosts = value.hosts.map(host => ({
    ...host,
    checks: host.checks.map(check => withLastKnown(check, known.get(nameOf(host.host, check.id)))),
  }));
  return { ...value, hosts };
}

/** The checks of a host that is not reached now: those of the last run that reached it, all unknown. */
export function unreachedChecks(name: string, earlier: readonly Compliance[]): readonly CheckResult[] {
  const former = earlier
    .flatMap(({ hosts }) => hosts)
    .find(({ host, checks }) => host === name && checks.some(check => isKnown(check) || check.lastKnownState));
  return (former?.checks ?? []).map(check => {
    const { state, at } = stateOf(check, former?.checkedAt ?? '') ?? {};
    const { id, severity, expected, why, origin } = check;
    const actual = 'not known: the host was not reached';
    const known = { ...(state && { lastKnownState: state }), ...(at && { lastKnownAt: at }) };
    return { id, state: 'unknown', severity, expected, actual, why, fix: '', origin, ...known };
  });
}

/**
 * When last every host of `value` was asked in one run, this one included, whatever was found; undefined where no run
 * that is remembered asked them all.
 */
export function lastSuccess(value: Compliance, earlier: readonly Compliance[]): string | undefined {
  const hosts = value.hosts.map(({ host }) => host);
  return [value, ...earlier].find(run => askedAll(run, hosts))?.at;
}

function askedAll(run: Compliance, hosts: readonly string[]): boolean {
  const asked = new Set(run.hosts.map(({ host }) => host));
  return run.hosts.every(wasAsked) && hosts.every(host => asked.has(host));
}

interface Known {
  readonly state: CheckState;
  readonly at: string;
}

/** By host and check; a run that did not know may itself say what was last known before it. */
function lastKnownStates(earlier: readonly Compliance[]): ReadonlyMap<string, Known> {
  const known = new Map<string, Known>();
  for (const run of earlier) {
    for (const { host, checkedAt, checks } of run.hosts) {
      for (const check of checks) {
        const name = nameOf(host, check.id);
        const state = known.has(name) ? undefined : stateOf(check, checkedAt);
        if (state !== undefined) known.set(name, state);
      }
    }
  }
  return known;
}

function stateOf(check: CheckResult, checkedAt: string): Known | undefined {
  if (isKnown(check)) return { state: check.state, at: checkedAt };
  const { lastKnownState, lastKnownAt } = check;
  return lastKnownState === undefined || lastKnownAt === undefined
    ? undefined
    : { state: lastKnownState, at: lastKnownAt };
}

function withLastKnown(check: CheckResult, known: Known | undefined): CheckResult {
  if (known === undefined || isKnown(check) || check.lastKnownState !== undefined) return check;
  return { ...check, lastKnownState: known.state, lastKnownAt: known.at };
}

function nameOf(host: string, check: string): string {
  return JSON.stringify([host, check]);
}
