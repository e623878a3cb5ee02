import { formatAddress, type Memory, readCString, UnreadableMemoryError } from '../../corefile/memory.ts';
import { HangarError } from '../../errors.ts';
import type { Layout } from '../layout.ts';

/** Most entries of one dict, tuple or key table that are looked at; more are left out. */
const entryLimit = 4096;
/** Bytes of one table (line numbers, exceptions, bytecode); longer ones are taken for damage. */
const tableLimit = 4 << 20;
/** Characters of a key that are compared: no name that is looked for is that long. */
const keyLimit = 128;
/** Bytes before the data of a text: a layout that a damaged runtime describes may say anything. */
const headLimit = 128;
/** Texts of keys that are kept. */
const keptKeys = 1 << 16;
/** User space ends below this on x86-64 and AArch64, five-level paging included. */
const addressLimit = 1n << 56n;

/** What lies in memory is not what the layout says must be there. */
export class MalformedPythonError extends HangarError {
  constructor(message: string) {
    super({
      code: 'PYTHON_MALFORMED',
      message,
      fix: 'take the core again: this one was cut off or overwritten there',
      failure: 'step',
    });
  }
}

export interface PythonType {
  /** `tp_name`: with the module for types written in C; empty when it was not dumped and not learned. */
  readonly name: string;
  readonly flags: number;
  readonly dictOffset: number;
  readonly cachedKeys: bigint;
}

/** Of a dict: key, value, and the address of the word that refers to the value. */
type Item = readonly [key: bigint, value: bigint, slot: bigint];

/** A method bound to an object: written in C, or in Python. */
export type BoundMethod =
  | { readonly by: 'c'; readonly name?: string; readonly self: bigint; readonly selfField: bigint }
  | { readonly by: 'python'; readonly code: bigint; readonly self: bigint; readonly selfField: bigint };

/** Python objects by address: a `Memory` seen through a layout. Every reader throws HangarError on damage, never loops. */
export class Heap {
  readonly memory: Memory;
  readonly layout: Layout;
  readonly #types = new Map<bigint, PythonType>();
  readonly #names = new Map<bigint, string>();
  readonly #keys = new Map<bigint, string>();
  #learnNames: (() => void) | undefined;

  constructor(memory: Memory, layout: Layout) {
    this.memory = memory;
    this.layout = layout;
  }

  read(address: bigint, length: number): Buffer {
    if (address < 4096n || address >= addressLimit) throw new UnreadableMemoryError(address, length);
    return this.memory.read(address, length);
  }

  pointer(address: bigint): bigint {
    return this.read(address, 8).readBigUInt64LE();
  }

  /** `int` */
  int(address: bigint): number {
    return this.read(address, 4).readInt32LE();
  }

  byte(address: bigint): number {
    return this.read(address, 1).readUInt8();
  }

  /** `Py_ssize_t` that counts something: refused when negative or above `limit`. */
  count(address: bigint, limit: number): number {
    return countIn(this.read(address, 8), 0, address, limit);
  }

  typeOf(object: bigint): PythonType {
    const address = this.typeAddress(object);
    const known = this.#types.get(address);
    if (known) return known;
    const { name, flags, dictOffset, cachedKeys } = this.layout.type;
    const type: PythonType = {
      name: this.#typeName(address, this.pointer(address + BigInt(name))),
      flags: Number(BigInt.asUintN(32, this.pointer(address + BigInt(flags)))),
      dictOffset: Number(this.read(address + BigInt(dictOffset), 8).readBigInt64LE()),
      cachedKeys: cachedKeys === undefined ? 0n : this.#pointerOrNull(address + BigInt(cachedKeys)),
    };
    this.#types.set(address, type);
    return type;
  }

  /** `learn` is called once, when a type is met whose own name lies in read-only data that is not had; see `nameType`. */
  learnNamesBy(learn: () => void): void {
    this.#learnNames = learn;
  }

  /** Names a type whose own name lies in read-only data that was not dumped. */
  nameType(address: bigint, name: string): void {
    this.#names.set(address, name);
    this.#types.delete(address);
  }

  /** `tp_basicsize` of an object's type: it follows `tp_name` in every version (Include/cpython/object.h). */
  basicSize(object: bigint): number {
    return this.count(this.typeAddress(object) + BigInt(this.layout.type.name + 8), 1 << 20);
  }

