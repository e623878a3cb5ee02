import type { WaitGraph } from '../wait-graph.ts';
import { victimsOf } from '../wait-graph.ts';
import { type BusyThread, busyThreads } from './busy.ts';
import { finding, place, type Rule, rootOf, stops } from './rule.ts';

/** C code, called from Python, that runs without end: a pattern that backtracks, a key derivation, a sum. */
export const busyNative: Rule = graph =>
  busyThreads(graph).flatMap(busy => {
    const { thread, native, evidence } = busy;
    if (native === undefined) return [];
    const root = rootOf(thread);
    const victims = victimsOf(graph, [thread.lwp]);
    return [
      finding('busy-native', {
        confidence: confidenceOf(graph, busy),
        summary: `thread ${thread.lwp} computes in ${native}${thread.python.length > 0 ? `, called by ${place(root)}` : ''}${stops(victims)}`,
        roots: [root],
        victims,
        evidence,
        next: `limit what ${root.function} hands to ${native}, or run it in another process with a time limit`,
      }),
    ];
  });

/** One call or many short ones look alike, unless another thread stood still waiting for the GIL, which many would give. */
function confidenceOf({ edges, threads }: WaitGraph, { thread, confidence }: BusyThread): BusyThread['confidence'] {
  if (confidence !== 'proven') return confidence;
  const starved = [...edges.values()].some(
    ({ from, to, kind }) => kind === 'gil' && to === thread.lwp && threads.get(from)?.moved === false,
  );
  return starved ? 'proven' : 'likely';
}
