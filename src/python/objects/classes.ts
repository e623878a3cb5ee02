import { attempt, type Heap } from './heap.ts';

/** Deeper class hierarchies are damage. */
const baseLimit = 32;
const isHeapType = 1 << 9;

/** A type and those that it is derived from by `tp_base`, the nearest first. Ends on damage with what was found. */
export function basesOf(heap: Heap, type: bigint): readonly bigint[] {
  const found: bigint[] = [];
  for (let at = type; at !== 0n && found.length < baseLimit; ) {
    found.push(at);
    const next = at + BigInt(heap.layout.type.base);
    at = attempt(() => heap.pointer(next)) ?? 0n;
  }
  return found;
}

/** Whether a type is the other one, or derived from it by `tp_base`: the one of several bases whose structure instances have. */
export function isDerived(heap: Heap, type: bigint, from: bigint): boolean {
  return basesOf(heap, type).includes(from);
}

/** Whether a word refers to an object of that type, or of one derived from it. */
export function isInstance(heap: Heap, word: bigint, type: bigint): boolean {
  return word !== 0n && word % 8n === 0n && (attempt(() => isDerived(heap, heap.typeAddress(word), type)) ?? false);
}

/** Words behind an object's head that are looked at. */
const wordLimit = 32;

/** What an object itself holds behind its head, slots of its classes included; none where it cannot be read. */
export function wordsOf(heap: Heap, object: bigint): readonly bigint[] {
  return attempt(() => heap.pointers(object + 16n, Math.min(heap.basicSize(object) / 8 - 2, wordLimit))) ?? [];
}

const knownNames = new WeakMap<Heap, Map<bigint, string>>();

/** `shop.cart.Cart`; without the module for types of `builtins`, and where that cannot be read. Each is read once. */
export function qualifiedName(heap: Heap, type: bigint): string {
  const known = knownNames.get(heap) ?? new Map<bigint, string>();
  knownNames.set(heap, known);
  const name = known.get(type) ?? readName(heap, type);
  known.set(type, name);
  return name;
}

function readName(heap: Heap, type: bigint): string {
  const name = heap.nameOfType(type);
  // Types written in C have it in their name, where they have one.
  const module = isMadeByClass(heap, type) ? attempt(() => moduleOf(heap, type)) : undefined;
  return module === undefined || module === 'builtins' ? name : `${module}.${name}`;
}

/**
 * An attribute that a class of the object keeps in `__slots__` (Objects/descrobject.c, `PyMember_GetOne`); undefined where
 * no class does, or it is not set.
 */
export function slotAttribute(heap: Heap, object: bigint, name: string): bigint | undefined {
  const { slot, type: layout } = heap.layout;
  for (const type of basesOf(heap, heap.typeAddress(object))) {
    if (!isMadeByClass(heap, type)) return undefined;
    const dict = heap.pointer(type + BigInt(layout.dict));
    const descriptor = dict === 0n ? undefined : heap.item(dict, name);
    if (descriptor === undefined) continue;
    // Its own name is read-only data as a rule.
    if (!['member_descriptor', ''].includes(heap.typeNameOf(descriptor) ?? 'none')) return undefined;
    const definition = heap.pointer(descriptor + BigInt(slot.definition));
    const offset = heap.count(definition + BigInt(slot.offset), heap.basicSize(object) - 8);
    const value = heap.pointer(object + BigInt(offset));
    return value === 0n ? undefined : value;
  }
  return undefined;
}

function isMadeByClass(heap: Heap, type: bigint): boolean {
  return (Number(BigInt.asUintN(32, heap.pointer(type + BigInt(heap.layout.type.flags)))) & isHeapType) !== 0;
}

function moduleOf(heap: Heap, type: bigint): string | undefined {
  const value = heap.item(heap.pointer(type + BigInt(heap.layout.type.dict)), '__module__');
  return value === undefined ? undefined : heap.text(value, 200);
}
