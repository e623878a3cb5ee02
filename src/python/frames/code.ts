import { formatAddress } from '../../corefile/memory.ts';
import { attempt, type Heap, MalformedPythonError } from '../objects/heap.ts';
import { type ExceptionEntry, parseExceptionTable } from './exception-table.ts';
import { lineAt } from './line-table.ts';

export interface CodeVariable {
  readonly name: string;
  /** Whether its slot holds a cell once its function has begun. */
  readonly mayBeCell: boolean;
  readonly argument: boolean;
}

/** A PyCodeObject as far as stacks and locks need it; tables are read on demand and kept. */
export class Code {
  readonly address: bigint;
  readonly function: string;
  readonly file: string;
  readonly firstLine: number;
  /** Most values on its stack. */
  readonly stackSize: number;
  /** Slots below the value stack, where the frame does not say. */
  readonly slotCount: number;
  readonly #heap: Heap;
  #lines: Buffer | undefined;
  #bytecode: Buffer | undefined;
  #exceptions: readonly ExceptionEntry[] | undefined;
  #slotNames: readonly string[] | undefined;
  #variables: readonly CodeVariable[] | undefined;

  /** @throws HangarError when there is no code object */
  constructor(heap: Heap, address: bigint) {
    const { code } = heap.layout;
    const { name } = heap.typeOf(address);
    if (name !== code.typeName)
      throw new MalformedPythonError(`${formatAddress(address)} is a "${name}", expected "${code.typeName}"`);
    const text = (offset: number) => heap.text(heap.pointer(address + BigInt(offset)));
    const { qualifiedName } = code;
    const label = qualifiedName === undefined ? undefined : attempt(() => text(qualifiedName));
    this.#heap = heap;
    this.address = address;
    this.function = label ?? text(code.name) ?? '?';
    this.file = text(code.file) ?? '?';
    this.firstLine = heap.int(address + BigInt(code.firstLine));
    this.stackSize = clamp(heap.int(address + BigInt(code.stackSize)), 1 << 16);
    this.slotCount = code.slotCount === undefined ? 0 : clamp(heap.int(address + BigInt(code.slotCount)), 1 << 16);
  }

  /** Line of the instruction at a byte offset; the first line before any has run. */
  lineAt(offset: number): number {
    const { shape, offset: field } = this.#heap.layout.code.lines;
    if (offset < 0) return this.firstLine;
    this.#lines ??= this.#heap.bytes(this.#heap.pointer(this.address + BigInt(field)));
    return lineAt(shape, this.#lines, this.firstLine, offset);
  }

  /** Where its instructions start in memory, for code that carries them. */
  get bytecodeAddress(): bigint {
    const { bytecode } = this.#heap.layout.code;
    if (bytecode.in === 'code') return this.address + BigInt(bytecode.offset);
    return this.#heap.pointer(this.address + BigInt(bytecode.offset)) + BigInt(this.#heap.layout.bytes.data);
  }

  /**
   * Where a copy of its instructions starts, by its index in `BytecodeCopies`.
   * @throws HangarError when there is no such copy
   */
  copyAddress(index: number): bigint {
    const { bytecode } = this.#heap.layout.code;
    if (index === 0 || bytecode.in === 'bytes' || bytecode.copies === undefined) return this.bytecodeAddress;
    const array = this.#heap.pointer(this.address + BigInt(bytecode.copies.array));
    const count = this.#heap.count(array + BigInt(bytecode.copies.count), copyLimit);
    const copy =
      index > 0 && index < count ? this.#heap.pointer(array + BigInt(bytecode.copies.entries + 8 * index)) : 0n;
    if (copy === 0n)
      throw new MalformedPythonError(
        `${this.function} has ${count} copies of its bytecode, expected one of index ${index}`,
      );
    return copy;
  }

  get bytecode(): Buffer {
    const { code, object } = this.#heap.layout;
    if (this.#bytecode) return this.#bytecode;
    if (code.bytecode.in === 'bytes')
      this.#bytecode = this.#heap.bytes(this.#heap.pointer(this.address + BigInt(code.bytecode.offset)));
    else {
      const units = this.#heap.count(this.address + BigInt(object.itemCount), 1 << 20);
      this.#bytecode = this.#heap.read(this.bytecodeAddress, 2 * units);
    }
    return this.#bytecode;
  }

  opcodeAt(offset: number): number | undefined {
    return this.bytecode[offset];
  }

  get exceptions(): readonly ExceptionEntry[] {
    const field = this.#heap.layout.code.exceptionTable;
    this.#exceptions ??=
      field === undefined
        ? []
        : parseExceptionTable(this.#heap.bytes(this.#heap.pointer(this.address + BigInt(field)), 1 << 20));
    return this.#exceptions;
  }

  /** All slots below the value stack: arguments, locals, then what closures share. */
  get variables(): readonly CodeVariable[] {
    this.#variables ??= this.#readVariables();
    return this.#variables;
  }

  #readVariables(): readonly CodeVariable[] {
    const { slotKinds, cellNames, freeNames } = this.#heap.layout.code;
    const field = (offset: number) => this.#heap.pointer(this.address + BigInt(offset));
    const kinds = slotKinds === undefined ? undefined : this.#heap.bytes(field(slotKinds), 1 << 16);
    const count = this.#argumentCount();
    const own = this.slotNames.map((name, index) => ({
      name,
      mayBeCell: ((kinds?.[index] ?? 0) & cellKinds) !== 0,
      argument: index < count,
    }));
    const shared = [cellNames, freeNames].flatMap(offset => (offset === undefined ? [] : this.#names(field(offset))));
    // The cell of an argument stands for it: its own slot is empty, or keeps what it was called with (2.7).
    const isArgument = (name: string) => own.some(variable => variable.name === name && variable.argument);
    return [...own, ...shared.map(name => ({ name, mayBeCell: true, argument: isArgument(name) }))];
  }

  #argumentCount(): number {
    const { argumentCount, keywordOnlyCount, flags } = this.#heap.layout.code;
    const int = (offset: number) => this.#heap.int(this.address + BigInt(offset));
    const bits = int(flags);
    const rest = [varArguments, varKeywords].filter(flag => (bits & (flag ?? 0)) !== 0).length;
    return int(argumentCount) + (keywordOnlyCount === undefined ? 0 : int(keywordOnlyCount)) + rest;
  }

  #names(tuple: bigint): readonly string[] {
    return this.#heap.tuple(tuple).map(name => attempt(() => this.#heap.text(name, 256)) ?? '');
  }

  /** Names of the first slots: arguments, then locals. */
  get slotNames(): readonly string[] {
    const field = this.#heap.layout.code.slotNames;
    this.#slotNames ??= this.#names(this.#heap.pointer(this.address + BigInt(field)));
    return this.#slotNames;
  }
}

/** Threads that a process may have: each has one copy, and the array grows by doubling. */
const copyLimit = 1 << 16;
/** Include/cpython/code.h (`CO_FAST_CELL`, `CO_FAST_FREE`), 3.11. */
const cellKinds = 0x40 | 0x80;
/** Include/code.h (`CO_VARARGS`, `CO_VARKEYWORDS`): each is one more argument. */
const [varArguments, varKeywords] = [0x4, 0x8];

function clamp(value: number, limit: number): number {
  return Math.max(0, Math.min(value, limit));
}
