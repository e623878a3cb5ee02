import type { NativeFrame } from '../native/stacks.ts';
import type { PythonFrame } from '../python/process.ts';
import { isEvaluator, isInterpreterModule } from './native-names.ts';
import type { StackEntry } from './thread.ts';

export interface MergedStack {
  /** Innermost first. */
  readonly stack: readonly StackEntry[];
  /** Why the order is partly a guess; absent when the two stacks agree. */
  readonly mismatch?: string;
}

export interface MergeOptions {
  readonly pythonVersion: string;
  readonly nativeStopped?: boolean;
  readonly inGreenlet?: boolean;
}

/**
 * One stack out of two. A run of Python frames, up to and including the one where C called the evaluator, takes the place
 * of that call; where the counts differ, the outermost ones are matched, unless the debugger lost the outer end, or the
 * thread runs a greenlet: that has the frames which it began with, and the native stack those of who started it as well.
 */
export function mergeStacks(
  python: readonly Pick<PythonFrame, 'entry'>[],
  native: readonly NativeFrame[],
  { pythonVersion, nativeStopped = false, inGreenlet = false }: MergeOptions,
): MergedStack {
  if (native.length === 0) return { stack: python.map((_, index) => ({ python: index })) };
  const runs = runsOf(python);
  const calls = native.flatMap((frame, index) => (isEvaluator(frame, pythonVersion) ? [index] : []));
  if (runs.length === 0) return { stack: native.map((_, index) => ({ native: index })) };
  if (calls.length === 0) return besideInterpreter(runs, native);
  const shift = nativeStopped || inGreenlet ? 0 : calls.length - runs.length;
  const runAt = new Map<number, readonly number[]>();
  const inner: (readonly number[])[] = [];
  const outer: (readonly number[])[] = [];
  runs.forEach((run, index) => {
    const call = calls[index + shift];
    if (call !== undefined) runAt.set(call, run);
    else if (index + shift < 0) inner.push(run);
    else outer.push(run);
  });
  const first = Math.max(
    0,
    calls.findIndex(call => runAt.has(call)),
  );
  const stack = native.flatMap((_, index): readonly StackEntry[] => {
    const run = runAt.get(index);
    if (run === undefined) return [{ native: index }];
    const extra = index === calls[first] ? inner.flat() : [];
    return [...extra, ...run].map(frame => ({ python: frame }));
  });
  stack.push(...outer.flat().map(frame => ({ python: frame })));
  if (calls.length === runs.length || (inGreenlet && calls.length > runs.length)) return { stack };
  return {
    stack,
    mismatch: `${counted(runs.length, 'run')} of Python frames, but ${counted(calls.length, 'call')} of the evaluator in the native stack`,
  };
}

/** Indexes of Python frames, grouped by the evaluator call that runs them; innermost first. */
function runsOf(python: readonly Pick<PythonFrame, 'entry'>[]): readonly (readonly number[])[] {
  const runs: number[][] = [];
  let open: number[] | undefined;
  python.forEach(({ entry }, index) => {
    open ??= (runs.push([]), runs.at(-1));
    open?.push(index);
    if (entry) open = undefined;
  });
  return runs;
}

/** No frame is named as the evaluator (a stripped interpreter): Python goes where the interpreter's own code begins. */
function besideInterpreter(runs: readonly (readonly number[])[], native: readonly NativeFrame[]): MergedStack {
  const found = native.findIndex(({ module }) => isInterpreterModule(module));
  const at = found < 0 ? 0 : found;
  const outside = native.map((_, index) => ({ native: index }));
  return {
    stack: [...outside.slice(0, at), ...runs.flat().map(frame => ({ python: frame })), ...outside.slice(at)],
    mismatch: 'no native frame is named as the evaluator of byte code',
  };
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
