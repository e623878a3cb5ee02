import { formatAddress } from '../../corefile/memory.ts';
import { Code } from '../frames/code.ts';
import { loadedModules } from '../loaded-modules.ts';
import { basesOf, qualifiedName } from './classes.ts';
import { attempt, type Heap } from './heap.ts';
import { isSecretName, masked, maskText } from './secrets.ts';

/** Characters of a text that are shown. */
const textLimit = 80;
/** Characters of a text in which secrets are looked for: all that are shown, and what may begin among them. */
const searchLimit = 4096;
/** Characters of the name of a function or module. */
const nameLimit = 200;
/** Items that are shown of a container, and of one within it; deeper ones are only counted. */
const itemLimits = [4, 3] as const;
/** A container that claims more items is damaged. */
const countLimit = 2 ** 40;

/**
 * A value as a short text: numbers and texts as Python writes them, containers as their size with a few items, other
 * objects as their class and address. Runs nothing of the process; secrets are masked by name and by form.
 * @param name of the variable, key or attribute that holds it
 */
export function describeValue(heap: Heap, object: bigint, name = ''): string {
  return isSecretName(name) ? masked : describe(heap, object, 0);
}

/**
 * Teaches a heap the names of the types that values are told by, which are read-only data as a rule (see
 * `learnTypeNames`); for those who show values, which few do.
 */
export function learnValueTypes(heap: Heap, interpreter: bigint): void {
  attempt(() => {
    const modules = loadedModules(heap, { address: interpreter }, ['builtins', '__builtin__', 'types']);
    for (const module of modules.values()) attempt(() => learnFrom(heap, module));
  });
}

const typesOfModules: ReadonlyMap<string, string> = new Map([
  ...['bool', 'bytearray', 'float', 'frozenset', 'set'].map(name => [name, name] as const),
  ['CellType', 'cell'],
  ['ModuleType', 'module'],
]);

const singletons: ReadonlyMap<string, string> = new Map([
  ['None', 'NoneType'],
  ['Ellipsis', 'ellipsis'],
  ['NotImplemented', 'NotImplementedType'],
]);

function learnFrom(heap: Heap, module: bigint): void {
  const { dictOffset } = heap.typeOf(module);
  for (const [name, value] of heap.namedItems(heap.pointer(module + BigInt(dictOffset)))) {
    const type = typesOfModules.get(name);
    const single = singletons.get(name);
    if (type !== undefined) heap.nameType(value, type);
    else if (single !== undefined) heap.nameType(heap.typeAddress(value), single);
  }
}

function describe(heap: Heap, object: bigint, depth: number): string {
  try {
    return (
      scalar(heap, object) ?? textOf(heap, object) ?? container(heap, object, depth) ?? other(heap, object) ?? unknown()
    );
  } catch (error) {
    if (attempt(() => heap.typeAddress(object)) === undefined) return unknown();
    throw error;
  }

  function unknown(): string {
    return `<unreadable at ${formatAddress(object)}>`;
  }
}

function scalar(heap: Heap, object: bigint): string | undefined {
  const { name } = heap.typeOf(object);
  const { integer, values } = heap.layout;
  switch (name) {
    case 'NoneType':
      return 'None';
    case 'ellipsis':
      return 'Ellipsis';
    case 'NotImplementedType':
      return 'NotImplemented';
    case 'bool': {
      const small = integer.shape === 'signed-size' ? integer.small : undefined;
      return heap.int(object + BigInt(small ?? integer.digits)) === 0 ? 'False' : 'True';
    }
    case 'int':
    case 'long':
      return `${heap.integer(object) ?? '<more than 90 bits>'}${name === 'long' ? 'L' : ''}`;
    case 'float':
      return floatText(heap.read(object + BigInt(values.float), 8).readDoubleLE());
    default:
      return undefined;
  }
}

