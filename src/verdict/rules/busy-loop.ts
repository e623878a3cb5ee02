import { weakest } from '../confidence.ts';
import { victimsOf } from '../wait-graph.ts';
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
    const victims = victimsOf(graph, roots);
    const isKnown = running.every(({ native }) => native.length > 0);
    const confidence = weakest(group.map(each => each.confidence));
    const [runs, was] = group.length === 1 ? ['runs', 'was'] : ['run', 'were'];
    return finding('busy-loop', {
      confidence: confidence === 'proven' && !isKnown ? 'likely' : confidence,
      summary: `${named(running)} ${confidence === 'suspected' ? `${was} running` : `${runs} without end`} in ${places(roots)}${stops(victims, roots)}`,
      roots,
      victims,
      evidence: group.flatMap(({ evidence }) => evidence),
      next: `look at what ends the loop in ${enumerate([...new Set(roots.map(({ function: name, file, line }) => `${name}, ${file}:${line}`))])}`,
    });
  });
