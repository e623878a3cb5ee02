import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeStacks } from '../../../src/verdict/merge-stacks.ts';
import { frame, nativeFrames } from './make.ts';

/** `C name` or `py name`, innermost first. */
function merged(
  python: readonly { name: string; entry: boolean }[],
  native: readonly string[],
  pythonVersion = '3.11',
  nativeStopped = false,
) {
  const frames = nativeFrames(native);
  const { stack, mismatch } = mergeStacks(
    python.map(({ name, entry }) => frame(`a.py:1 ${name}`, entry)),
    frames,
    { pythonVersion, nativeStopped },
  );
  return {
    order: stack.map(entry =>
      'python' in entry ? `py ${python[entry.python]?.name}` : `C ${frames[entry.native]?.function}`,
    ),
    mismatch,
  };
}

test('C calls Python calls C calls Python: each evaluator call becomes its run of Python frames', () => {
  const python = [
    { name: 'key', entry: true },
    { name: 'total', entry: false },
    { name: 'main', entry: true },
  ];
  const native = [
    'long_add',
    '_PyEval_EvalFrameDefault',
    'list_sort_impl',
    '_PyEval_EvalFrameDefault.cold',
    'PyEval_EvalCode',
    'main',
  ];
  expect(merged(python, native)).toEqual({
    order: ['C long_add', 'py key', 'C list_sort_impl', 'py total', 'py main', 'C PyEval_EvalCode', 'C main'],
    mismatch: undefined,
  });
});

test('2.7 has one evaluator call per Python frame, called by each other', () => {
  const python = ['inner', 'outer', '<module>'].map(name => ({ name, entry: true }));
  const native = [
    'sem_wait',
    'PyEval_EvalFrameEx',
    'fast_function',
    'PyEval_EvalFrameEx.lto_priv.0',
    'PyEval_EvalCodeEx',
    'PyEval_EvalFrameEx',
    'main',
  ];
  expect(merged(python, native, '2.7.18').order).toEqual([
    'C sem_wait',
    'py inner',
    'C fast_function',
    'py outer',
    'C PyEval_EvalCodeEx',
    'py <module>',
    'C main',
  ]);
});

test('the wrapper that 2.7 also has for evaluation is no evaluator call of its own', () => {
  const { order, mismatch } = merged(
    [{ name: 'gen', entry: true }],
    ['PyEval_EvalFrameEx', 'PyEval_EvalFrame', 'gen_send_ex'],
    '2.7.18',
  );
  expect(order).toEqual(['py gen', 'C PyEval_EvalFrame', 'C gen_send_ex']);
  expect(mismatch).toBeUndefined();
});

test('with more evaluator calls than runs the outermost ones are matched, and the doubt is told', () => {
  const { order, mismatch } = merged(
    [{ name: 'main', entry: true }],
    ['_PyEval_EvalFrameDefault', 'foo', '_PyEval_EvalFrameDefault', 'main'],
  );
  expect(order).toEqual(['C _PyEval_EvalFrameDefault', 'C foo', 'py main', 'C main']);
  expect(mismatch).toBe('1 run of Python frames, but 2 calls of the evaluator in the native stack');
});

test('with more runs than evaluator calls the spare ones stay inside the innermost call', () => {
  const python = ['a', 'b', 'c'].map(name => ({ name, entry: true }));
  const { order, mismatch } = merged(python, [
    'read',
    '_PyEval_EvalFrameDefault',
    'call',
    '_PyEval_EvalFrameDefault',
    'main',
  ]);
  expect(order).toEqual(['C read', 'py a', 'py b', 'C call', 'py c', 'C main']);
  expect(mismatch).toContain('3 runs');
});

test('a native stack that lost its outer end is matched from its inner end', () => {
  const python = ['a', 'b', 'c'].map(name => ({ name, entry: true }));
  expect(merged(python, ['read', '_PyEval_EvalFrameDefault', 'call'], '3.11', true).order).toEqual([
    'C read',
    'py a',
    'C call',
    'py b',
    'py c',
  ]);
});

test('a greenlet has the frames of its own, and the native stack those of who started it as well', () => {
  const native = ['epoll_wait', '_PyEval_EvalFrameDefault', 'switch', '_PyEval_EvalFrameDefault', 'main'];
  const { stack, mismatch } = mergeStacks([frame('hub.py:9 run')], nativeFrames(native), {
    pythonVersion: '3.12',
    inGreenlet: true,
  });
  expect(stack).toEqual([{ native: 0 }, { python: 0 }, { native: 2 }, { native: 3 }, { native: 4 }]);
  expect(mismatch).toBeUndefined();
});

test('of a stripped interpreter Python goes where its own code begins', () => {
  const { order, mismatch } = merged([{ name: 'main', entry: true }], ['libc.so.6!recv', '??', '??']);
  expect(order).toEqual(['C recv', 'py main', 'C undefined', 'C undefined']);
  expect(mismatch).toContain('no native frame is named as the evaluator');
});

test('no Python frame is lost, doubled or moved past another, whatever the two stacks are', () => {
  const native = fc.array(fc.constantFrom('_PyEval_EvalFrameDefault', 'libc.so.6!read', 'PyObject_Call', '??'), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 12 }), native, fc.boolean(), (entries, names, nativeStopped) => {
      const { stack } = mergeStacks(
        entries.map(entry => frame('a.py:1 f', entry)),
        nativeFrames(names),
        { pythonVersion: '3.12', nativeStopped },
      );
      const python = stack.flatMap(entry => ('python' in entry ? [entry.python] : []));
      const outside = stack.flatMap(entry => ('native' in entry ? [entry.native] : []));
      expect(python).toEqual(entries.map((_, index) => index));
      expect(outside).toEqual([...outside].sort((a, b) => a - b));
    }),
  );
});