/** As `repr` writes it: `1.0`, `1e+16`, `inf`. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  const [digits = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 16) return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  const plain = power < 0 ? value.toFixed(Math.max(digits.replace('-', '').length - 2, 0) - power) : String(value);
  const signed = Object.is(value, -0) ? '-0' : plain;
  return /[.]/.test(signed) ? signed : `${signed}.0`;
}

function textOf(heap: Heap, object: bigint): string | undefined {
  const { name } = heap.typeOf(object);
  const { text, bytes } = heap.layout;
  if (name === bytes.typeName) {
    const length = heap.count(object + BigInt(bytes.length), countLimit);
    // Every byte is a character of its own, as `repr` has it.
    const characters = heap.bytes(object, searchLimit).toString('latin1');
    return quoted(characters, length, { prefix: text.shape === 'legacy' ? '' : 'b', last: 0x7e });
  }
  if (name !== text.typeName) return undefined;
  const length = heap.count(object + BigInt(text.length), countLimit);
  const prefix = text.shape === 'legacy' ? 'u' : '';
  return quoted(heap.text(object, searchLimit) ?? '', length, { prefix, last: 0x10ffff });
}

/** @param last the last character that is shown as it is, unless it controls a terminal */
function quoted(text: string, length: number, { prefix, last }: { prefix: string; last: number }): string {
  const shown = Array.from(maskText(text, length > text.length));
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const characters = shown.slice(0, textLimit).map(character => escaped(character, quote, last));
  const isCut = shown.length > textLimit || length > text.length;
  return `${prefix}${quote}${characters.join('')}${isCut ? '…' : ''}${quote}${isCut ? ` (${length} long)` : ''}`;
}

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

function escaped(character: string, quote: string, last: number): string {
  const code = character.codePointAt(0) ?? 0;
  const known = character === quote ? `\\${quote}` : escapes[character];
  if (known !== undefined) return known;
  if (code < 0x20 || (code >= 0x7f && (code > last || code < 0xa1))) return `\\x${code.toString(16).padStart(2, '0')}`;
  return character;
}

/** Bits of `tp_flags` that a type and those derived from it have (Include/object.h, all versions). */
const subclassOf = { list: 1 << 25, tuple: 1 << 26, dict: 1 << 29 } as const;
/** Whose objects are types: the highest bit, unsigned. */
const isType = 2 ** 31;

function container(heap: Heap, object: bigint, depth: number): string | undefined {
  const { name, flags } = heap.typeOf(object);
  const { tuple, values, object: head } = heap.layout;
  const count = (offset: number) => heap.count(object + BigInt(offset), countLimit);
  const items = (start: bigint, length: number) =>
    sequence(heap, heap.pointers(start, Math.min(length, itemsShown(depth))), depth);
  if (flags & subclassOf.dict) {
    const length = count(values.dictUsed);
    return sized(className(heap, object) || 'dict', length, '{}', mapping(heap, object, depth), itemsShown(depth));
  }
  if (flags & subclassOf.list) {
    const length = count(head.itemCount);
    const shown = items(length === 0 ? 0n : heap.pointer(object + BigInt(values.list)), length);
    return sized(className(heap, object) || 'list', length, '[]', shown, itemsShown(depth));
  }
  if (flags & subclassOf.tuple) {
    const length = count(tuple.length);
    const start = object + BigInt(tuple.items);
    const fields = attempt(() => fieldsOf(heap, object));
    const shown = fields === undefined ? items(start, length) : named(heap, start, fields, depth);
    return sized(className(heap, object) || 'tuple', length, '()', shown, itemsShown(depth));
  }
  if (name === 'set' || name === 'frozenset') {
    const length = count(values.set.used);
    return sized(name, length, '{}', () => members(heap, object, depth), itemsShown(depth));
  }
  return undefined;
}

function itemsShown(depth: number): number {
  return itemLimits[depth] ?? 0;
}

type Items = () => readonly string[];

/** `list of 3 [1, 2, 3]`, `dict of 40 {'a': 1, …}`; deeper than items are shown `list of 3`. */
function sized(label: string, length: number, [open, close]: string, items: Items, limit: number): string {
  const size = `${label} of ${length}`;
  if (length === 0 || limit === 0) return size;
  const shown = items();
  return `${size} ${open}${[...shown, ...(length > shown.length ? ['…'] : [])].join(', ')}${close}`;
}

/** What follows a text that names a secret is one: header pairs, command lines. */
function sequence(heap: Heap, objects: readonly bigint[], depth: number): Items {
  return () =>
    objects.map((object, index) => {
      const before = index === 0 ? undefined : attempt(() => nameIn(heap, objects[index - 1] ?? 0n));
      return before === undefined ? describe(heap, object, depth + 1) : describeNamed(heap, object, before, depth);
    });
}

