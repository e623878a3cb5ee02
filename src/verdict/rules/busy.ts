import type { Evidence } from '../evidence.ts';
import { formatAddress } from '../evidence.ts';
import { isInputOutput, isInterpreterModule, isSystemModule, runningNative } from '../native-names.ts';
import type { Confidence, JudgedThread } from '../thread.ts';
import { hurriedVictimsOf, type WaitGraph } from '../wait-graph.ts';
import { evidenceOf, heldGilEvidence, sampledEvidence } from './rule.ts';
import { isUninterruptible } from './uninterruptible.ts';

/** A thread that computes without end, as far as this can be told. */
export interface BusyThread {
  readonly thread: JudgedThread;
  readonly confidence: Confidence;
  /** The C function that Python code called and that runs; absent: byte code itself. */
  readonly native?: string;
  readonly evidence: readonly Evidence[];
}

/**
 * Threads that use the CPU all the time: by /proc's samples where they exist, else by the moment of the core alone. In a
 * process with Python one of C code counts where others need it.
 */
export function busyThreads(graph: WaitGraph): readonly BusyThread[] {
  const all = [...graph.threads.values()];
  const hasPython = all.some(({ python }) => python.length > 0);
  return all.flatMap(thread => {
    const confidence = busyness(thread, all);
    if (confidence === undefined) return [];
    const isOfC = thread.python.length === 0;
    if (isOfC && (hasPython ? hurriedVictimsOf(graph, [thread]).length === 0 : thread.native.length === 0)) return [];
    const native = isOfC ? (thread.native[0]?.function ?? 'native code') : nativeOf(thread);
    // Seen for a moment, on its way in or out of a system call.
    if (confidence === 'suspected' && native !== undefined && isInputOutput(native)) return [];
    return [{ thread, confidence, ...(native !== undefined && { native }), evidence: busyEvidence(thread) }];
  });
}

/**
 * Who takes turns with others has some of a core (per cent), however crowded the host is. To wait for the GIL alone, and
 * to ask again after each switch interval (Python/ceval_gil.h, `take_gil`), takes next to nothing; but there it is ready
 * to run most of the time.
 */
const turnPercent = 5;

function busyness(thread: JudgedThread, all: readonly JudgedThread[]): Confidence | undefined {
  const { onCpu, states, moved, waits, cpuPercent: cpu = 0, wantedPercent = 0 } = thread;
  if (states.at(-1) === 'stopped' || isUninterruptible(thread)) return undefined;
  if (!onCpu && (waits?.kind !== 'gil' || cpu < turnPercent)) return undefined;
  // The moment of the core alone: it may have been any other thread's, a moment later. Who began only then is not stuck.
  if (states.length < 2) return onCpu && moved === undefined ? 'suspected' : undefined;
  const always = states.every(state => state === 'running');
  // How much of a core it got, of all that it wanted, is a matter of what else the host does.
  if (always && onCpu && (cpu >= 80 || wantedPercent >= 90)) return 'proven';
  if (cpu >= 80 || wantedPercent >= 80 || (onCpu && always && cpu >= 10)) return 'likely';
  // Several that compete for one GIL share one core.
  return cpu >= 20 && sharedCpu(thread, all) >= 80 ? 'likely' : undefined;
}

function sharedCpu({ gilGroup }: JudgedThread, all: readonly JudgedThread[]): number {
  return all
    .filter(other => other.gilGroup === gilGroup && (other.onCpu || other.gil !== 'none'))
    .reduce((sum, { cpuPercent = 0 }) => sum + cpuPercent, 0);
}

function nativeOf({ native, pythonVersion, runningModule, onCpu, gil }: JudgedThread): string | undefined {
  // It waits for its turn to run byte code; the C function that it came from is over.
  if (gil === 'waits') return undefined;
  if (native.length > 0) return runningNative(native, pythonVersion);
  const isForeign =
    runningModule !== undefined && !isInterpreterModule(runningModule) && !isSystemModule(runningModule);
  return onCpu && isForeign ? `code of ${runningModule}` : undefined;
}

/** Function, file and line as far as they are known, and the module. */
function whereOf({ native: [frame], pc, runningModule }: JudgedThread): string {
  const { file, line } = frame?.pc === pc ? frame : {};
  const place = file === undefined || line === undefined ? undefined : `(${file}:${line})`;
  const called = [frame?.function, place].filter(Boolean).join(' ');
  if (runningModule === undefined) return called;
  return called === '' ? runningModule : `${called} of ${runningModule}`;
}

function busyEvidence(thread: JudgedThread): readonly Evidence[] {
  const { pc, onCpu } = thread;
  const where = whereOf(thread);
  return [
    ...sampledEvidence(thread),
    ...(onCpu
      ? evidenceOf(thread, [
          { text: `executes at ${formatAddress(pc)}${where === '' ? '' : `, in ${where}`}; in no system call` },
        ])
      : []),
    ...heldGilEvidence(thread),
  ];
}
