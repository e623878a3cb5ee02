import type { Layout } from '../layout.ts';
import { attempt, type Heap } from './heap.ts';

/**
 * Teaches a heap the names of the types it knows by name, from the modules that hold these types under names of their
 * own: the types' own names are read-only data of libpython, which cores leave out as a rule and which is not had
 * without the file. Learns nothing when an interpreter's `sys.modules` cannot be read.
 */
export function learnTypeNames(heap: Heap, interpreter: bigint): void {
  attempt(() => {
    const sysDict = heap.pointer(interpreter + BigInt(heap.layout.interpreter.sysDict));
    learnKeyType(heap, sysDict);
    const modules = heap.item(sysDict, 'modules');
    if (modules === undefined) return;
    for (const [name, module] of heap.items(modules, modulesOfTypes))
      attempt(() => learnFrom(heap, module, knownTypes(heap.layout, name)));
  });
}

const modulesOfTypes = ['builtins', '__builtin__', 'types', '_thread', 'thread', '_queue', '_multiprocessing'];

/** Everything starts with the keys of `sys.__dict__`, which are all `str`. */
function learnKeyType(heap: Heap, dict: bigint): void {
  for (const key of heap.keys(dict)) {
    const type = heap.typeAddress(key);
    if (heap.typeOf(key).name === '') heap.nameType(type, 'str');
    return;
  }
}

function learnFrom(heap: Heap, module: bigint, names: ReadonlyMap<string, string>): void {
  for (const [attribute, name] of names) {
    const type = attempt(() => heap.attribute(module, attribute));
    if (type !== undefined) heap.nameType(type, name);
  }
}

/** Attribute of a module → `tp_name` of the type it holds. */
function knownTypes({ lock, rlock, method, text, code }: Layout, module: string): ReadonlyMap<string, string> {
  switch (module) {
    case 'builtins':
    case '__builtin__':
      return new Map([
        ...['str', 'bytes', 'int', 'long', 'bool', 'float', 'dict', 'tuple', 'list', 'type'].map(
          name => [name, name] as const,
        ),
        ...(text.shape === 'legacy' ? [['unicode', 'unicode'] as const, ['bytes', 'str'] as const] : []),
      ]);
    case 'types':
      return new Map([
        ['CodeType', code.typeName],
        ['BuiltinFunctionType', 'builtin_function_or_method'],
        ['MethodType', method.typeName],
        ['InstanceType', 'instance'],
        ['FunctionType', 'function'],
      ]);
    case '_queue':
      return new Map([['SimpleQueue', '_queue.SimpleQueue']]);
    case '_multiprocessing':
      return new Map([['SemLock', '_multiprocessing.SemLock']]);
    default:
      return new Map([['LockType', lock.typeName], ...(rlock ? [['RLock', rlock.typeName] as const] : [])]);
  }
}
