import { weakest } from '../confidence.ts';
import type { Finding } from '../finding.ts';
import { victimsOf, type WaitGraph } from '../wait-graph.ts';
import { type BusyThread, busyThreads } from './busy.ts';
import { alikeThreads, enumerate, finding, named, places, type Rule, rootOf, stops } from './rule.ts';

/**
 * C code, called from Python, that runs without end: a pattern that backtracks, a key derivation, a sum. Calls by one
 * function are one finding.
 */
export const busyNative: Rule = graph =>
  alikeThreads(busyThreads(graph).flatMap(busy => called(graph, busy))).map(group => fromGroup(graph, group));

type CallingThread = BusyThread & { readonly native: string };

function called(graph: WaitGraph, busy: BusyThread): readonly CallingThread[] {
  const { native } = busy;
  return native === undefined ? [] : [{ ...busy, native, confidence: confidenceOf(graph, busy) }];
}

function fromGroup(graph: WaitGraph, group: readonly CallingThread[]): Finding {
  const running = group.map(({ thread }) => thread);
  const roots = running.map(rootOf);
  const victims = victimsOf(graph, roots);
  const native = enumerate([...new Set(group.map(each => each.native))]);
  const by = running.some(({ python }) => python.length > 0) ? `, called by ${places(roots)}` : '';
  return finding('busy-native', {
    confidence: weakest(group.map(({ confidence }) => confidence)),
    summary: `${named(running)} ${group.length === 1 ? 'computes' : 'compute'} in ${native}${by}${stops(victims, roots)}`,
    roots,
    victims,
    evidence: group.flatMap(({ evidence }) => evidence),
    next: `limit what ${roots[0]?.function} hands to ${native}, or run it in another process with a time limit`,
  });
}

/** One call or many short ones look alike, unless another thread stood still waiting for the GIL, which many would give. */
function confidenceOf({ edgesInto, threads }: WaitGraph, { thread, confidence }: BusyThread): BusyThread['confidence'] {
  if (confidence !== 'proven') return confidence;
  const into = edgesInto.get(thread.lwp) ?? [];
  const isStarving = into.some(({ from, kind }) => kind === 'gil' && threads.get(from)?.moved === false);
  return isStarving ? 'proven' : 'likely';
}
