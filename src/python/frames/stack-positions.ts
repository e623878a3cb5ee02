import type { CoreThread } from '../../corefile/core.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { PythonFrame, PythonThread } from '../process.ts';

/** Bytes of one native stack that are looked through. */
const stackLimit = 8n << 20n;
const chunkBytes = 1 << 16;

/**
 * The thread states, where several of them have frames on one native stack each with the places of its calls there. From
 * 3.12 on the frames say it themselves. Before, the highest word of the stack that points to a frame tells: it is a local
 * variable of the C function that runs it, or of its caller; functions called later lie lower, and what is left of
 * functions that have returned cannot lie higher.
 */
export function placeOnStacks(
  heap: Heap,
  cores: readonly CoreThread[],
  threads: readonly PythonThread[],
): readonly PythonThread[] {
  const several = new Set<number>();
  const seen = new Set<number>();
  for (const { lwp, frames } of threads) {
    if (lwp === undefined || frames.length === 0) continue;
    if (seen.has(lwp)) several.add(lwp);
    seen.add(lwp);
  }
  if (several.size === 0) return threads;
  const places = new Map<number, ReadonlyMap<bigint, bigint>>();
  for (const core of cores) {
    if (!several.has(core.lwp)) continue;
    const unplaced = threads
      .filter(({ lwp }) => lwp === core.lwp)
      .flatMap(({ frames }) => frames.filter(({ entry, position }) => entry && position === undefined));
    places.set(core.lwp, highestPointers(heap, core, unplaced));
  }
  return threads.map(thread => {
    const known = places.get(thread.lwp ?? -1);
    return known === undefined ? thread : { ...thread, frames: thread.frames.map(frame => placed(frame, known)) };
  });
}

function placed(frame: PythonFrame, places: ReadonlyMap<bigint, bigint>): PythonFrame {
  const position = frame.entry ? (frame.position ?? places.get(frame.address)) : undefined;
  return position === undefined ? frame : { ...frame, position };
}

/** Address of a frame → highest address of the stack that holds it. */
function highestPointers(
  heap: Heap,
  { stackPointer, pthread = 0n }: CoreThread,
  frames: readonly PythonFrame[],
): ReadonlyMap<bigint, bigint> {
  const found = new Map<bigint, bigint>();
  if (frames.length === 0) return found;
  const wanted = new Set(frames.map(({ address }) => address));
  const lowHalves = new Set(frames.map(({ address }) => Number(address & 0xffff_ffffn)));
  const start = stackPointer & ~7n;
  const limit = start + stackLimit;
  // glibc puts the thread's own structure above its stack; the main thread's lies elsewhere.
  const end = pthread > start && pthread < limit ? pthread : limit;
  for (let at = start; at < end; at += BigInt(chunkBytes)) {
    const bytes = readAvailable(heap, at, Number(end - at < BigInt(chunkBytes) ? end - at : chunkBytes));
    for (let offset = 0; offset + 8 <= bytes.length; offset += 8) {
      if (!lowHalves.has(bytes.readUInt32LE(offset))) continue;
      const word = bytes.readBigUInt64LE(offset);
      if (wanted.has(word)) found.set(word, at + BigInt(offset));
    }
    if (bytes.length < chunkBytes) break;
  }
  return found;
}

/** As much as there is from an address on, page by page at the end of the stack. */
function readAvailable(heap: Heap, address: bigint, length: number): Buffer {
  const whole = attempt(() => heap.read(address, length));
  if (whole !== undefined) return whole;
  const parts: Buffer[] = [];
  for (let done = 0; done < length; ) {
    const toPageEnd = 4096 - Number((address + BigInt(done)) & 4095n);
    const step = Math.min(toPageEnd, length - done);
    const part = attempt(() => heap.read(address + BigInt(done), step));
    if (part === undefined) break;
    parts.push(part);
    done += step;
  }
  return Buffer.concat(parts);
}
