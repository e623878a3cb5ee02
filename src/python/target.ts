import type { CoreFile, Segment } from '../corefile/core.ts';
import { type Memory, readU32 } from '../corefile/memory.ts';
import type { Module } from '../corefile/module.ts';
import { attempt } from './objects/heap.ts';

/** What the walker is given of a process. */
export interface PythonTarget {
  /** With the modules' file contents laid under it where they are had. */
  readonly memory: Memory;
  readonly core: Pick<CoreFile, 'machine' | 'threads' | 'segments' | 'mappings'>;
  /** Empty when nothing is known of them. */
  readonly modules: readonly Module[];
  /** Address in the process of a symbol that a module defines, by .symtab or .dynsym; undefined: not known. */
  readonly symbol: (module: Module, name: string) => bigint | undefined;
}

/** Address of a symbol in the first module that defines it; CPython's own modules are asked before the others. */
export function findSymbol(target: PythonTarget, name: string): bigint | undefined {
  const names = new Set(pythonNames(target));
  const isNamed = (module: Module) => names.has(module.name) || names.has(module.path ?? '');
  const { modules, symbol } = target;
  for (const module of modules.toSorted((left, right) => Number(isNamed(right)) - Number(isNamed(left)))) {
    const address = symbol(module, name);
    if (address !== undefined) return address;
    // A process has one CPython: a static name that its stripped file lacks is in no other.
    if (isNamed(module) && !module.isExecutable) return undefined;
  }
  return undefined;
}

/** Minor versions that module and file names speak of (`libpython2.7.so.1.0`, `/usr/bin/python3.9`), else what Py_Version says. */
export function hintedMinors(target: PythonTarget): ReadonlySet<string> {
  const minors = new Set<string>();
  for (const name of pythonNames(target)) {
    const minor = /python(\d\.\d+)/.exec(name)?.[1];
    if (minor !== undefined) minors.add(minor);
  }
  if (minors.size > 0) return minors;
  // PY_VERSION_HEX, an exported constant since 3.11.
  const address = findSymbol(target, 'Py_Version');
  const hex = address === undefined ? undefined : attempt(() => readU32(target.memory, address));
  if (hex !== undefined) minors.add(`${hex >>> 24}.${(hex >>> 16) & 0xff}`);
  return minors;
}

/** Names of mapped files that look like CPython itself, not like something installed for it. */
export function pythonNames({ modules, core }: PythonTarget): readonly string[] {
  return [...modules.flatMap(({ name, path }) => [name, path ?? '']), ...core.mappings.map(({ path }) => path)].filter(
    name => /(?:^|\/)(?:lib)?python\d[^/]*$/.test(name),
  );
}

/** Writable segments that may hold CPython's static data, most likely first; none twice. */
export function staticSegments(target: PythonTarget): readonly Segment[] {
  const { core, modules } = target;
  const writable = core.segments.filter(({ writable: can, fileBytes }) => can && fileBytes > 0n);
  const named = new Set(pythonNames(target));
  const ranges = [
    ...modules.filter(({ name, path }) => named.has(name) || named.has(path ?? '')),
    ...core.mappings.filter(({ path }) => named.has(path)),
    ...modules.filter(({ isExecutable }) => isExecutable),
    ...modules,
    ...core.mappings,
  ];
  const chosen = new Set<Segment>();
  for (const { start, end } of ranges)
    for (const segment of writable) {
      // .bss lies in memory of its own right behind the file's last page.
      const overlaps = segment.address <= end && segment.address + segment.memoryBytes > start;
      if (overlaps) chosen.add(segment);
    }
  if (ranges.length === 0) for (const segment of writable) chosen.add(segment);
  return [...chosen];
}
