// Made by scripts/layout/make-tasks.ts.
import type { TaskLayout } from './task-layout.ts';

/** One table a CPython minor, ascending. */
export const taskLayouts: readonly TaskLayout[] = [
  {
    minor: '3.7',
    source: {
      version: '3.7.16',
      structures: 'DWARF of libpython3.7m.so.1.0, DWARF of _asyncio.cpython-37m-x86_64-linux-gnu.so',
    },
    task: {
      size: 136,
      loop: 16,
      coroutine: 112,
      state: 72,
      waiter: 104,
    },
    generator: {
      frame: 16,
      qualifiedName: 56,
    },
    stackTop: {
      as: 'pointer',
      offset: 72,
    },
    awaiting: {
      by: 'instruction',
      opcode: 72,
    },
    enterAsync: 154,
    future: {
      callback: 24,
    },
    closure: 48,
    between: {
      async_generator_asend: 16,
      async_generator_athrow: 16,
      coroutine_wrapper: 16,
    },
    set: {
      mask: 32,
      table: 40,
      entry: 16,
      key: 0,
    },
    list: {
      items: 24,
    },
    referent: 16,
  },
  {
    minor: '3.8',
    source: {
      version: '3.8.18',
      structures: 'DWARF of libpython3.8.so.1.0, DWARF of _asyncio.cpython-38-x86_64-linux-gnu.so',
    },
    task: {
      size: 144,
      loop: 16,
      coroutine: 112,
      name: 120,
      state: 72,
      waiter: 104,
    },
    generator: {
      frame: 16,
      qualifiedName: 56,
    },
    stackTop: {
      as: 'pointer',
      offset: 72,
    },
    awaiting: {
      by: 'instruction',
      opcode: 72,
    },
    enterAsync: 154,
    future: {
      callback: 24,
    },
    closure: 48,
    between: {
      async_generator_asend: 16,
      async_generator_athrow: 16,
      coroutine_wrapper: 16,
    },
    set: {
      mask: 32,
      table: 40,
      entry: 16,
      key: 0,
    },
    list: {
      items: 24,
    },
    referent: 16,
  },
  {
    minor: '3.9',
    source: {
      version: '3.9.18',
      structures: 'DWARF of libpython3.9.so.1.0, DWARF of _asyncio.cpython-39-x86_64-linux-gnu.so',
    },
    task: {
      size: 184,
      loop: 16,
      coroutine: 152,
      name: 160,
      state: 80,
      waiter: 144,
    },
    generator: {
      frame: 16,
      qualifiedName: 56,
    },
    stackTop: {
      as: 'pointer',
      offset: 72,
    },
    awaiting: {
      by: 'instruction',
      opcode: 72,
    },
    enterAsync: 154,
    future: {
      callback: 24,
    },
    closure: 48,
    between: {
      async_generator_asend: 16,
      async_generator_athrow: 16,
      coroutine_wrapper: 16,
    },
    set: {
      mask: 32,
      table: 40,
      entry: 16,
      key: 0,
    },
    list: {
      items: 24,
    },
    referent: 16,
  },
  {
    minor: '3.10',
    source: {
      version: '3.10.13',
      structures: 'DWARF of libpython3.10.so.1.0, DWARF of _asyncio.cpython-310-x86_64-linux-gnu.so',
    },
    task: {
      size: 192,
      loop: 16,
      coroutine: 160,
      name: 168,
      state: 88,
      waiter: 152,
    },
    generator: {
      frame: 16,
      qualifiedName: 48,
    },
    stackTop: {
      as: 'depth',
      offset: 80,
    },
    awaiting: {
      by: 'instruction',
      opcode: 72,
    },
    enterAsync: 154,
    future: {
      callback: 24,
    },
    closure: 72,
    between: {
      async_generator_asend: 16,
      async_generator_athrow: 16,
      coroutine_wrapper: 16,
    },
    set: {
      mask: 32,
      table: 40,
      entry: 16,
      key: 0,
    },
    list: {
      items: 24,
    },
    referent: 16,
  },
  {
    minor: '3.11',
    source: {
      version: '3.11.7',
      structures: 'DWARF of libpython3.11.so.1.0, DWARF of _asyncio.cpython-311-x86_64-linux-gnu.so',
    },
    task: {
      size: 176,
      loop: 16,
      coroutine: 136,
      name: 144,
      state: 88,
      waiter: 128,
    },
    generator: {
      frame: 80,
      qualifiedName: 40,
      state: {
        offset: 75,
        created: -2,
        executing: 0,
      },
    },
    stackTop: {
      as: 'slots',
      offset: 64,
    },
    awaiting: {
      by: 'argument',
      minimum: 2,
    },
    future: {
      callback: 24,
    },
    closure: 72,
    between: {
      async_generator_asend: 16,
      async_generator_athrow: 16,
      coroutine_wrapper: 16,
    },
    set: {
      mask: 32,
      table: 40,
      entry: 16,
      key: 0,
    },
    list: {
      items: 24,
    },
    referent: 16,
  },
  {
    minor: '3.12',
    source: {
      version: '3.12.1',
      structures: 'DWARF of libpython3.12.so.1.0, DWARF of _asyncio.cpython-312-x86_64-linux-gnu.so',
    },
    task: {
      size: 176,
      loop: 16,
      coroutine: 136,
      name: 144,
      state: 88,
      waiter: 128,
    },
    generator: {
      frame: 72,
      qualifiedName: 32,
      state: {
        offset: 67,
        created: -2,
        executing: 0,
      },
    },
    stackTop: {
      as: 'slots',
      offset: 64,
    },
    awaiting: {
      by: 'argument',
      minimum: 2,
    },
    future: {
      callback: 24,
    },
    closure: 72,
    between: {
      async_generator_asend: 16,
      async_generator_athrow: 16,
      coroutine_wrapper: 16,
    },
    set: {
      mask: 32,
      table: 40,
      entry: 16,
      key: 0,
    },
    list: {
      items: 24,
    },
    referent: 16,
  },
  {
    minor: '3.13',
    source: {
      version: '3.13.0',
      structures: 'DWARF of libpython3.13.so.1.0, DWARF of _asyncio.cpython-313-x86_64-linux-gnu.so',
    },
    task: {
      size: 144,
      loop: 16,
      coroutine: 120,
      name: 128,
      state: 96,
      waiter: 112,
    },
    generator: {
      frame: 72,
      qualifiedName: 32,
      state: {
        offset: 67,
        created: -3,
        executing: 0,
      },
    },
    stackTop: {
      as: 'slots',
      offset: 64,
    },
    awaiting: {
      by: 'state',
      value: -1,
    },
    future: {
      callback: 24,
    },
    closure: 72,
    between: {
      async_generator_asend: 16,
      async_generator_athrow: 16,
      coroutine_wrapper: 16,
    },
    set: {
      mask: 32,
      table: 40,
      entry: 16,
      key: 0,
    },
    list: {
      items: 24,
    },
    referent: 16,
  },
  {
    minor: '3.13t',
    source: {
      version: '3.13.5',
      structures: 'DWARF of libpython3.13t.so.1.0, DWARF of _asyncio.cpython-313t-x86_64-linux-gnu.so',
    },
    task: {
      size: 160,
      loop: 32,
      coroutine: 136,
      name: 144,
      state: 112,
      waiter: 128,
    },
    generator: {
      frame: 88,
      qualifiedName: 48,
      state: {
        offset: 83,
        created: -3,
        executing: 0,
      },
    },
    stackTop: {
      as: 'slots',
      offset: 64,
    },
    awaiting: {
      by: 'state',
      value: -1,
    },
    future: {
      callback: 40,
    },
    closure: 88,
    between: {
      async_generator_asend: 32,
      async_generator_athrow: 32,
      coroutine_wrapper: 32,
    },
    set: {
      mask: 48,
      table: 56,
      entry: 16,
      key: 0,
    },
    list: {
      items: 40,
    },
    referent: 32,
  },
  {
    minor: '3.14',
    source: {
      version: '3.14.10',
      structures: 'DWARF of python3.14, DWARF of _asyncio.cpython-314-x86_64-linux-gnu.so',
    },
    task: {
      size: 168,
      loop: 16,
      coroutine: 128,
      name: 136,
      state: 104,
      waiter: 120,
    },
    lists: {
      thread: 880,
      interpreter: 10880,
      node: 152,
      previous: 8,
      described: {
        state: 32,
        pointer: 152,
        size: 104,
        thread: 96,
        interpreter: 64,
        node: 48,
      },
    },
    generator: {
      frame: 72,
      qualifiedName: 32,
      state: {
        offset: 67,
        created: -3,
        executing: 0,
      },
    },
    stackTop: {
      as: 'pointer',
      offset: 64,
    },
    awaiting: {
      by: 'state',
      value: -1,
    },
    future: {
      callback: 24,
    },
    closure: 72,
    between: {
      async_generator_asend: 16,
      async_generator_athrow: 16,
      coroutine_wrapper: 16,
    },
    set: {
      mask: 32,
      table: 40,
      entry: 16,
      key: 0,
    },
    list: {
      items: 24,
    },
    referent: 16,
  },
  {
    minor: '3.14t',
    source: {
      version: '3.14.7',
      structures: 'DWARF of python3.14t, DWARF of _asyncio.cpython-314t-x86_64-linux-gnu.so',
    },
    task: {
      size: 192,
      loop: 32,
      coroutine: 144,
      name: 152,
      state: 120,
      waiter: 136,
    },
    lists: {
      thread: 880,
      interpreter: 17632,
      node: 168,
      previous: 8,
      described: {
        state: 48,
        pointer: 152,
        size: 104,
        thread: 96,
        interpreter: 64,
        node: 48,
      },
    },
    generator: {
      frame: 88,
      qualifiedName: 48,
      state: {
        offset: 83,
        created: -3,
        executing: 0,
      },
    },
    stackTop: {
      as: 'pointer',
      offset: 64,
    },
    awaiting: {
      by: 'state',
      value: -1,
    },
    future: {
      callback: 40,
    },
    closure: 88,
    between: {
      async_generator_asend: 32,
      async_generator_athrow: 32,
      coroutine_wrapper: 32,
    },
    set: {
      mask: 48,
      table: 56,
      entry: 16,
      key: 0,
    },
    list: {
      items: 40,
    },
    referent: 32,
  },
];