/** `_fields` of a class that `collections.namedtuple` made; undefined for other tuples. */
function fieldsOf(heap: Heap, object: bigint): readonly string[] | undefined {
  const { tuple, type } = heap.layout;
  if (heap.typeOf(object).name === 'tuple') return undefined;
  for (const base of basesOf(heap, heap.typeAddress(object))) {
    const dict = heap.pointer(base + BigInt(type.dict));
    const fields = dict === 0n ? undefined : heap.item(dict, '_fields');
    if (fields !== undefined)
      return heap
        .pointers(fields + BigInt(tuple.items), heap.count(fields + BigInt(tuple.length), 256))
        .map(field => heap.text(field, nameLimit) ?? '');
  }
  return undefined;
}

/** Items of a named tuple; `query` is a query string in what `urlsplit` gives. */
function named(heap: Heap, start: bigint, fields: readonly string[], depth: number): Items {
  return () =>
    heap
      .pointers(start, Math.min(fields.length, itemsShown(depth)))
      .map((object, index) =>
        fields[index] === 'query' ? masked : describeNamed(heap, object, fields[index] ?? '', depth),
      );
}

function mapping(heap: Heap, dict: bigint, depth: number): Items {
  return () => {
    const shown: string[] = [];
    for (const [key, value] of heap.pairs(dict)) {
      if (shown.length >= itemsShown(depth)) break;
      const name = attempt(() => nameIn(heap, key)) ?? '';
      shown.push(`${describe(heap, key, itemLimits.length)}: ${describeNamed(heap, value, name, depth)}`);
    }
    return shown;
  };
}

function describeNamed(heap: Heap, object: bigint, name: string, depth: number): string {
  return isSecretName(name) ? masked : describe(heap, object, depth + 1);
}

/** A text that can be a name: a key, a header, an option. */
function nameIn(heap: Heap, object: bigint): string | undefined {
  const { bytes } = heap.layout;
  const { name } = heap.typeOf(object);
  const text = name === bytes.typeName ? heap.bytes(object, 128).toString('latin1') : heap.text(object, 128);
  return text !== undefined && /^[\w .-]+:?$/.test(text) ? text : undefined;
}

/** Objects/setobject.c: a free slot has no key, one of a removed member the hash -1 (2.7: a key of its own). */
function members(heap: Heap, object: bigint, depth: number): readonly string[] {
  const { mask, table, entry } = heap.layout.values.set;
  const slots = Math.min(heap.count(object + BigInt(mask), countLimit) + 1, 256);
  const bytes = heap.read(heap.pointer(object + BigInt(table)), slots * entry.size);
  const shown: string[] = [];
  for (let at = 0; at < bytes.length && shown.length < itemsShown(depth); at += entry.size) {
    const key = bytes.readBigUInt64LE(at + entry.key);
    if (key === 0n || bytes.readBigInt64LE(at + entry.hash) === -1n) continue;
    const text = describe(heap, key, depth + 1);
    if (text !== "'<dummy key>'") shown.push(text);
  }
  return shown;
}

/** Functions, classes, modules; anything else by its class. */
function other(heap: Heap, object: bigint): string {
  const { name, flags } = heap.typeOf(object);
  const { method } = heap.layout;
  if (flags >= isType) return `<class ${qualifiedName(heap, object)}>`;
  switch (name) {
    case 'function':
      return `<function ${new Code(heap, heap.pointer(object + BigInt(method.code))).function.slice(0, nameLimit)}>`;
    case 'module': {
      const own = heap.attribute(object, '__name__');
      const label = own === undefined ? undefined : heap.text(own, nameLimit);
      return label === undefined ? `<module at ${formatAddress(object)}>` : `<module ${label}>`;
    }
    default:
      return `<${className(heap, object) || 'object'} at ${formatAddress(object)}>`;
  }
}

/** Classic classes (2.7) have no module that is told. */
function className(heap: Heap, object: bigint): string {
  return heap.layout.instance.classic?.typeName === heap.typeOf(object).name
    ? heap.className(object)
    : qualifiedName(heap, heap.typeAddress(object));
}
