// Made by scripts/layout/make.ts.
import type { Layout } from '../layout.ts';

export const layout: Layout = {
  minor: '3.12',
  source: {
    version: '3.12.1',
    build: 'CPython 3.12.1, x86_64, GCC 12.2.0',
    structures: 'DWARF of libpython3.12.so.1.0',
  },
  runtime: {
    shape: 'runtime-struct',
    symbol: '_PyRuntime',
    size: 459944,
    interpreters: 40,
    mainInterpreter: 48,
  },
  interpreter: {
    next: 0,
    threads: 72,
    id: 8,
    sysDict: 352,
  },
  thread: {
    size: 288,
    next: 8,
    interpreter: 16,
    threadId: 136,
    frame: {
      via: 'cframe',
      offset: 56,
      frame: 0,
    },
  },
  gil: {
    shape: 'interpreter',
    pointer: 384,
    lastHolder: 8,
    locked: 16,
    condition: 32,
    mutex: 80,
  },
  frame: {
    shape: 'interpreter-frame',
    size: 72,
    previous: 8,
    code: 0,
    instruction: 56,
    owner: 70,
    locals: 72,
    entry: {
      by: 'shim',
      owners: [3],
    },
  },
  code: {
    size: 200,
    typeName: 'code',
    name: 120,
    file: 112,
    qualifiedName: 128,
    firstLine: 68,
    lines: {
      shape: 'location-table',
      offset: 136,
    },
    bytecode: {
      in: 'code',
      offset: 192,
    },
    exceptionTable: 40,
    stackSize: 64,
    slotCount: 72,
    slotNames: 96,
    argumentCount: 52,
  },
  opcodes: {
    encoding: 'word',
    haveArgument: 90,
    extendedArgument: 144,
    withHandler: 49,
    pushExceptionInfo: 35,
    withBlocks: [],
    withExit: 'bound',
  },
  object: {
    type: 8,
    itemCount: 16,
  },
  type: {
    name: 24,
    basicSize: 32,
    flags: 168,
    dictOffset: 288,
    cachedKeys: 880,
  },
  bytes: {
    typeName: 'bytes',
    length: 16,
    data: 32,
  },
  text: {
    shape: 'compact',
    typeName: 'str',
    length: 16,
    state: 32,
    asciiSize: 40,
    compactSize: 56,
    data: 56,
  },
  integer: {
    shape: 'tagged',
    tag: 16,
    digits: 24,
  },
  tuple: {
    length: 16,
    items: 24,
  },
  dict: {
    shape: 'compact',
    keys: 32,
    values: 40,
    valuesItems: 0,
    tableSize: {
      as: 'log2',
      offset: 8,
      indexBytes: 9,
    },
    entryCount: 24,
    indices: 32,
    entry: {
      size: 24,
      key: 8,
      value: 16,
    },
    textEntry: {
      kind: 10,
      size: 16,
      key: 0,
      value: 8,
    },
  },
  instance: {
    managed: {
      flag: 16,
      dict: -24,
      values: {
        at: 'tagged-dict',
      },
    },
  },
  builtin: {
    definition: 16,
    self: 24,
    name: 0,
  },
  method: {
    typeName: 'method',
    function: 16,
    self: 24,
    code: 48,
  },
  lock: {
    size: 40,
    typeName: '_thread.lock',
    state: {
      by: 'semaphore',
      offset: 16,
    },
  },
  rlock: {
    size: 48,
    typeName: '_thread.RLock',
    state: {
      by: 'semaphore',
      offset: 16,
    },
    owner: 24,
    count: 32,
  },
};
