import type { JudgedThread, Wait } from '../thread.ts';
import { victimsOf } from '../wait-graph.ts';
import { evidenceOf, finding, patienceSeconds, place, type Rule, rootOf, sampledEvidence, stops } from './rule.ts';

/** A thread of the service that waits, without a limit, for somebody outside. One that moved between samples is served. */
export const blockingIo: Rule = graph =>
  [...graph.threads.values()].flatMap(thread => {
    const { waits } = thread;
    if (waits?.kind !== 'io' || !isStuck(thread, waits)) return [];
    const root = rootOf(thread);
    const victims = victimsOf(graph, [thread.lwp]);
    return [
      finding('blocking-io', {
        confidence: thread.moved === false ? 'likely' : 'suspected',
        summary: `thread ${thread.lwp} waits in ${place(root)} for ${partner(waits)}${limit(waits)}${stops(victims)}`,
        roots: [root],
        victims,
        evidence: [...evidenceOf(thread, waits.evidence), ...sampledEvidence(thread)],
        next: `ask why ${waits.peer ?? 'the other end'} does not answer; give the call in ${root.function} a timeout`,
      }),
    ];
  });

function isStuck({ role, moved, python }: JudgedThread, { timeoutSeconds, limited }: Wait): boolean {
  if (role !== 'application' || python.length === 0 || moved === true) return false;
  return limited !== true || (timeoutSeconds ?? 0) >= patienceSeconds;
}

function partner({ syscall, peer, fd }: Wait): string {
  const through = fd === undefined ? '' : ` on descriptor ${fd}`;
  return `${syscall ?? 'input or output'}${through}${peer === undefined ? '' : `, peer ${peer}`}`;
}

function limit({ timeoutSeconds }: Wait): string {
  return timeoutSeconds === undefined ? ', without a limit' : `, for up to ${timeoutSeconds} s`;
}