  /** Address of an object's type. */
  typeAddress(object: bigint): bigint {
    return this.pointer(object + BigInt(this.layout.object.type));
  }

  /** Address of a field by its place behind an object's head: `PyObject_HEAD` ends with `ob_type` (Include/object.h). */
  field(object: bigint, offset: number): bigint {
    return object + BigInt(this.layout.object.type + 8 + offset);
  }

  /** A number of Python, a float or an integer of at most 64 bits; undefined for other objects. */
  number(object: bigint): number | undefined {
    if (this.typeOf(object).name === 'float')
      return this.read(object + BigInt(this.layout.values.float), 8).readDoubleLE();
    const whole = this.integer(object);
    return whole === undefined ? undefined : Number(whole);
  }

  /** Objects by text key, for the keys that are texts. */
  *namedItems(dict: bigint): Generator<readonly [string, bigint]> {
    for (const [key, value] of this.#dictItems(dict)) {
      const name = attempt(() => this.text(key, 256));
      if (name !== undefined) yield [name, value];
    }
  }

  /** Keys and values of a dict as they are. */
  *pairs(dict: bigint): Generator<readonly [key: bigint, value: bigint]> {
    for (const [key, value] of this.#dictItems(dict)) yield [key, value];
  }

  /** `tp_name` of a type itself. */
  nameOfType(type: bigint): string {
    return this.#typeName(type, this.pointer(type + BigInt(this.layout.type.name)));
  }

  /** Keys of a dict as they are. */
  *keys(dict: bigint): Generator<bigint> {
    for (const [key] of this.#dictItems(dict)) yield key;
  }

  /** Values of a dict. */
  *values(dict: bigint): Generator<bigint> {
    for (const [, value] of this.#dictItems(dict)) yield value;
  }

  /** `typeOf`, or undefined where no object is. */
  typeNameOf(object: bigint): string | undefined {
    try {
      return object === 0n ? undefined : this.typeOf(object).name;
    } catch (error) {
      if (error instanceof HangarError) return undefined;
      throw error;
    }
  }

  /** Text of a `str`, or of a 2.7 `str` or `unicode`; at most `limit` characters of it. Undefined for other objects. */
  text(object: bigint, limit = 4096): string | undefined {
    const { name } = this.typeOf(object);
    const { text, bytes } = this.layout;
    if (name === text.typeName)
      return text.shape === 'legacy' ? this.#legacyText(object, limit) : this.#compactText(object, limit);
    if (name === bytes.typeName && text.shape === 'legacy') return this.#contents(object, limit).toString('utf8');
    return undefined;
  }

  /** Contents of a `bytes` (2.7: `str`) object, cut at `limit`. */
  bytes(object: bigint, limit = tableLimit): Buffer {
    const { typeName } = this.layout.bytes;
    const { name } = this.typeOf(object);
    if (name !== typeName)
      throw new MalformedPythonError(`${formatAddress(object)} is a "${name}", expected "${typeName}"`);
    return this.#contents(object, limit);
  }

  #contents(object: bigint, limit: number): Buffer {
    const { length, data } = this.layout.bytes;
    return this.read(object + BigInt(data), Math.min(this.count(object + BigInt(length), tableLimit), limit));
  }

  /** Value of an integer of at most 64 bits; undefined for other objects. */
  integer(object: bigint): bigint | undefined {
    const own = this.typeOf(object).name;
    // A bool is an int of value 0 or 1, in every version.
    const name = own === 'bool' ? 'int' : own;
    const { integer } = this.layout;
    if (integer.shape === 'signed-size' && integer.small !== undefined && name === 'int')
      return this.read(object + BigInt(integer.small), 8).readBigInt64LE();
    if (name !== 'int' && name !== 'long') return undefined;
    const { digits, negative } = this.#digitCount(object);
    if (digits > 3) return undefined;
    let value = 0n;
    for (let index = digits - 1; index >= 0; index--)
      value = (value << 30n) | BigInt(this.read(object + BigInt(integer.digits + 4 * index), 4).readUInt32LE());
    return negative ? -value : value;
  }

  tuple(object: bigint): readonly bigint[] {
    const { length, items } = this.layout.tuple;
    return this.pointers(object + BigInt(items), Math.min(this.count(object + BigInt(length), tableLimit), entryLimit));
  }

  /** Address of the object that a word of a frame refers to; 0 for a word that refers to none. */
  referent(word: bigint): bigint {
    const { frame } = this.layout;
    if (frame.shape !== 'interpreter-frame' || frame.tagged === undefined) return word;
    const mask = BigInt(frame.tagged.mask);
    return (word & mask) === BigInt(frame.tagged.integer) ? 0n : word & ~mask;
  }

  pointers(address: bigint, count: number): readonly bigint[] {
    if (count <= 0) return [];
    const buffer = this.read(address, 8 * count);
    return Array.from({ length: count }, (_, index) => buffer.readBigUInt64LE(8 * index));
  }

  /** Value under a text key; undefined when there is none. */
  item(dict: bigint, key: string): bigint | undefined {
    for (const [name, value] of this.#dictItems(dict)) if (this.#isText(name, key)) return value;
    return undefined;
  }

  /** Values under those of the keys that are there, in one pass. */
  items(dict: bigint, keys: readonly string[]): ReadonlyMap<string, bigint> {
    const wanted = new Set(keys);
    const found = new Map<string, bigint>();
    for (const [key, value] of this.#dictItems(dict)) {
      const name = this.#keyText(key);
      if (name !== undefined && wanted.delete(name)) found.set(name, value);
      if (wanted.size === 0) break;
    }
    return found;
  }

  /** An attribute that the instance itself holds, by any of the names; undefined when there is none. */
  attribute(object: bigint, ...names: readonly string[]): bigint | undefined {
    for (const [name, value] of this.#attributes(object))
      if (value !== 0n && names.some(candidate => this.#isText(name, candidate))) return value;
    return undefined;
  }

  /** As `attribute`, with the address of the word that refers to it. */
  attributeSlot(
    object: bigint,
    ...names: readonly string[]
  ): { readonly value: bigint; readonly slot: bigint } | undefined {
    for (const [name, value, slot] of this.#attributes(object))
      if (value !== 0n && names.some(candidate => this.#isText(name, candidate))) return { value, slot };
    return undefined;
  }

  /** Name of an instance's class, for classic classes too. */
  className(object: bigint): string {
    const { name } = this.typeOf(object);
    const { classic } = this.layout.instance;
    if (classic === undefined || name !== classic.typeName) return name;
    return this.text(this.pointer(this.pointer(object + BigInt(classic.class)) + BigInt(classic.className))) ?? name;
  }

  boundMethod(object: bigint): BoundMethod | undefined {
    const { builtin, method } = this.layout;
    const { name } = this.typeOf(object);
    if (name === 'builtin_function_or_method') {
      const selfField = object + BigInt(builtin.self);
      const definition = this.pointer(object + BigInt(builtin.definition));
      // Names of C functions are read-only data, which is not dumped as a rule.
      const label = attempt(() => this.#cString(this.pointer(definition + BigInt(builtin.name)), 64));
      return { by: 'c', ...(label !== undefined && { name: label }), self: this.pointer(selfField), selfField };
    }
    if (name === method.typeName) {
      const selfField = object + BigInt(method.self);
      const code = this.pointer(this.pointer(object + BigInt(method.function)) + BigInt(method.code));
      return { by: 'python', code, self: this.pointer(selfField), selfField };
    }
    return undefined;
  }

  #typeName(type: bigint, name: bigint): string {
    const known = this.#names.get(type);
    if (known !== undefined) return known;
    const own = attempt(() => this.#cString(name, 256));
    if (own !== undefined) return own;
    const learn = this.#learnNames;
    this.#learnNames = undefined;
    learn?.();
    const learned = this.#names.get(type);
    if (learned !== undefined) return learned;
    // Without this, any word that leads to memory would pass for an object.
    const { object, type: layout } = this.layout;
    const meta = this.pointer(type + BigInt(object.type));
    const flags = this.pointer(meta + BigInt(layout.flags));
    if (((flags >> 31n) & 1n) !== 1n)
      throw new MalformedPythonError(`${formatAddress(type)} is no type: its own type is none`);
    return '';
  }

  #legacyText(object: bigint, limit: number): string {
    const { text } = this.layout;
    const length = this.count(object + BigInt(text.length), tableLimit);
    const data = this.pointer(object + BigInt(text.data));
    const units = Math.min(length, limit);
    // The build decides between 4 and 2 bytes a unit; the text ends with a zero unit and has no unit above U+10FFFF.
    const wide = attempt(() => this.read(data, 4 * (units + 1)));
    if (wide && isWideText(wide, units, units < length)) return decodeWide(wide, units);
    return this.read(data, 2 * units).toString('utf16le');
  }

  #compactText(object: bigint, limit: number): string {
    const { text } = this.layout;
    if (text.shape !== 'compact') throw new MalformedPythonError('this layout has no compact text');
    const headBytes = Math.max(text.length + 8, text.state + 4);
    if (headBytes > headLimit) throw new MalformedPythonError(`a text has a head of ${headBytes} bytes`);
    const head = this.read(object, headBytes);
    const length = countIn(head, text.length, object, tableLimit);
    // Include/cpython/unicodeobject.h, since 3.3.
    const state = head.readUInt32LE(text.state) >>> text.kindBit;
    const kind = state & 7;
    const compact = (state & 8) !== 0;
    const ascii = (state & 16) !== 0;
    const data = compact
      ? object + BigInt(ascii ? text.asciiSize : text.compactSize)
      : this.pointer(object + BigInt(text.data));
    const units = Math.min(length, limit);
    switch (kind) {
      case 1:
        return this.read(data, units).toString('latin1');
      case 2:
        return this.read(data, 2 * units).toString('utf16le');
      case 4:
        return decodeWide(this.read(data, 4 * units), units);
      default:
        throw new MalformedPythonError(`the text at ${formatAddress(object)} has kind ${kind}, expected 1, 2 or 4`);
    }
  }

  #digitCount(object: bigint): { digits: number; negative: boolean } {
    const { integer } = this.layout;
    if (integer.shape === 'signed-size') {
      const size = this.read(object + BigInt(integer.size), 8).readBigInt64LE();
      return { digits: Number(size < 0n ? -size : size), negative: size < 0n };
    }
    const tag = this.pointer(object + BigInt(integer.tag));
    return { digits: Number(tag >> 3n), negative: (tag & 3n) === 2n };
  }

  *#attributes(object: bigint): Generator<Item> {
    const type = this.typeOf(object);
    const { classic, managed } = this.layout.instance;
    if (classic && type.name === classic.typeName) {
      yield* this.#dictItems(this.pointer(object + BigInt(classic.dict)));
    } else if (managed && type.flags & managed.flag) {
      const values = this.#instanceValues(object, type);
      const dict = this.pointer(object + BigInt(managed.dict));
      if (values !== undefined) yield* this.#sharedItems(type.cachedKeys, values);
      else if (dict !== 0n) yield* this.#dictItems(dict);
    } else if (type.dictOffset > 0) {
      const dict = this.pointer(object + BigInt(type.dictOffset));
      if (dict !== 0n) yield* this.#dictItems(dict);
    }
  }

  /** Address of the values of an instance that has no dict of its own yet. */
  #instanceValues(object: bigint, { flags }: PythonType): bigint | undefined {
    const { managed } = this.layout.instance;
    if (!managed) return undefined;
    const { values } = managed;
    switch (values.at) {
      case 'pointer': {
        const address = this.pointer(object + BigInt(values.offset));
        return address === 0n ? undefined : address;
      }
      case 'tagged-dict': {
        const word = this.pointer(object + BigInt(managed.dict));
        return word & 1n ? word + 1n : undefined;
      }
      case 'inline': {
        // Behind the slots of its class, where that has some (Include/internal/pycore_object.h, _PyObject_InlineValues).
        const address = object + BigInt(Math.max(values.offset, this.basicSize(object)));
        return flags & values.flag && this.byte(address + BigInt(values.valid)) !== 0 ? address : undefined;
      }
      default:
        return values satisfies never;
    }
  }

  #dictItems(dict: bigint): Iterable<Item> {
    const { dict: layout } = this.layout;
    if (layout.shape === 'open-table') return this.#openItems(dict, layout);
    const keys = this.pointer(dict + BigInt(layout.keys));
    const values = this.pointer(dict + BigInt(layout.values));
    return this.#sharedItems(keys, values === 0n ? undefined : values);
  }

  *#openItems(dict: bigint, { mask, table, entry }: Extract<Layout['dict'], { shape: 'open-table' }>): Generator<Item> {
    const slots = Math.min(this.count(dict + BigInt(mask), 1 << 28) + 1, entryLimit);
    const start = this.pointer(dict + BigInt(table));
    const buffer = this.read(start, slots * entry.size);
    for (let at = 0; at < buffer.length; at += entry.size) {
      const key = buffer.readBigUInt64LE(at + entry.key);
      const value = buffer.readBigUInt64LE(at + entry.value);
      if (key !== 0n && value !== 0n) yield [key, value, start + BigInt(at + entry.value)];
    }
  }

  /** Items of a key table; with `values` they lie apart from it. */
  *#sharedItems(keys: bigint, values: bigint | undefined): Generator<Item> {
    const { dict } = this.layout;
    if (dict.shape !== 'compact') return;
    const { textEntry, tableSize } = dict;
    const count = Math.min(this.count(keys + BigInt(dict.entryCount), 1 << 28), entryLimit);
    if (count === 0) return;
    const indexBytes =
      tableSize.as === 'log2'
        ? 2 ** Math.min(this.byte(keys + BigInt(tableSize.indexBytes)), 32)
        : indexBytesOf(this.count(keys + BigInt(tableSize.offset), 2 ** 31));
    const short = textEntry !== undefined && this.byte(keys + BigInt(textEntry.kind)) !== 0;
    const entry = short ? textEntry : dict.entry;
    const start = keys + BigInt(dict.indices + indexBytes);
    const buffer = this.read(start, count * entry.size);
    const valuesStart = values === undefined ? undefined : values + BigInt(dict.valuesItems);
    const apart = valuesStart === undefined ? undefined : this.pointers(valuesStart, count);
    for (let index = 0; index < count; index++) {
      const key = buffer.readBigUInt64LE(index * entry.size + entry.key);
      const value = apart ? (apart[index] ?? 0n) : buffer.readBigUInt64LE(index * entry.size + entry.value);
      const slot =
        valuesStart === undefined ? start + BigInt(index * entry.size + entry.value) : valuesStart + BigInt(8 * index);
      if (key !== 0n && value !== 0n) yield [key, value, slot];
    }
  }

  #isText(key: bigint, expected: string): boolean {
    return this.#keyText(key) === expected;
  }

  /** Text of a dict's key, cut at `keyLimit`. The same keys are looked at again and again: each is read once. */
  #keyText(key: bigint): string | undefined {
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const text = attempt(() => this.text(key, keyLimit));
    if (text !== undefined && this.#keys.size < keptKeys) this.#keys.set(key, text);
    return text;
  }

  #cString(address: bigint, limit: number): string {
    return readCString({ read: (at, length) => this.read(at, length) }, address, limit);
  }

