import { expect, test } from 'vitest';
import { withModuleFiles } from '../../../src/corefile/module-memory.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { readModuleSymbols } from '../../../src/corefile/symbols.ts';
import { readPython } from '../../../src/python/read-python.ts';
import { takeCore } from '../../support/analyze-target.ts';
import { requireInterpreter } from '../../support/interpreters.ts';
import { startTarget } from '../../support/targets.ts';

test.each([
  { without: 'nothing', hidden: [], confidence: 'proven' },
  { without: 'its variables', hidden: ['import_lock', 'import_lock_thread'], confidence: 'proven' },
  {
    without: 'its variables and functions',
    hidden: ['import_lock', 'import_lock_thread', '_PyImport_AcquireLock'],
    confidence: 'likely',
  },
])('the import lock of 2.7 is found in a file whose symbols lack $without', async ({ hidden, confidence }) => {
  await using target = await startTarget('import_wait', requireInterpreter('2.7'));
  const { path, remove } = await takeCore(target.pid);
  const core = await openCore(path);
  try {
    const modules = resolveModules(readModules(core), new Map(), { localPaths: true, searched: [] });
    const memory = withModuleFiles(core.memory, modules);
    const python = readPython({
      memory,
      core,
      modules,
      symbol: (module, name) =>
        hidden.includes(name) ? undefined : readModuleSymbols(module, core.memory).find(name)?.address,
    });
    const importing = target.truth.threads.find(({ startedFor }) => startedFor === 'load');
    const waiting = python?.threads.filter(({ waits }) => waits?.kind === 'import-lock') ?? [];
    expect(waiting).toHaveLength(2);
    for (const { waits } of waiting)
      expect(waits).toMatchObject({
        confidence,
        module: 'import_wait',
        ownerThreadId: BigInt(importing?.ident ?? 0),
      });
    memory.close();
  } finally {
    core.close();
    remove();
  }
});
