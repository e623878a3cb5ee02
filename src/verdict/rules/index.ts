import type { Finding, FindingClass } from '../finding.ts';
import type { WaitGraph } from '../wait-graph.ts';
import { withBlockedLoops } from './blocked-loops.ts';
import { blockingIo } from './blocking-io.ts';
import { busyLoop } from './busy-loop.ts';
import { busyNative } from './busy-native.ts';
import { deadlock } from './deadlock.ts';
import { withImports } from './imports.ts';
import { lockWait } from './lock-wait.ts';
import { orphanedLock } from './orphaned-lock.ts';
import { poolExhausted } from './pool-exhausted.ts';
import type { Rule } from './rule.ts';
import { sleep } from './sleep.ts';
import { isStoppedProcess, stopped } from './stopped.ts';
import { taskChain } from './task-chain.ts';
import { taskCircle } from './task-circle.ts';
import { uninterruptible } from './uninterruptible.ts';
import { unreadable } from './unreadable.ts';
import { waitNotify } from './wait-notify.ts';

/**
 * One rule a class, the most severe first: what never ends by itself comes before what might. A pool that stands comes
 * behind the former, which are its cause, and before the latter, for it says why a wait that looks harmless stops a service.
 */
const rules = {
  deadlock,
  'busy-loop': busyLoop,
  'busy-native': busyNative,
  'orphaned-lock': orphanedLock,
  uninterruptible,
  stopped,
  'pool-exhausted': poolExhausted,
  'blocking-io': blockingIo,
  'wait-notify': waitNotify,
  'lock-wait': lockWait,
  sleep,
  unreadable,
} as const satisfies Record<FindingClass, Rule>;

/** What hangs in tasks and greenlets while the threads that run them are free: causes of the same classes. */
const taskRules: readonly Rule[] = [taskCircle, taskChain];

const severity = Object.keys(rules);

/** Every rule's findings, most severe first. */
export function findAll(graph: WaitGraph): readonly Finding[] {
  const found = [...Object.values(rules), ...taskRules]
    .flatMap(rule => rule(graph))
    .map(finding => withBlockedLoops(graph, withImports(graph, finding)));
  const telling = isStoppedProcess(graph) ? found.filter(({ class: kind }) => timeless.has(kind)) : found;
  return telling.toSorted(bySeverity);
}

/**
 * What is true of a stopped process: that it is stopped, and what memory alone proves. All else is told by how time goes
 * by: who is not let run is neither busy, nor stuck in a wait, nor asleep for long.
 */
const timeless: ReadonlySet<FindingClass> = new Set<FindingClass>([
  'stopped',
  'deadlock',
  'orphaned-lock',
  'unreadable',
]);

/** A mere suspicion after all else; then by class, by number of victims and of tasks, by thread. */
function bySeverity(a: Finding, b: Finding): number {
  return (
    Number(a.confidence === 'suspected') - Number(b.confidence === 'suspected') ||
    severity.indexOf(a.class) - severity.indexOf(b.class) ||
    b.victims.length - a.victims.length ||
    (b.tasks?.length ?? 0) - (a.tasks?.length ?? 0) ||
    (a.roots[0]?.lwp ?? 0) - (b.roots[0]?.lwp ?? 0)
  );
}
