import type { Hold, JudgedThread } from './thread.ts';

/** The threads, each with the mutexes that others wait for and that name it as their owner. */
export function withMutexHolds(threads: readonly JudgedThread[]): readonly JudgedThread[] {
  const mutexes = new Map<number, Map<bigint, Hold>>();
  for (const { waits } of threads) {
    if (waits?.kind !== 'pthread-mutex' || waits.owner === undefined || waits.address === undefined) continue;
    const { kind, owner, address, confidence, ownerConfidence = confidence, ownerEvidence = [] } = waits;
    const held = mutexes.get(owner) ?? new Map<bigint, Hold>();
    mutexes.set(owner, held.set(address, { kind, address, confidence: ownerConfidence, evidence: ownerEvidence }));
  }
  return threads.map(thread => {
    const held = mutexes.get(thread.lwp);
    return held === undefined ? thread : { ...thread, holds: [...thread.holds, ...held.values()] };
  });
}
