import type { PythonFrame, PythonThread } from '../python/process.ts';

/**
 * All that CPython knows of one LWP: its thread states, one in each interpreter that it has been in. Address and
 * interpreter are those of the current one, whose code, or whose C call, runs or waits.
 */
export interface MergedThread extends PythonThread {
  /** Innermost first, of all states in the order in which they call each other. */
  readonly frames: readonly MergedFrame[];
  /** Interpreters that the thread has a state in. */
  readonly interpreters: readonly number[];
}

export interface MergedFrame extends PythonFrame {
  /** `PythonInterpreter.id` */
  readonly interpreter: number;
}

/** The threads by LWP. A state without a live thread belongs to none. */
export function mergeStates(threads: readonly PythonThread[]): ReadonlyMap<number, MergedThread> {
  const byLwp = Map.groupBy(threads, ({ lwp }) => lwp);
  return new Map([...byLwp].flatMap(([lwp, states]) => (lwp === undefined ? [] : [[lwp, merge(states)] as const])));
}

/** @param states of one LWP, at least one */
function merge(states: readonly PythonThread[]): MergedThread {
  const runs = inCallOrder(states);
  const first = states.find(({ holdsGil }) => holdsGil) ?? runs[0]?.state ?? states[0];
  if (first === undefined) throw new RangeError('a thread has at least one state');
  const ordered = [first, ...states.filter(state => state !== first)];
  const frames = runs.flatMap(({ state, frames: run }) =>
    run.map(frame => ({ ...frame, interpreter: state.interpreter })),
  );
  const placeOf = (state: PythonThread, frame: number) =>
    frames.findIndex(({ address: at }) => at === state.frames[frame]?.address);
  // The system call is the thread's own: what it waits for is found by its address, in whichever frame works with that.
  const waiting = ordered.find(({ waits }) => waits !== undefined);
  const request = ordered.find(({ request: served }) => served !== undefined)?.request;
  const socket = ordered.find(({ socket: used }) => used !== undefined)?.socket;
  const futures = ordered.flatMap(({ runs: own = [] }) => own);
  return {
    ...first,
    holdsGil: states.some(({ holdsGil }) => holdsGil),
    frames,
    ...(waiting?.waits && { waits: { ...waiting.waits, frame: placeOf(waiting, waiting.waits.frame) } }),
    holds: unitedHolds(ordered, placeOf),
    ...(futures.length > 0 && { runs: futures }),
    ...(request && { request }),
    ...(socket && { socket }),
    interpreters: [...new Set(ordered.map(state => state.interpreter))],
  };
}

/** Each lock once: that an owner is named by its lock is said of all states of the thread. */
function unitedHolds(
  states: readonly PythonThread[],
  placeOf: (state: PythonThread, frame: number) => number,
): PythonThread['holds'] {
  const held = states.flatMap(state =>
    state.holds.map(hold => (hold.frame === undefined ? hold : { ...hold, frame: placeOf(state, hold.frame) })),
  );
  const inBlocks = new Set(held.flatMap(({ frame, address }) => (frame === undefined ? [] : [address])));
  const named = new Set<bigint>();
  return held.filter(({ frame, address }) => {
    if (frame !== undefined) return true;
    if (inBlocks.has(address) || named.has(address)) return false;
    named.add(address);
    return true;
  });
}

interface Run {
  readonly state: PythonThread;
  /** Frames that one call of the evaluator runs, innermost first. */
  readonly frames: readonly PythonFrame[];
}

/** The calls of the evaluator in all states, innermost first: the native stack grows down, so the lowest is the innermost. */
function inCallOrder(states: readonly PythonThread[]): readonly Run[] {
  const waiting = states
    .map(state => ({ state, runs: runsOf(state) }))
    .filter(({ runs }) => runs.length > 0)
    .toSorted((left, right) => Number(right.state.holdsGil) - Number(left.state.holdsGil));
  const merged: Run[] = [];
  while (waiting.length > 0) {
    const [innermost] = waiting.toSorted((left, right) => compare(positionOf(left.runs), positionOf(right.runs)));
    const run = innermost?.runs.shift();
    if (innermost === undefined || run === undefined) break;
    merged.push(run);
    if (innermost.runs.length === 0) waiting.splice(waiting.indexOf(innermost), 1);
  }
  return merged;
}

function runsOf(state: PythonThread): Run[] {
  const runs: { state: PythonThread; frames: PythonFrame[] }[] = [];
  let open: { state: PythonThread; frames: PythonFrame[] } | undefined;
  for (const frame of state.frames) {
    if (open === undefined) runs.push((open = { state, frames: [] }));
    open.frames.push(frame);
    if (frame.entry) open = undefined;
  }
  return runs;
}

/** Of the innermost run whose place on the stack is known. */
function positionOf(runs: readonly Run[]): bigint | undefined {
  return runs.map(({ frames }) => frames.at(-1)?.position).find(position => position !== undefined);
}

/** Those whose place is unknown keep their order, behind none: the holder of the GIL, then the newest interpreter. */
function compare(left: bigint | undefined, right: bigint | undefined): number {
  if (left === undefined || right === undefined || left === right) return 0;
  return left < right ? -1 : 1;
}
