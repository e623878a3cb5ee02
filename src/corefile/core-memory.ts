import type { Segment } from './core.ts';
import type { FileBytes } from './file-bytes.ts';
import type { Memory } from './memory.ts';
import { UnreadableMemoryError } from './memory.ts';

/** No structure is that large; a length read from a damaged core may be. */
const maxReadBytes = 16 * 1024 * 1024;

const pageBytes = 4096;
/** Pages that are kept: 16 MiB. */
const maxPages = 4096;

/** The memory that a core's segments hold. Parts that were not dumped, or lie past the file's end, are unreadable. */
export function coreMemory(file: FileBytes, segments: readonly Segment[]): Memory {
  let recent: Segment | undefined;
  // By address. Most reads are of a few bytes, and of pages that were read before.
  // A Map iterates in insertion order: its first key is the page that was loaded longest ago.
  const pages = new Map<number, Buffer>();

  function segmentAt(address: bigint): Segment | undefined {
    if (recent !== undefined && holds(recent, address)) return recent;
    const found = segments[upperBound(segments, address) - 1];
    if (found === undefined || !holds(found, address)) return undefined;
    recent = found;
    return found;
  }

  /** The page at an address; undefined where it was not dumped as a whole. */
  function page(address: number): Buffer | undefined {
    const known = pages.get(address);
    if (known !== undefined) return known;
    const segment = segmentAt(BigInt(address));
    if (segment === undefined) return undefined;
    const skipped = BigInt(address) - segment.address;
    if (segment.fileBytes - skipped < pageBytes) return undefined;
    const bytes = file.readOnce(Number(segment.fileOffset + skipped), pageBytes);
    if (bytes.length < pageBytes) return undefined;
    if (pages.size >= maxPages) pages.delete(pages.keys().next().value ?? address);
    pages.set(address, bytes);
    return bytes;
  }

  function readWithin(address: bigint, length: number): Buffer | undefined {
    const segment = segmentAt(address);
    if (segment === undefined) return undefined;
    const skipped = address - segment.address;
    const room = segment.fileBytes - skipped;
    const wanted = room < BigInt(length) ? Number(room) : length;
    const bytes = file.read(Number(segment.fileOffset + skipped), wanted);
    return bytes.length === wanted ? bytes : undefined;
  }

  return {
    read(address, length) {
      if (length === 0) return Buffer.alloc(0);
      const at = Number(address);
      const within = at % pageBytes;
      if (length > 0 && within + length <= pageBytes && at >= 0 && at <= Number.MAX_SAFE_INTEGER) {
        const bytes = page(at - within);
        if (bytes !== undefined) return bytes.subarray(within, within + length);
      }
      if (!(length > 0 && length <= maxReadBytes)) throw new UnreadableMemoryError(address, length);
      const first = readWithin(address, length);
      if (first === undefined) throw new UnreadableMemoryError(address, length);
      if (first.length === length) return first;
      const parts = [first];
      for (let done = first.length; done < length; ) {
        const part = readWithin(address + BigInt(done), length - done);
        if (part === undefined) throw new UnreadableMemoryError(address, length);
        parts.push(part);
        done += part.length;
      }
      return Buffer.concat(parts, length);
    },
  };
}

function holds(segment: Segment, address: bigint): boolean {
  return address >= segment.address && address - segment.address < segment.fileBytes;
}

/** Index of the first segment that starts after `address`. */
function upperBound(segments: readonly Segment[], address: bigint): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const segment = segments[middle];
    if (segment !== undefined && segment.address <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}
