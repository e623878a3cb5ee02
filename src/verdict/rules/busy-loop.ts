import { victimsOf } from '../wait-graph.ts';
import { busyThreads } from './busy.ts';
import { finding, place, type Rule, rootOf, stops } from './rule.ts';

/** Python code that runs without end. Proven where the samples, and a native stack without a called C function, agree. */
export const busyLoop: Rule = graph =>
  busyThreads(graph)
    .filter(({ native }) => native === undefined)
    .map(({ thread, confidence, evidence }) => {
      const root = rootOf(thread);
      const victims = victimsOf(graph, [thread.lwp]);
      const known = thread.native.length > 0 || thread.running !== undefined;
      return finding('busy-loop', {
        confidence: confidence === 'proven' && !known ? 'likely' : confidence,
        summary: `thread ${thread.lwp} ${confidence === 'suspected' ? 'was running' : 'runs without end'} in ${place(root)}${stops(victims)}`,
        roots: [root],
        victims,
        evidence,
        next: `look at what ends the loop in ${root.function}, ${root.file}:${root.line}`,
      });
    });
