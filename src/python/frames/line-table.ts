import type { CodeLayout } from '../layout.ts';

/**
 * Line of the instruction at a byte offset into the bytecode; 0 when the table says that it has none.
 * Sources: Objects/lnotab_notes.txt (2.7, 3.9, 3.10), Objects/locations.md (3.11).
 */
export function lineAt(shape: CodeLayout['lines']['shape'], table: Buffer, firstLine: number, offset: number): number {
  switch (shape) {
    case 'lnotab':
      return lineByLnotab(table, firstLine, offset, false);
    case 'lnotab-signed':
      return lineByLnotab(table, firstLine, offset, true);
    case 'linetable':
      return lineByLineTable(table, firstLine, offset);
    case 'location-table':
      return lineByLocationTable(table, firstLine, offset);
    default:
      return shape satisfies never;
  }
}

/** Pairs of steps: bytes, lines; a line holds from its address on. */
function lineByLnotab(table: Buffer, firstLine: number, offset: number, signed: boolean): number {
  let address = 0;
  let line = firstLine;
  for (let at = 0; at + 1 < table.length; at += 2) {
    address += table.readUInt8(at);
    if (address > offset) break;
    line += signed ? table.readInt8(at + 1) : table.readUInt8(at + 1);
  }
  return line;
}

/** Pairs: bytes of the range, step of its line; −128 is a range without a line. */
function lineByLineTable(table: Buffer, firstLine: number, offset: number): number {
  let end = 0;
  let line = firstLine;
  for (let at = 0; at + 1 < table.length; at += 2) {
    end += table.readUInt8(at);
    const step = table.readInt8(at + 1);
    if (step !== -128) line += step;
    if (offset < end) return step === -128 ? 0 : line;
  }
  return line;
}

/** Entries that start with a byte above 127: a form, and how many code units (2 bytes) they span. */
function lineByLocationTable(table: Buffer, firstLine: number, offset: number): number {
  let line = firstLine;
  let end = 0;
  for (let at = 0; at < table.length; ) {
    const head = table.readUInt8(at++);
    const form = (head >> 3) & 15;
    const step = form === 13 || form === 14 ? signedVarint(table, at) : form >= 10 && form <= 12 ? form - 10 : 0;
    line += step;
    end += 2 * ((head & 7) + 1);
    if (offset < end) return form === 15 ? 0 : line;
    while (at < table.length && table.readUInt8(at) < 128) at++;
  }
  return line;
}

function signedVarint(table: Buffer, start: number): number {
  let value = 0;
  for (let at = start, shift = 0; at < table.length && shift < 32; at++, shift += 6) {
    const byte = table.readUInt8(at);
    value |= (byte & 63) << shift;
    if (!(byte & 64)) break;
  }
  return value & 1 ? -(value >> 1) : value >> 1;
}
