import type { Finding, FindingClass } from '../finding.ts';
import type { WaitGraph } from '../wait-graph.ts';
import { blockingIo } from './blocking-io.ts';
import { busyLoop } from './busy-loop.ts';
import { busyNative } from './busy-native.ts';
import { deadlock } from './deadlock.ts';
import { lockWait } from './lock-wait.ts';
import type { Rule } from './rule.ts';
import { sleep } from './sleep.ts';
import { unreadable } from './unreadable.ts';

const rules: readonly Rule[] = [deadlock, busyLoop, busyNative, blockingIo, lockWait, sleep, unreadable];

/** Every rule's findings, most severe first. */
export function findAll(graph: WaitGraph): readonly Finding[] {
  return rules.flatMap(rule => rule(graph)).toSorted(bySeverity);
}

/** What never ends by itself comes before what might. */
const severity: readonly FindingClass[] = [
  'deadlock',
  'busy-loop',
  'busy-native',
  'orphaned-lock',
  'uninterruptible',
  'stopped',
  'pool-exhausted',
  'blocking-io',
  'wait-notify',
  'lock-wait',
  'sleep',
  'unreadable',
];

/** A mere suspicion after all else; then by class, by number of victims, by thread. */
function bySeverity(a: Finding, b: Finding): number {
  return (
    Number(a.confidence === 'suspected') - Number(b.confidence === 'suspected') ||
    severity.indexOf(a.class) - severity.indexOf(b.class) ||
    b.victims.length - a.victims.length ||
    (a.roots[0]?.lwp ?? 0) - (b.roots[0]?.lwp ?? 0)
  );
}
