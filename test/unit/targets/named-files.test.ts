import { expect, test } from 'vitest';
import { analyze, namedFiles } from '../../../src/analyze.ts';
import { indexElfFiles } from '../../../src/corefile/index-files.ts';
import { takeCore } from '../../support/analyze-target.ts';
import { requireInterpreter } from '../../support/interpreters.ts';
import { startTaskTarget } from '../../support/task-target.ts';

const findFiles = () => indexElfFiles([]);

test('files that only suspended tasks name are among the sources of a core, after those of its threads', async () => {
  await using target = await startTaskTarget('waits', requireInterpreter('3.12'));
  const core = await takeCore(target.pid);
  try {
    const { sources } = await namedFiles(core.path, { findFiles });
    const options = { findFiles, searched: [], native: false, hash: false, showQuery: false };
    const { threads, tasks = [] } = await analyze({ core: core.path, case: 'test', host: { name: 'test' } }, options);
    const byThreads = new Set(threads.flatMap(({ python }) => python.map(({ file }) => file)));
    const byTasks = new Set(tasks.flatMap(({ stack }) => stack.map(({ file }) => file)));
    const onlyByTasks = [...byTasks].filter(file => !byThreads.has(file));
    // What waits in asyncio stands in files that no thread executes.
    expect(onlyByTasks.map(file => file.split('/').at(-1))).toContain('locks.py');
    expect(new Set(sources.slice(0, byThreads.size))).toEqual(byThreads);
    expect(new Set(sources.slice(byThreads.size))).toEqual(new Set(onlyByTasks));
  } finally {
    core.remove();
  }
});
