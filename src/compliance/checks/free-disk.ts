import type { Judgement } from '../judgement.ts';
import { hidden, onHost, prepareOnly, type Situation, untold } from '../situation.ts';
import { bytesText } from '../units.ts';
import type { RequirementOf } from './requirement-of.ts';

/** The cores of the largest Python process fit where cores lie. */
export function judgeFreeDisk(requirement: RequirementOf<'free-disk'>, situation: Situation): Judgement {
  const { id, path, minBytes, cores } = requirement;
  const { disk, pythons, access } = situation.facts;
  const largest = Math.max(0, ...pythons.map(({ coreBytes = 0 }) => coreBytes));
  const wanted = Math.max(minBytes, cores * largest);
  const expected = `${bytesText(wanted)} free in ${path}${reason(requirement, largest, wanted)}`;
  if (disk === undefined) return untold(situation, expected, path);
  const actual = `${bytesText(disk.freeBytes)} of ${bytesText(disk.totalBytes)} free`;
  if (disk.freeBytes < wanted) {
    const fix = `make ${bytesText(wanted - disk.freeBytes)} free: ${prepareOnly(situation, id)} empties apt's cache; what else fills it: ${onHost(situation, `du -xh ${disk.path} | sort -h | tail`)}`;
    return { is: 'deviating', expected, actual, fix };
  }
  // Sizes of other users' processes are root's to see.
  if (access === 'none' && cores > 0) return hidden(situation, expected);
  return { is: 'met', expected, actual };
}

function reason({ cores }: RequirementOf<'free-disk'>, largest: number, wanted: number): string {
  if (largest === 0 || wanted > cores * largest) return '';
  return ` (${cores} × ${bytesText(largest)}, the largest core now)`;
}
