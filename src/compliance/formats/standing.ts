import type { Compliance, HostCompliance } from '../schema.ts';

/** Where a host stands as a whole, worst first: the order in which hosts are told. */
const standings = [
  'unknown',
  'not ready',
  'ready with warnings',
  'ready by waiver',
  'not applicable',
  'ready',
] as const;
export type Standing = (typeof standings)[number];

export function standingOf(host: HostCompliance): Standing {
  const states = new Set([host.state, ...host.checks.map(({ state }) => state)]);
  if (host.state === 'unknown') return 'unknown';
  if (host.error !== undefined || states.has('fail') || states.has('error')) return 'not ready';
  if (states.has('unknown')) return 'unknown';
  if (states.has('warn')) return 'ready with warnings';
  if (states.has('waived')) return 'ready by waiver';
  return states.has('pass') ? 'ready' : 'not applicable';
}

export function isReady(host: HostCompliance): boolean {
  const standing = standingOf(host);
  return standing === 'ready' || standing === 'ready with warnings' || standing === 'ready by waiver';
}

/** Stable: hosts that stand alike stay in their order. */
export function worstFirst(hosts: readonly HostCompliance[]): readonly HostCompliance[] {
  return standings.flatMap(standing => hosts.filter(host => standingOf(host) === standing));
}

/** As `1 of 3 hosts is ready: 1 unknown, 1 not ready`. */
export function headlineOf({ hosts }: Compliance): string {
  const ready = hosts.filter(isReady).length;
  const counts = standings
    .filter(standing => standing !== 'ready')
    .map(standing => [hosts.filter(host => standingOf(host) === standing).length, standing] as const)
    .filter(([count]) => count > 0)
    .map(([count, standing]) => `${count} ${standing}`);
  const noun = hosts.length === 1 ? 'host' : 'hosts';
  const verb = ready === 1 || hosts.length === 1 ? 'is' : 'are';
  const summary = `${ready} of ${hosts.length} ${noun} ${verb} ready`;
  return counts.length === 0 ? summary : `${summary}: ${counts.join(', ')}`;
}