  #pointerOrNull(address: bigint): bigint {
    // Static types are smaller than heap types: what lies behind them may not be mapped.
    return attempt(() => this.pointer(address)) ?? 0n;
  }
}

/**
 * The result, or undefined where memory was missing or damaged.
 * @param tell is given the damage, where somebody has to hear of it
 */
export function attempt<T>(read: () => T, tell?: (damage: HangarError) => void): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof HangarError)) throw error;
    tell?.(error);
    return undefined;
  }
}

/** `Py_ssize_t` of a structure that was read from `address`. @throws MalformedPythonError */
function countIn(bytes: Buffer, offset: number, address: bigint, limit: number): number {
  const value = bytes.readBigInt64LE(offset);
  if (value >= 0n && value <= BigInt(limit)) return Number(value);
  const place = formatAddress(address + BigInt(offset));
  throw new MalformedPythonError(`the count at ${place} is ${value}, expected 0 to ${limit}`);
}

/** Bytes of a 3.6–3.10 index table (DK_IXSIZE in Objects/dictobject.c). */
function indexBytesOf(slots: number): number {
  return slots * (slots <= 0xff ? 1 : slots <= 0xffff ? 2 : 4);
}

function isWideText(buffer: Buffer, units: number, cut: boolean): boolean {
  for (let index = 0; index < units; index++) if (buffer.readUInt32LE(4 * index) > 0x10ffff) return false;
  return cut || buffer.readUInt32LE(4 * units) === 0;
}

function decodeWide(buffer: Buffer, units: number): string {
  let text = '';
  for (let index = 0; index < units; index++) {
    const unit = buffer.readUInt32LE(4 * index);
    text += unit <= 0x10ffff ? String.fromCodePoint(unit) : '\ufffd';
  }
  return text;
}
