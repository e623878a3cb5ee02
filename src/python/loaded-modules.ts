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
  return modules === undefined ? new Map() : heap.items(modules, names);
}

/** Members of a module, in one pass over its dict. */
export function membersOf(heap: Heap, module: bigint, names: readonly string[]): ReadonlyMap<string, bigint> {
  const { dictOffset } = heap.typeOf(module);
  return heap.items(heap.pointer(module + BigInt(dictOffset)), names);
}
