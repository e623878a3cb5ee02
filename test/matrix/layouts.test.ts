import { beforeAll, describe, expect, test } from 'vitest';
import { findInterpreter, interpreterIn } from '../../scripts/layout/interpreter.ts';
import { makeLayout } from '../../scripts/layout/make-layout.ts';
import type { CoreFile } from '../../src/corefile/core.ts';
import type { Memory } from '../../src/corefile/memory.ts';
import { openCore } from '../../src/corefile/open-core.ts';
import type { Layout } from '../../src/python/layout.ts';
import { layouts } from '../../src/python/layouts/index.ts';
import { readPython } from '../../src/python/read-python.ts';
import { takeCore } from '../support/analyze-target.ts';
import { prepareInterpreters, pythonVersions, requireInterpreter } from '../support/interpreters.ts';
import { startTarget, type Target, type ThreadTruth } from '../support/targets.ts';

beforeAll(() => prepareInterpreters());

test('each CPython that a fleet may run has a table', () => {
  expect(layouts.map(({ minor }) => minor)).toEqual(pythonVersions);
});

describe.each(pythonVersions)('CPython %s', version => {
  test('has the table that is made of it again', () => {
    const { root } = requireInterpreter(version);
    const interpreter = root === undefined ? findInterpreter(version) : interpreterIn(root, version);
    if (interpreter === undefined) throw new Error(`no CPython ${version} with DWARF`);
    const made = makeLayout(interpreter);
    const table = tableOf(version);
    // Other releases of the same minor have the same structures, or else it must be known.
    expect({ ...made, source: table.source }).toEqual(table);
  });

  test('is known by its memory alone: without names, files or symbols its own table fits, and no other', async () => {
    const { python, truth } = await readSeveral(version, core => ({
      memory: core.memory,
      core: { ...core, mappings: core.mappings.map(mapping => ({ ...mapping, path: '/a file' })) },
    }));
    expect(python?.version).toMatch(new RegExp(`^${version.replace('.', '\\.')}\\.\\d+`));
    const seen = (of: ThreadTruth) => python?.threads.find(({ lwp }) => lwp === of.lwp);
    const hanging = truth.threads.filter(({ place }) => place?.role === 'hang');
    for (const thread of hanging) {
      const own = seen(thread)?.frames.find(({ file }) => file === truth.file);
      expect(thread.place?.lines, thread.startedFor).toContain(own?.line);
    }
    const deadlocked = hanging.filter(({ place }) => place?.what === 'deadlock');
    expect(deadlocked).toHaveLength(2);
    for (const thread of deadlocked)
      expect(seen(thread)?.holds).toMatchObject([{ kind: 'python-lock', confidence: 'proven' }]);
  });
});

test.each(layouts.filter(({ debugOffsets }) => debugOffsets !== undefined).map(({ minor }) => minor))(
  'a free-threaded build of %s is refused by name, not read half',
  async minor => {
    const version = pythonVersions.find(each => each === minor) ?? '3.13';
    const { python } = await readSeveral(version, core => ({
      memory: asFreeThreaded(core.memory, tableOf(version)),
      core,
    }));
    expect(python).toMatchObject({ interpreters: [], threads: [] });
    expect(python?.gaps.map(({ why }) => why).join()).toContain(`the ${minor} build is free-threaded`);
  },
);

function tableOf(version: string): Layout {
  const table = layouts.find(({ minor }) => minor === version);
  if (table === undefined) throw new Error(`no table of ${version}`);
  return table;
}

type Seen = Pick<Parameters<typeof readPython>[0], 'memory' | 'core'>;

/** What is read of the program of several causes when this is all that is seen of its core. */
async function readSeveral(version: (typeof pythonVersions)[number], seen: (core: CoreFile) => Seen) {
  const interpreter = requireInterpreter(version);
  await using target: Target = await startTarget('several', interpreter);
  const taken = await takeCore(target.pid, interpreter);
  try {
    const core = await openCore(taken.path);
    try {
      return { python: readPython({ ...seen(core), modules: [], symbol: () => undefined }), truth: target.truth };
    } finally {
      core.close();
    }
  } finally {
    taken.remove();
  }
}

/** Memory in which the runtime's own description says so. */
function asFreeThreaded(memory: Memory, { debugOffsets }: Layout): Memory {
  if (debugOffsets === undefined) throw new Error('a table without a description');
  const { cookie, freeThreaded } = debugOffsets;
  return {
    read(address, length) {
      const bytes = memory.read(address, length);
      if (length <= freeThreaded || bytes.toString('latin1', 0, cookie.length) !== cookie) return bytes;
      const changed = Buffer.from(bytes);
      changed.writeUInt32LE(1, freeThreaded);
      return changed;
    },
  };
}
