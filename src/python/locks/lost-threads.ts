import type { CoreThread } from '../../corefile/core.ts';
import { formatAddress } from '../../corefile/memory.ts';
import { type LostThread, lostThreads } from '../../corefile/pthreads.ts';
import type { FrameReader, LiveFrame } from '../frames/frames.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { LockKind, LostPythonThread, PythonThread } from '../process.ts';
import type { PythonTarget } from '../target.ts';
import { heldLocks } from './locks.ts';

const lockKinds: ReadonlySet<string> = new Set<LockKind>(['python-lock', 'python-rlock', 'import-lock']);

/** Bytes of one stack, from its outer end, that are looked through. */
const stackBytes = 1 << 20;
/** Words of all stacks that look like a frame, of which each is tried. */
const candidateLimit = 20_000;

/**
 * Python threads that were left behind when the process was forked. CPython forgets their thread states in the child
 * (`PyThreadState_Clear` in `PyOS_AfterFork_Child`, 3.x; 2.7 forgets nothing) but their frames stay as they were: no code
 * of theirs ran any more that would have given them back. What is left of their native stacks leads to them.
 */
export function readLostThreads(
  heap: Heap,
  reader: FrameReader,
  { core, memory }: Pick<PythonTarget, 'core' | 'memory'>,
  threads: readonly PythonThread[],
): readonly LostPythonThread[] {
  const live = new Set(threads.flatMap(({ frames }) => frames.map(({ address }) => address)));
  const budget = { left: candidateLimit };
  return lostThreads({ ...core, memory }).map(lost => {
    const frames = longestStack(heap, reader, lost, live, budget);
    return {
      threadId: lost.address,
      frames: frames.map(({ frame }) => frame),
      holds: attempt(() => heldLocks(heap, lost.address, frames)) ?? [],
      evidence: lostEvidence(lost),
    };
  });
}

/** Thread states whose thread is none of the core's: 2.7 keeps those of the process that was forked (Python/pystate.c). */
export function forgottenStates(heap: Heap, threads: readonly PythonThread[]): readonly LostPythonThread[] {
  const isKnown = threads.some(({ lwp }) => lwp !== undefined);
  return threads
    .filter(({ lwp, frames }) => isKnown && lwp === undefined && frames.length > 0)
    .map(({ address, threadId, frames, holds }) => {
      const again = threads.some(other => other.lwp !== undefined && other.threadId === threadId);
      const text = again
        ? `the thread state ${formatAddress(address)} is of a thread ${formatAddress(threadId)} before the one that has a newer state`
        : `the thread state ${formatAddress(address)} is of the thread ${formatAddress(threadId)}, which this process does not have`;
      const field = address + BigInt(heap.layout.thread.threadId);
      return { threadId, frames, holds, evidence: [{ text, address: field, value: threadId, bytes: 8 }] };
    });
}

/** Whether some thread waits for a lock that no live thread is known to hold: what it costs to look further is worth it then. */
export function hasUnknownOwner(threads: readonly PythonThread[], cores: readonly CoreThread[]): boolean {
  const live = new Set(cores.map(({ pthread }) => pthread));
  const held = new Set(
    threads.flatMap(({ lwp, holds }) => (lwp === undefined ? [] : holds.map(({ address }) => address))),
  );
  return threads.some(
    ({ waits }) =>
      waits !== undefined &&
      lockKinds.has(waits.kind) &&
      !held.has(waits.address) &&
      (waits.ownerThreadId === undefined || !live.has(waits.ownerThreadId)),
  );
}

function lostEvidence({ address, id, idField, endField, endFlags }: LostThread): LostPythonThread['evidence'] {
  const cleared = id === 0 ? '0: fork() clears it in the child' : `${id}, which no thread of this process has`;
  return [
    {
      text: `its thread ${formatAddress(address)} has the thread id ${cleared}`,
      address: idField,
      value: BigInt(id),
      bytes: 4,
    },
    {
      text: 'and never ended, by its flags: a fork left it behind',
      address: endField,
      value: BigInt(endFlags),
      bytes: 4,
    },
  ];
}

/**
 * The longest chain of frames that the stack leads to. What is left there of functions that had returned leads to frames
 * that were given back, or to those of live threads; the innermost of the others has all of its callers behind it.
 */
function longestStack(
  heap: Heap,
  reader: FrameReader,
  { address, stackStart }: LostThread,
  live: ReadonlySet<bigint>,
  budget: { left: number },
): readonly LiveFrame[] {
  const length = address - stackStart < BigInt(stackBytes) ? Number(address - stackStart) & ~7 : stackBytes;
  const bytes = attempt(() => heap.read(address - BigInt(length), length));
  if (bytes === undefined) return [];
  const tried = new Set<bigint>();
  let longest: readonly LiveFrame[] = [];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const high = bytes.readUInt32LE(at + 4);
    const low = bytes.readUInt32LE(at);
    if (high > 0xffff || low % 8 !== 0 || (high === 0 && low < 65_536)) continue;
    const word = bytes.readBigUInt64LE(at);
    if (tried.has(word) || live.has(word)) continue;
    tried.add(word);
    if (budget.left-- <= 0) break;
    if (longest.some(({ frame }) => frame.address === word)) continue;
    const { frames, stopped } = reader.walkFrom(word);
    if (stopped !== undefined || frames.length <= longest.length || frames.length < 2) continue;
    if (frames.every(({ frame }) => !live.has(frame.address) && isAlive(heap, frame.address))) longest = frames;
  }
  return longest;
}

/** Frame objects have a count of references, which is 0 once they are given back; others lie on a stack of their own. */
function isAlive(heap: Heap, frame: bigint): boolean {
  return heap.layout.frame.shape !== 'frame-object' || (attempt(() => heap.pointer(frame)) ?? 0n) > 0n;
}
