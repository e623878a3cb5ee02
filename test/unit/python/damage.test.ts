import { expect, test } from 'vitest';
import { type Memory, UnreadableMemoryError } from '../../../src/corefile/memory.ts';
import { withModuleFiles } from '../../../src/corefile/module-memory.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { readModuleSymbols } from '../../../src/corefile/symbols.ts';
import { activeHandlers } from '../../../src/python/frames/exception-table.ts';
import { layout } from '../../../src/python/layouts/3.11.ts';
import { readPython } from '../../../src/python/read-python.ts';
import { captureCore } from '../../support/cores.ts';
import { requireInterpreter } from '../../support/interpreters.ts';

const holder = `
import os, threading, time
lock = threading.Lock()
def hold():
  with lock:
    os.write(1, b"ready\\n")
    time.sleep(1000)
hold()`;

const ownRequest = `
import os, time
class Request(object):
  pass
Request.__module__ = 'rest_framework.request'
def view(request):
  os.write(1, b"ready\\n")
  time.sleep(1000)
request = Request()
request._request = request
view(request)`;

/** What is read of a program of 3.11, with some of its memory taken away. */
async function readProgram(source: string) {
  const captured = await captureCore([requireInterpreter('3.11').path, '-c', source]);
  const core = await openCore(captured.path);
  const modules = resolveModules(readModules(core), new Map(), { localPaths: true, searched: [] });
  const memory = withModuleFiles(core.memory, modules);
  return {
    read: (without: bigint | undefined) =>
      readPython({
        memory: without === undefined ? memory : hiding(memory, without),
        core,
        modules,
        symbol: (module, name) => readModuleSymbols(module, core.memory).find(name)?.address,
      }),
    [Symbol.dispose]() {
      memory.close();
      core.close();
      captured.remove();
    },
  };
}

function hiding(memory: Memory, start: bigint): Memory {
  return {
    read(address, length) {
      if (address <= start && start < address + BigInt(length)) throw new UnreadableMemoryError(address, length);
      return memory.read(address, length);
    },
  };
}

test('a lock that cannot be found because code is damaged is a gap, not silence', async () => {
  using program = await readProgram(holder);
  const whole = program.read(undefined);
  const [thread] = whole?.threads ?? [];
  expect(thread?.holds).toMatchObject([{ kind: 'python-lock', confidence: 'proven' }]);
  expect(whole?.gaps).toEqual([]);
  const code = thread?.frames.find(({ function: name }) => name === 'hold')?.code ?? 0n;
  const cut = program.read(code + BigInt(layout.code.bytecode.offset));
  expect(cut?.threads[0]?.holds).toEqual([]);
  expect(cut?.gaps).toMatchObject([{ what: `locks that thread ${thread?.lwp} holds` }]);
});

test('loaded modules that cannot be read are a gap: tasks are not looked for without them', async () => {
  using program = await readProgram(holder);
  const { address = 0n, id } = program.read(undefined)?.interpreters[0] ?? {};
  const cut = program.read(address + BigInt(layout.interpreter.sysDict));
  expect(cut?.gaps).toContainEqual(expect.objectContaining({ what: `loaded modules of interpreter ${id}` }));
});

test('a request that wraps itself is none', async () => {
  using program = await readProgram(ownRequest);
  const python = program.read(undefined);
  expect(python?.threads[0]?.frames[0]?.function).toBe('view');
  expect(python?.threads[0]?.request).toBeUndefined();
});

test('a chain of handlers without an end is followed so far and no further', () => {
  const entries = Array.from({ length: 5000 }, (_, index) => ({
    start: 10 * index,
    end: 10 * index + 10,
    handler: 10 * index + 10,
    depth: 1,
  }));
  expect(activeHandlers(entries, 0)).toHaveLength(256);
});
