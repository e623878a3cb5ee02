import { expect, test } from 'vitest';
import type { NativeFrame } from '../../../src/native/stacks.ts';
import { runningNative } from '../../../src/verdict/native-names.ts';

const evaluator: NativeFrame = { pc: 9n, function: '_PyEval_EvalFrameDefault', module: '/usr/bin/python3.9' };
const bridge: readonly NativeFrame[] = [
  { pc: 5n, module: '/lib/x86_64-linux-gnu/libffi.so.7' },
  { pc: 6n, module: '/usr/lib/python3.9/lib-dynload/_ctypes.cpython-39-x86_64-linux-gnu.so' },
  { pc: 7n, function: '_PyObject_MakeTpCall', module: '/usr/bin/python3.9' },
];

test('the C function that runs is the one that Python called, not what passed the call on', () => {
  const library = '/usr/lib/libshopstock.so.1';
  const frames: readonly NativeFrame[] = [
    { pc: 1n, function: 'await_delivery', module: library },
    { pc: 2n, function: 'stock_reserve', module: library },
    ...bridge,
    evaluator,
  ];
  expect(runningNative(frames, '3.9')).toBe('stock_reserve');
  expect(runningNative([{ pc: 1n, module: library }, ...bridge, evaluator], '3.9')).toBe(`code of ${library}`);
});

test('where nothing else runs, it is what passes calls on', () => {
  expect(runningNative([...bridge, evaluator], '3.9')).toBe(`code of ${bridge[1]?.module}`);
});
