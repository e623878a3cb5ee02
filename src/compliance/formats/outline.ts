import type { CheckResult, Compliance, ComplianceDiff, HostCompliance } from '../schema.ts';
import { headlineOf, type Standing, standingOf, worstFirst } from './standing.ts';

/** What people read, in order, for text, Markdown and HTML alike. Nothing in it is escaped yet. */
export interface Outline {
  readonly headline: string;
  /** When, and for which run. */
  readonly about: string;
  /** Worst first. */
  readonly hosts: readonly HostOutline[];
  readonly lists: readonly { readonly title: string; readonly items: readonly string[] }[];
}

export interface HostOutline {
  readonly name: string;
  readonly standing: Standing;
  /** As `web3: not ready`. */
  readonly title: string;
  /** Profile and time. */
  readonly about: string;
  readonly error: HostCompliance['error'];
  /** What is not as it should be, or not known, or waived. */
  readonly open: readonly CheckResult[];
  readonly settled: readonly CheckResult[];
  /** As `38 pass, 2 not-applicable`; empty where nothing is settled. */
  readonly settledCount: string;
}

export function outlineOf(value: Compliance): Outline {
  return {
    headline: value.hosts.length === 0 ? 'no host was asked' : headlineOf(value),
    about: aboutRun(value),
    hosts: worstFirst(value.hosts).map(hostOutline),
    lists: [{ title: 'waivers to look at', items: value.waivers.map(waiverLine) }, diffList(value.diff)].filter(
      ({ items }) => items.length > 0,
    ),
  };
}

function aboutRun({ at, run, lastSuccess, hosts }: Compliance): string {
  const parts = [`checked ${at}`, ...(run === undefined ? [] : [`run ${run}`])];
  const wasPartial = hosts.some(host => standingOf(host) === 'unknown');
  if (lastSuccess !== undefined && lastSuccess !== at) parts.push(`every host was last asked ${lastSuccess}`);
  else if (lastSuccess === undefined && wasPartial) parts.push('no earlier run is known that asked every host');
  return parts.join(' · ');
}

function hostOutline(host: HostCompliance): HostOutline {
  const standing = standingOf(host);
  const settled = host.checks.filter(({ state }) => state === 'pass' || state === 'not-applicable');
  return {
    name: host.host,
    standing,
    title: `${host.host}: ${standing}`,
    about: [...(host.profile === undefined ? [] : [`profile ${host.profile}`]), `checked ${host.checkedAt}`].join(
      ' · ',
    ),
    error: host.error,
    open: host.checks.filter(check => !settled.includes(check)),
    settled,
    settledCount: countByState(settled.map(({ state }) => state)),
  };
}

/** As `10 pass, 2 fail`, in order of appearance. */
export function countByState(states: readonly string[]): string {
  return [...new Set(states)].map(state => `${states.filter(each => each === state).length} ${state}`).join(', ');
}

function waiverLine({ check, host, problem, state }: Compliance['waivers'][number]): string {
  return `${state}: ${check} on ${host}: ${problem}`;
}

function diffList(diff: ComplianceDiff | undefined): Outline['lists'][number] {
  if (diff === undefined) return { title: '', items: [] };
  const items = [
    ...diff.newlyFailing.map(each => `newly failing: ${changeOf(each)}`),
    ...diff.fixed.map(each => `fixed: ${changeOf(each)}`),
    ...diff.flapping.map(
      ({ changes, ...each }) =>
        `flapping: ${each.host} ${each.check}: ${each.to} now, ${changes} changes in the last runs`,
    ),
    ...diff.newlyWaived.map(each => `newly waived: ${changeOf(each)}`),
    ...diff.hostsGone.map(host => `host gone: ${host}`),
    ...diff.hostsNew.map(host => `host new: ${host}`),
    ...diff.notRun.map(({ host, check }) => `check not run: ${host} ${check}`),
  ];
  return { title: `since ${diff.since}`, items: items.length === 0 ? ['nothing changed'] : items };
}

function changeOf({ host, check, from, to, since }: ComplianceDiff['fixed'][number]): string {
  return `${host} ${check}: ${from} → ${to}${since === undefined ? '' : `, since ${since}`}`;
}
