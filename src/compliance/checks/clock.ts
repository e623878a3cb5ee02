import type { Judgement } from '../judgement.ts';
import { onHost, type Situation } from '../situation.ts';
import { durationText } from '../units.ts';

/** What two clocks may differ by. */
const toleratedSeconds = 5;

/**
 * The host's clock against ours. It was read between sending the question and receiving the answer: the middle is our
 * best guess of when, and half of that time is what the guess may be wrong by.
 */
export function judgeClock(situation: Situation): Judgement {
  const { facts, sent, received } = situation;
  const half = (received.getTime() - sent.getTime()) / 2000;
  const behind = sent.getTime() / 1000 + half - facts.clockSeconds;
  const compared = {
    expected: `within ${durationText(toleratedSeconds)} of the clock here`,
    actual:
      Math.abs(behind) < 1
        ? 'less than 1 s off'
        : `${durationText(Math.abs(behind))} ${behind > 0 ? 'behind' : 'ahead'}`,
  };
  if (Math.abs(behind) <= toleratedSeconds + half) return { is: 'met', ...compared };
  const fix = `see which of the two is wrong (date -u); ${onHost(situation, 'timedatectl set-ntp true, or apt-get install chrony')}`;
  return { is: 'deviating', ...compared, fix };
}
