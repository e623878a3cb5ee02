import type { CoreThread } from '../corefile/core.ts';
import { formatAddress, type Memory } from '../corefile/memory.ts';
import { type Pthread, readPthread } from '../corefile/pthreads.ts';
import type { Evidence, LostPythonThread, PythonProcess, PythonWait } from '../python/process.ts';
import type { Orphan } from './thread.ts';

/**
 * Finds out whether a lock's owner exists. It does not where the lock names a thread that the core does not have, or where
 * a thread that was lost in a fork stands inside the lock's `with` block; a thread that runs no Python counts as existing.
 */
export function lockOrphans(
  python: PythonProcess | undefined,
  cores: readonly CoreThread[],
  memory?: Memory,
): (waits: PythonWait) => Orphan | undefined {
  const pointers = new Set(cores.map(({ pthread }) => pthread));
  // The ids of Python's threads are those of the core's: else no state would have found its thread.
  const areComparable = !pointers.has(undefined) && (python?.threads.some(({ lwp }) => lwp !== undefined) ?? false);
  const lost = python?.lost ?? [];
  const inBlocks = new Set(
    python?.threads.flatMap(({ lwp, holds }) =>
      lwp === undefined ? [] : holds.flatMap(({ frame, address }) => (frame === undefined ? [] : [address])),
    ),
  );
  return ({ address, ownerThreadId }) => {
    if (!areComparable || inBlocks.has(address)) return undefined;
    const left = lost.find(({ holds }) => holds.some(hold => hold.address === address && hold.frame !== undefined));
    if (left !== undefined) return leftBehind(left, address);
    if (ownerThreadId === undefined || ownerThreadId === 0n || pointers.has(ownerThreadId)) return undefined;
    const owner = memory && readPthread(memory, ownerThreadId);
    return {
      // What is left of the thread shows that the lock's field is no damage. Its stack may be gone, though.
      confidence: owner === undefined ? 'likely' : 'proven',
      by: fateOf(owner),
      evidence: [
        { text: `none of the ${cores.length} threads of this process is the thread ${formatAddress(ownerThreadId)}` },
        ...(owner === undefined ? [] : fateEvidence(owner)),
      ],
    };
  };
}

function leftBehind({ frames, holds, evidence }: LostPythonThread, lock: bigint): Orphan {
  const hold = holds.find(({ address, frame }) => address === lock && frame !== undefined);
  const frame = frames[hold?.frame ?? 0];
  const line = hold?.at?.line ?? frame?.line ?? 0;
  return {
    confidence: hold?.confidence ?? 'likely',
    by: 'forked',
    ...(frame && { at: { function: frame.function, file: frame.file, line } }),
    evidence: [...(hold?.evidence ?? []), ...evidence],
  };
}

function fateOf(owner: Pthread | undefined): Orphan['by'] {
  if (owner === undefined) return 'gone';
  return owner.hasEnded ? 'ended' : 'forked';
}

/** What is left of a thread tells how it went: one that ends marks itself, one that a fork leaves behind cannot. */
function fateEvidence({ address, id, idField, hasEnded, endField, endFlags }: Pthread): readonly Evidence[] {
  return [
    { text: `thread ${formatAddress(address)} has the thread id ${id}`, address: idField, value: BigInt(id), bytes: 4 },
    {
      text: hasEnded ? 'and has ended, by its flags' : 'and never ended, by its flags: a fork left it behind',
      address: endField,
      value: BigInt(endFlags),
      bytes: 4,
    },
  ];
}
