import type { Heap } from './objects/heap.ts';
import type { PythonInterpreter } from './process.ts';

/** The modules of these names that an interpreter has loaded, in one pass over its `sys.modules`. */
export function loadedModules(
  heap: Heap,
  { address }: Pick<PythonInterpreter, 'address'>,
  names: readonly string[],
): ReadonlyMap<string, bigint> {
  const sysDict = heap.pointer(address + BigInt(heap.layout.interpreter.sysDict));
  const modules = heap.item(sysDict, 'modules');
  return modules === undefined ? new Map() : itemsOf(heap, modules, names);
}

/** Members of a module, in one pass over its dict. */
export function membersOf(heap: Heap, module: bigint, names: readonly string[]): ReadonlyMap<string, bigint> {
  const { dictOffset } = heap.typeOf(module);
  return itemsOf(heap, heap.pointer(module + BigInt(dictOffset)), names);
}

/** Values under those of the keys that are there; each key is read once. */
function itemsOf(heap: Heap, dict: bigint, names: readonly string[]): ReadonlyMap<string, bigint> {
  const wanted = new Set(names);
  const found = new Map<string, bigint>();
  for (const [name, value] of heap.namedItems(dict)) {
    if (wanted.delete(name)) found.set(name, value);
    if (wanted.size === 0) break;
  }
  return found;
}
