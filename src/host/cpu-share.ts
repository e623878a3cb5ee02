import type { ThreadLook } from './thread-samples.ts';

/** Seconds between the first and the last look. */
export function secondsOf(looks: readonly ThreadLook[]): number {
  return Math.round(((looks.at(-1)?.at ?? 0) - (looks[0]?.at ?? 0)) * 100) / 100;
}

/**
 * Share of a core between first and last look, 1 for a whole one: `used`, or `wanted`, with the time in which it was ready
 * but others had the core (a machine under load would hide a busy loop otherwise; proc(5), schedstat). Undefined for
 * fewer than two looks.
 */
export function cpuShare(
  looks: readonly ThreadLook[],
  ticksPerSecond: number,
  what: 'used' | 'wanted',
): number | undefined {
  const [first, last] = [looks[0], looks.at(-1)];
  const seconds = secondsOf(looks);
  if (first === undefined || last === undefined || seconds <= 0) return undefined;
  if (first.ranNanoseconds === undefined || last.ranNanoseconds === undefined)
    return (last.cpuTicks - first.cpuTicks) / ticksPerSecond / seconds;
  const ran = (last.ranNanoseconds - first.ranNanoseconds) / 1e9;
  const waited = ((last.waitedNanoseconds ?? 0) - (first.waitedNanoseconds ?? 0)) / 1e9;
  return (what === 'wanted' ? ran + Math.max(0, waited) : ran) / seconds;
}
