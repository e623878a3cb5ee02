import type { Evidence } from '../evidence.ts';
import type { JudgedThread } from '../thread.ts';
import { victimsOf, type WaitGraph } from '../wait-graph.ts';
import { finding, place, type Rule, rootOf } from './rule.ts';

/**
 * The whole process does not run: a signal stopped it, or a debugger did. By /proc's samples alone, which were taken
 * before the core: whoever takes a core stops the process too.
 */
export const stopped: Rule = graph => {
  const all = sampledThreads(graph);
  if (!isStoppedProcess(graph)) return [];
  const main = mainThread(graph);
  const root = rootOf(main);
  const samples = Math.min(...all.map(({ states }) => states.length));
  const { summary, next } = stopper(graph, main.lwp);
  return [
    finding('stopped', {
      confidence: samples > 1 ? 'proven' : 'likely',
      summary: `the whole process ${summary}; its main thread, ${main.lwp}, is in ${place(root)}`,
      roots: [root],
      victims: victimsOf(graph, [main]),
      evidence: evidenceOfStop(graph, all, samples),
      next,
    }),
  ];
};

/** Whether each thread was stopped in each sample of /proc; false when none was taken. */
export function isStoppedProcess(graph: WaitGraph): boolean {
  const all = sampledThreads(graph);
  return all.length > 0 && all.every(({ states }) => states.every(state => state === 'stopped'));
}

/** Without those that began after the samples, or were never seen; a leader that has ended stays a zombie (proc(5)). */
function sampledThreads({ threads }: WaitGraph): readonly JudgedThread[] {
  return [...threads.values()].filter(({ states }) => states.length > 0 && !states.includes('zombie'));
}

/** Its number is the process's; where that one has ended, the first that is left. */
function mainThread({ threads, process }: WaitGraph): JudgedThread {
  const all = [...threads.values()].toSorted((a, b) => a.lwp - b.lwp);
  const main = all.find(({ lwp }) => lwp === process?.pid) ?? all[0];
  if (main === undefined) throw new RangeError('a process has at least one thread');
  return main;
}

function stopper({ process }: WaitGraph, pid: number): { readonly summary: string; readonly next: string } {
  const { stopSignal, tracer } = process ?? {};
  if (tracer !== undefined) {
    const who = `${tracer.name.trim() || 'a debugger'} (process ${tracer.pid})`;
    return {
      summary: `is held by ${who}, which traces it`,
      next: `let ${who} go on or detach; else: kill ${tracer.pid}`,
    };
  }
  const by = stopSignal === undefined ? 'a signal' : stopSignal;
  const terminal = stopSignal === 'SIGTTIN' || stopSignal === 'SIGTTOU';
  return {
    summary: `is stopped by ${by}${terminal ? ', which the kernel sends to a background process that uses its terminal' : ''}`,
    next: `find out who stopped it, then: kill -CONT ${pid}`,
  };
}

function evidenceOfStop({ process }: WaitGraph, all: readonly JudgedThread[], samples: number): readonly Evidence[] {
  const { stopSignal, tracer } = process ?? {};
  const threads = all.length === 1 ? 'its only thread was' : `all ${all.length} threads were`;
  return [
    {
      text: `${threads} stopped in ${samples === 1 ? 'the only sample' : `each of ${samples} samples`} of /proc, before the core was taken`,
    },
    ...(stopSignal === undefined ? [] : [{ text: `/proc/PID/stat names ${stopSignal} as the signal that stopped it` }]),
    ...(tracer === undefined
      ? []
      : [{ text: `TracerPid of /proc/PID/status is ${tracer.pid}: ${tracer.name.trim()}` }]),
  ];
}
