import { isKnown, realState } from './known.ts';
import type { CheckResult, Compliance, ComplianceDiff, HostCompliance } from './schema.ts';

/**
 * What is different now. Each check is compared with what was last known of it, so that a run over some hosts, or one
 * that did not reach a host, hides nothing; what is unknown now is no difference. Undefined where there is no earlier
 * run.
 *
 * @param earlier newest first; runs that are not older than `current` are left out
 * @param inventory names of all hosts of the fleet
 */
export function diffCompliance(
  current: Compliance,
  earlier: readonly Compliance[],
  { inventory }: { readonly inventory: readonly string[] },
): ComplianceDiff | undefined {
  const runs = earlier.filter(run => !(Date.parse(run.at) >= Date.parse(current.at)));
  const asked = namesOf(current);
  const since = (runs.find(run => run.hosts.some(({ host }) => asked.has(host))) ?? runs[0])?.at;
  if (since === undefined) return undefined;
  const pasts = pastOfHosts(runs);
  const known = current.hosts
    .map(host => ({ host, past: pasts.get(host.host) ?? [] }))
    .filter(each => each.past.length);
  const pairs = known.flatMap(({ host, past }) => pairsOf(host, past));
  return {
    since,
    newlyFailing: pairs.filter(isNewlyFailing).map(pair => changeOf(pair, since)),
    fixed: pairs.filter(isFixed).map(pair => changeOf(pair, since)),
    flapping: pairs
      .map(pair => ({ ...changeOf(pair, since), changes: changesOf(pair) }))
      .filter(({ changes }) => changes >= flaps.changes),
    newlyWaived: pairs.filter(isNewlyWaived).map(pair => changeOf(pair, since)),
    hostsGone: goneHosts(current, runs, new Set(inventory)),
    hostsNew: [...asked].filter(host => !pasts.has(host)),
    notRun: known.flatMap(({ host, past }) => notRun(host, past)),
  };
}

/** A check flaps that changed its state so often in so many runs, this one included, in which it was known. */
const flaps = { runs: 6, changes: 3 };

/** A host in one run. */
interface Asked {
  readonly at: string;
  readonly checks: ReadonlyMap<string, CheckResult>;
}

/** Newest first, by host. */
function pastOfHosts(runs: readonly Compliance[]): ReadonlyMap<string, readonly Asked[]> {
  const pasts = new Map<string, Asked[]>();
  for (const { at, hosts } of runs) {
    for (const { host, checks } of hosts) {
      const asked = { at, checks: new Map(checks.map(check => [check.id, check])) };
      pasts.set(host, [...(pasts.get(host) ?? []), asked]);
    }
  }
  return pasts;
}

/** A check that is known now, and what it was. */
interface Pair {
  readonly host: string;
  readonly now: CheckResult;
  readonly before: Before;
  /** What it really was in earlier runs that knew it, newest first. */
  readonly realStates: readonly string[];
}

interface Before {
  readonly state: string;
  readonly real: string;
  readonly at: string | undefined;
}

function pairsOf({ host, checks }: HostCompliance, past: readonly Asked[]): readonly Pair[] {
  return checks.filter(isKnown).map(now => ({
    host,
    now,
    before: beforeOf(now.id, past),
    realStates: past.flatMap(({ checks: former }) => {
      const check = former.get(now.id);
      return check !== undefined && isKnown(check) ? [realState(check)] : [];
    }),
  }));
}

function beforeOf(id: string, past: readonly Asked[]): Before {
  for (const { at, checks } of past) {
    const check = checks.get(id);
    if (check !== undefined && isKnown(check)) return { state: check.state, real: realState(check), at };
    if (check?.lastKnownState !== undefined)
      return { state: check.lastKnownState, real: check.lastKnownState, at: check.lastKnownAt };
  }
  const wasThere = past.some(({ checks }) => checks.has(id)) || !past.some(wasReached);
  return { state: wasThere ? 'unknown' : 'absent', real: 'unknown', at: past[0]?.at };
}

function wasReached({ checks }: Asked): boolean {
  return [...checks.values()].some(isKnown);
}

function isNewlyFailing({ now, before }: Pair): boolean {
  return badness(now.state) > badness(before.state);
}

function isFixed({ now, before }: Pair): boolean {
  return badness(before.real) > 0 && (now.state === 'pass' || now.state === 'not-applicable');
}

function isNewlyWaived({ now, before }: Pair): boolean {
  return now.state === 'waived' && before.state !== 'waived';
}

function badness(state: string): number {
  if (state === 'fail' || state === 'error') return 2;
  return state === 'warn' ? 1 : 0;
}

function changesOf({ now, realStates }: Pair): number {
  const states = [realState(now), ...realStates].slice(0, flaps.runs);
  return states.filter((state, index) => index > 0 && state !== states[index - 1]).length;
}

function changeOf({ host, now, before: { state, at } }: Pair, since: string): ComplianceDiff['fixed'][number] {
  return {
    host,
    check: now.id,
    from: state,
    to: now.state,
    ...(at === undefined || at === since ? {} : { since: at }),
  };
}

/** Checks of the last run that reached the host, which nobody made now though it was reached. */
function notRun({ host, checks }: HostCompliance, past: readonly Asked[]): ComplianceDiff['notRun'] {
  if (!checks.some(isKnown)) return [];
  const made = new Set(checks.map(({ id }) => id));
  const former = past.find(wasReached) ?? past[0];
  return [...(former?.checks.keys() ?? [])].filter(check => !made.has(check)).map(check => ({ host, check }));
}

/**
 * Hosts that the fleet lacks now and that an earlier run had asked of which this one is a repetition: it asks all that
 * the fleet still has of that run. Told once: not where a run in between was such a repetition, too.
 */
function goneHosts(
  current: Compliance,
  runs: readonly Compliance[],
  inventory: ReadonlySet<string>,
): ComplianceDiff['hostsGone'] {
  const asked = runs.map(namesOf);
  const remaining = asked.map(names => [...names].filter(host => inventory.has(host)));
  const repeats = (later: ReadonlySet<string>, run: number) => (remaining[run] ?? []).every(host => later.has(host));
  const now = namesOf(current);
  return [...new Set(asked.flatMap(names => [...names]))].filter(
    host =>
      !inventory.has(host) &&
      !now.has(host) &&
      asked.some(
        (names, run) =>
          names.has(host) &&
          repeats(now, run) &&
          !asked.slice(0, run).some(between => !between.has(host) && repeats(between, run)),
      ),
  );
}

function namesOf({ hosts }: Compliance): ReadonlySet<string> {
  return new Set(hosts.map(({ host }) => host));
}
