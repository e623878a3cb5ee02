import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { analyze } from '../../src/analyze.ts';
import { indexElfFiles } from '../../src/corefile/index-files.ts';
import { misquoted, takeCore } from '../support/analyze-target.ts';
import { prepareInterpreters, pythonVersions, requireInterpreter } from '../support/interpreters.ts';
import { startValueTarget } from '../support/value-target.ts';

const told = z.object({
  threads: z.array(z.object({ function: z.string(), lwp: z.int(), fd: z.int(), timeout: z.number().nullable() })),
});

/** Else each thread adds 64 MiB to the core (mallopt(3), M_ARENA_MAX). */
const oneArena = { MALLOC_ARENA_MAX: '1' };

beforeAll(() => prepareInterpreters());

test.concurrent.for(pythonVersions)(
  'on CPython %s a thread in a socket call has the time-out of its socket object, with proof',
  async (version, context) => {
    const interpreter = requireInterpreter(version, context);
    await using target = await startValueTarget('sockets', interpreter, told, oneArena);
    const { root } = interpreter;
    const core = await takeCore(target.pid, root === undefined ? {} : { root });
    try {
      const folders = root === undefined ? [] : [`${root}/usr`];
      const options = { findFiles: () => indexElfFiles(folders), searched: folders, native: false, hash: false };
      const subject = { core: core.path, case: 'test', host: { name: 'test' } };
      const report = await analyze(subject, { ...options, showQuery: false });
      const seen = target.told.threads.map(({ function: name, lwp }) => {
        const waits = report.threads.find(thread => thread.lwp === lwp)?.waits;
        return [name, waits?.fd, waits?.socketTimeoutSeconds];
      });
      expect(seen).toEqual(target.told.threads.map(({ function: name, fd, timeout }) => [name, fd, timeout]));
      // Without a limit they are findings, whose evidence can be read again.
      const entries = report.findings.flatMap(({ evidence }) => evidence);
      expect(entries.filter(({ text }) => text.includes('has no time-out (None)')).length).toBeGreaterThan(0);
      expect(await misquoted(report, core.path)).toEqual([]);
    } finally {
      core.remove();
    }
  },
);
