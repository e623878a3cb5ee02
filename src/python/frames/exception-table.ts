/** One range of `co_exceptiontable`; offsets in bytes. */
export interface ExceptionEntry {
  readonly start: number;
  readonly end: number;
  readonly handler: number;
  /** Values that stay on the stack when the handler is entered. */
  readonly depth: number;
}

/** Entries in table order. Source: Objects/exception_handling_notes.txt (3.11). */
export function parseExceptionTable(table: Buffer): readonly ExceptionEntry[] {
  const entries: ExceptionEntry[] = [];
  for (let at = 0; at < table.length; ) {
    const numbers: number[] = [];
    for (let field = 0; field < 4; field++) {
      let value = 0;
      for (let more = true; more && at < table.length; ) {
        const byte = table.readUInt8(at++);
        value = (value * 64 + (byte & 63)) % 2 ** 40;
        more = (byte & 64) !== 0;
      }
      numbers.push(value);
    }
    const [start = 0, length = 0, handler = 0, depthAndLasti = 0] = numbers;
    entries.push({ start: 2 * start, end: 2 * (start + length), handler: 2 * handler, depth: depthAndLasti >> 1 });
  }
  return entries;
}

/** Handlers that are followed: the compiler nests no more than 20 blocks, of a few handlers each (CO_MAXBLOCKS). */
const handlerLimit = 256;

/**
 * The handlers that would run one after the other if each raised again, innermost first: what is active at an
 * offset. Ends on the first handler seen twice.
 */
export function activeHandlers(entries: readonly ExceptionEntry[], offset: number): readonly ExceptionEntry[] {
  const active: ExceptionEntry[] = [];
  for (let at = offset; ; ) {
    const entry = entries.find(({ start, end }) => start <= at && at < end);
    if (!entry || active.length >= handlerLimit || active.some(({ handler }) => handler === entry.handler))
      return active;
    active.push(entry);
    at = entry.handler;
  }
}
