import { formatAddress } from '../corefile/memory.ts';
import type { Layout } from './layout.ts';
import { type Heap, MalformedPythonError } from './objects/heap.ts';

/**
 * The layout as the runtime itself describes it (`_Py_DebugOffsets`, Include/internal/pycore_runtime.h of 3.13): our
 * table with the numbers that the process gives. Without a description in this layout the table as it is.
 * @throws MalformedPythonError when the cookie is missing, version or shape of objects are others, or only one of the
 * two is free-threaded
 */
export function describedLayout(heap: Heap, structure: bigint): { layout: Layout; notes: readonly string[] } {
  const { layout } = heap;
  const { debugOffsets } = layout;
  if (!debugOffsets) return { layout, notes: [] };
  const bytes = heap.read(structure, debugOffsets.size);
  if (bytes.toString('latin1', 0, debugOffsets.cookie.length) !== debugOffsets.cookie)
    throw new MalformedPythonError(`no "${debugOffsets.cookie}" at ${formatAddress(structure)}`);
  const version = bytes.readUInt32LE(debugOffsets.version);
  const minor = `${version >>> 24}.${(version >>> 16) & 0xff}`;
  if (minor !== layout.minor)
    throw new MalformedPythonError(`the runtime describes ${minor}, expected ${layout.minor}`);
  const isFreeThreaded = bytes.readUInt32LE(debugOffsets.freeThreaded) !== 0;
  if (isFreeThreaded !== (layout.freeThreaded === true))
    throw new MalformedPythonError(
      isFreeThreaded
        ? `the ${minor} build is free-threaded, and this table is of one with a GIL`
        : `the ${minor} build has a GIL, and this table is of a free-threaded one`,
    );
  const described = structuredClone(layout);
  const changed: string[] = [];
  for (const [key, position] of Object.entries(debugOffsets.fields)) {
    const [at, from] = typeof position === 'number' ? [position] : position;
    const offset = bytes.readBigUInt64LE(at) - (from === undefined ? 0n : bytes.readBigUInt64LE(from));
    if (offset < 0n || offset > 1n << 24n) throw new MalformedPythonError(`the runtime describes ${key} as ${offset}`);
    if (setOffset(described, key.split('.'), Number(offset))) changed.push(key);
  }
  // Nothing of an object lies where the table says when its head is another.
  if (changed.includes('object.type'))
    throw new MalformedPythonError(`the runtime describes objects of another shape than ${layout.source.build}`);
  const notes = changed.length === 0 ? [] : [`the runtime's own offsets replace the table's: ${changed.join(', ')}`];
  return { layout: described, notes };
}

/** Whether the number at a path became another one. */
function setOffset(layout: object, path: readonly string[], offset: number): boolean {
  let at: object = layout;
  for (const key of path.slice(0, -1)) {
    const inner: unknown = Reflect.get(at, key);
    if (typeof inner !== 'object' || inner === null) return false;
    at = inner;
  }
  const last = path.at(-1) ?? '';
  const before: unknown = Reflect.get(at, last);
  if (before === offset) return false;
  return Reflect.set(at, last, offset);
}
