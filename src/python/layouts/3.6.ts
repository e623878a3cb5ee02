// Made by scripts/layout/make.ts.
import type { Layout } from '../layout.ts';

export const layout: Layout = {
  minor: '3.6',
  source: {
    version: '3.6.15',
    build: 'CPython 3.6.15, x86_64, GCC 12.2.0',
    structures: 'DWARF of libpython3.6m.so.1.0',
  },
  runtime: {
    shape: 'static-head',
    head: 'interp_head',
    current: '_PyThreadState_Current',
  },
  interpreter: {
    next: 0,
    threads: 8,
    sysDict: 32,
  },
  thread: {
    size: 2272,
    next: 8,
    interpreter: 16,
    threadId: 152,
    frame: {
      via: 'thread',
      offset: 24,
    },
  },
  gil: {
    shape: 'current-thread',
    condition: 'gil_cond',
    mutex: 'gil_mutex',
  },
  frame: {
    shape: 'frame-object',
    size: 376,
    previous: 24,
    code: 32,
    lastInstruction: 120,
    instructionUnit: 1,
    valueStack: 64,
    blockCount: 128,
    blocks: 136,
    maximumBlocks: 20,
    block: {
      size: 12,
      type: 0,
      handler: 4,
      level: 8,
    },
    locals: 376,
  },
  code: {
    size: 144,
    typeName: 'code',
    name: 104,
    file: 96,
    firstLine: 36,
    lines: {
      shape: 'lnotab-signed',
      offset: 112,
    },
    bytecode: {
      in: 'bytes',
      offset: 40,
    },
    stackSize: 28,
    slotNames: 64,
    argumentCount: 16,
  },
  opcodes: {
    encoding: 'word',
    haveArgument: 90,
    extendedArgument: 144,
    enterWith: 143,
    withHandler: 81,
    withBlocks: [143, 122],
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
    cachedKeys: 856,
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
    asciiSize: 48,
    compactSize: 72,
    data: 72,
  },
  integer: {
    shape: 'signed-size',
    size: 16,
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
      as: 'count',
      offset: 8,
    },
    entryCount: 32,
    indices: 40,
    entry: {
      size: 24,
      key: 8,
      value: 16,
    },
  },
  instance: {},
  builtin: {
    definition: 16,
    self: 24,
    name: 0,
  },
  method: {
    typeName: 'method',
    function: 16,
    self: 24,
    code: 16,
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
