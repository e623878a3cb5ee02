import { indexElfFiles } from '../../src/corefile/index-files.ts';
import type { Memory } from '../../src/corefile/memory.ts';
import { withModuleFiles } from '../../src/corefile/module-memory.ts';
import { openCore } from '../../src/corefile/open-core.ts';
import { readModules } from '../../src/corefile/read-modules.ts';
import { resolveModules } from '../../src/corefile/resolve-modules.ts';
import { readModuleSymbols } from '../../src/corefile/symbols.ts';
import { readPython } from '../../src/python/read-python.ts';
import { findRuntime } from '../../src/python/runtime.ts';
import type { PythonTarget } from '../../src/python/target.ts';
import { changed, type Word, wordsOf } from './changed-memory.ts';

export type OpenedTarget = Awaited<ReturnType<typeof openTarget>>;

/** A core opened for the walker alone, which can be given words that are not what the core holds. */
export async function openTarget(path: string, remove: () => void, root?: string) {
  const core = await openCore(path);
  const found = readModules(core);
  const modules = resolveModules(found, indexElfFiles(root === undefined ? [] : [`${root}/usr`]), {
    localPaths: root === undefined,
    searched: [],
  });
  const memory = withModuleFiles(core.memory, modules);
  const symbol: PythonTarget['symbol'] = (module, name) => readModuleSymbols(module, memory).find(name)?.address;
  const target: PythonTarget = { memory, core, modules, symbol };
  const read = (seen: Memory, also: Partial<PythonTarget> = {}) => {
    const python = readPython({ ...target, ...also, memory: seen });
    if (python === undefined) throw new Error('no Python in the core');
    return python;
  };
  return {
    target,
    read: (changes: readonly Word[] = []) => read(changed(memory, changes)),
    readWith: (seen: Memory) => read(seen),
    readBare: () => read(core.memory, { modules: found }),
    /** Of each word that is read beyond what finding the interpreters takes. */
    addresses: () => {
      const all = wordsOf(memory, seen => readPython({ ...target, memory: seen }));
      const common = wordsOf(memory, seen => findRuntime({ ...target, memory: seen }));
      return [...all].filter(word => !common.has(word));
    },
    close: () => {
      memory.close();
      core.close();
      remove();
    },
  };
}
