import type { JudgedThread, Wait } from '../thread.ts';
import { victimsOf } from '../wait-graph.ts';
import { evidenceOf, finding, patienceSeconds, place, type Rule, rootOf, sampledEvidence, stops } from './rule.ts';

/** A thread of the service that sleeps long; sooner where somebody waits for it. */
export const sleep: Rule = graph =>
  [...graph.threads.values()].flatMap(thread => {
    const { waits, role } = thread;
    if (waits?.kind !== 'sleep' || role !== 'application') return [];
    const victims = victimsOf(graph, [thread.lwp]);
    const isAwaited = victims.length > 0 || thread.request !== undefined;
    if (!isLong(thread, waits, isAwaited)) return [];
    const root = rootOf(thread);
    const long = waits.timeoutSeconds === undefined ? '' : ` for ${Number(waits.timeoutSeconds.toPrecision(4))} s`;
    return [
      finding('sleep', {
        // Nobody waits for it, as far as is known: it may well sleep on purpose.
        confidence: !isAwaited ? 'suspected' : waits.timeoutSeconds === undefined ? 'likely' : 'proven',
        summary: `thread ${thread.lwp} sleeps${long} in ${place(root)}${stops(victims)}`,
        roots: [root],
        victims,
        evidence: [...evidenceOf(thread, waits.evidence), ...sampledEvidence(thread)],
        next: `do not sleep in ${root.function}${victims.length > 0 ? ' while others wait for what it holds' : ''}`,
      }),
    ];
  });

const awaitedSeconds = 5;

function isLong({ moved }: JudgedThread, { timeoutSeconds }: Wait, isAwaited: boolean): boolean {
  if (timeoutSeconds !== undefined) return timeoutSeconds >= (isAwaited ? awaitedSeconds : patienceSeconds);
  return isAwaited && moved === false;
}
