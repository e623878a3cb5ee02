import { victimsOf, weakest } from '../wait-graph.ts';
import { busyThreads } from './busy.ts';
import { alikeThreads, enumerate, finding, named, places, type Rule, rootOf, stops } from './rule.ts';

/**
 * Python code that runs without end; threads in one function are one finding. Proven where the samples, and a native
 * stack without a called C function, agree.
 */
export const busyLoop: Rule = graph =>
  alikeThreads(busyThreads(graph).filter(({ native }) => native === undefined)).map(group => {
    const running = group.map(({ thread }) => thread);
    const roots = running.map(rootOf);
    const victims = victimsOf(
      graph,
      running.map(({ lwp }) => lwp),
    );
    const known = running.every(({ native, running: name }) => native.length > 0 || name !== undefined);
    const confidence = weakest(group.map(each => each.confidence));
    const [runs, was, whom] = group.length === 1 ? ['runs', 'was', 'it'] : ['run', 'were', 'them'];
    return finding('busy-loop', {
      confidence: confidence === 'proven' && !known ? 'likely' : confidence,
      summary: `${named(running)} ${confidence === 'suspected' ? `${was} running` : `${runs} without end`} in ${places(roots)}${stops(victims, whom)}`,
      roots,
      victims,
      evidence: group.flatMap(({ evidence }) => evidence),
      next: `look at what ends the loop in ${enumerate([...new Set(roots.map(({ function: name, file, line }) => `${name}, ${file}:${line}`))])}`,
    });
  });
