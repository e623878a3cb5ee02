import type { PythonProcess } from '../python/process.ts';
import { bySureness } from './confidence.ts';
import type { Owner } from './describe-wait.ts';

/**
 * Who holds a lock object: the thread that the lock names, else the one whose `with` block shows that it holds it, the
 * surest first. The waiter itself counts, since a plain lock can be waited for by its own holder. Several such threads
 * contradict each other (a lock may be released by a thread that did not take it): then each is no more than suspected.
 */
export function lockOwners(python: PythonProcess | undefined) {
  const byThreadId = new Map<bigint, number>();
  const holders = new Map<bigint, Owner[]>();
  for (const { lwp, threadId, address, holds } of python?.threads ?? []) {
    if (lwp === undefined) continue;
    byThreadId.set(threadId, lwp).set(address, lwp);
    for (const hold of holds) {
      holders.set(hold.address, [...(holders.get(hold.address) ?? []), { lwp, confidence: hold.confidence }]);
    }
  }
  return (waiter: number, lock: bigint, ownerThreadId?: bigint): Owner | undefined => {
    const named = ownerThreadId === undefined ? undefined : byThreadId.get(ownerThreadId);
    if (named !== undefined) return { lwp: named, confidence: 'proven' };
    const found = holders.get(lock) ?? [];
    const [first] = found.toSorted(
      (a, b) => bySureness(a.confidence, b.confidence) || Number(a.lwp === waiter) - Number(b.lwp === waiter),
    );
    const isDisputed = found.some(({ lwp }) => lwp !== first?.lwp);
    return first && isDisputed ? { ...first, confidence: 'suspected' } : first;
  };
}
