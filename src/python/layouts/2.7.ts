// Made by scripts/layout/make.ts.
import type { Layout } from '../layout.ts';

export const layout: Layout = {
  minor: '2.7',
  source: {
    version: '2.7.18',
    build: 'CPython 2.7.18, x86_64, GCC 12.2.0',
    structures: 'DWARF of libpython2.7.so.1.0',
  },
  runtime: {
    shape: 'static-head',
    head: 'interp_head',
    current: '_PyThreadState_Current',
  },
  interpreter: {
    next: 0,
    threads: 8,
    sysDict: 24,
  },
  thread: {
    size: 168,
    next: 0,
    interpreter: 8,
    threadId: 144,
    frame: {
      via: 'thread',
      offset: 16,
    },
  },
  gil: {
    shape: 'current-thread',
    lock: 'interpreter_lock',
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
    blocks: 132,
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
    size: 128,
    typeName: 'code',
    name: 88,
    file: 80,
    firstLine: 96,
    lines: {
      shape: 'lnotab',
      offset: 104,
    },
    bytecode: {
      in: 'bytes',
      offset: 32,
    },
    stackSize: 24,
    slotNames: 56,
    cellNames: 72,
    freeNames: 64,
    argumentCount: 16,
    flags: 28,
  },
  opcodes: {
    encoding: 'mixed',
    haveArgument: 90,
    extendedArgument: 145,
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
    base: 256,
    dict: 264,
  },
  bytes: {
    typeName: 'str',
    length: 16,
    data: 36,
  },
  text: {
    shape: 'legacy',
    typeName: 'unicode',
    length: 16,
    data: 24,
  },
  integer: {
    shape: 'signed-size',
    size: 16,
    digits: 24,
    small: 16,
  },
  tuple: {
    length: 16,
    items: 24,
  },
  dict: {
    shape: 'open-table',
    mask: 32,
    table: 40,
    entry: {
      size: 24,
      key: 8,
      value: 16,
    },
  },
  instance: {
    classic: {
      typeName: 'instance',
      class: 16,
      dict: 24,
      className: 32,
    },
  },
  slot: {
    definition: 32,
    offset: 16,
  },
  values: {
    cell: 16,
    float: 16,
    list: 24,
    dictUsed: 24,
    set: {
      used: 24,
      mask: 32,
      table: 40,
      entry: {
        size: 16,
        key: 8,
        hash: 0,
      },
    },
  },
  socket: {
    descriptor: 16,
    timeout: 40,
    timeoutIn: 'seconds',
  },
  builtin: {
    definition: 16,
    self: 24,
    name: 0,
  },
  method: {
    typeName: 'instancemethod',
    function: 16,
    self: 24,
    code: 16,
  },
  lock: {
    size: 32,
    typeName: 'thread.lock',
    state: {
      by: 'semaphore',
      offset: 16,
    },
  },
};
