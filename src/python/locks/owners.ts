import { formatAddress } from '../../corefile/memory.ts';
import { type HeldLock, type LockKind, lockKinds, type PythonThread, type PythonWait } from '../process.ts';

/** The threads, each with the locks besides that others wait for and that name it as their owner. */
export function settleOwners(threads: readonly PythonThread[]): readonly PythonThread[] {
  return threads.map(thread => {
    const missing = new Map<bigint, HeldLock>();
    for (const { waits } of threads) {
      if (waits === undefined || waits.ownerThreadId !== thread.threadId) continue;
      if (!isLock(waits.kind) || thread.holds.some(({ address }) => address === waits.address)) continue;
      missing.set(waits.address, {
        kind: waits.kind,
        address: waits.address,
        confidence: waits.confidence,
        evidence: [
          {
            text: `the lock ${formatAddress(waits.address)} names the thread ${formatAddress(thread.threadId)} as its owner`,
          },
          ...waits.evidence.filter(({ text }) => text.includes('owner')),
        ],
      });
    }
    return missing.size === 0 ? thread : { ...thread, holds: [...thread.holds, ...missing.values()] };
  });
}

const locks: ReadonlySet<PythonWait['kind']> = new Set(lockKinds);

function isLock(kind: PythonWait['kind']): kind is LockKind {
  return locks.has(kind);
}
