import type { ProcessEvidence } from '../host/evidence.ts';
import type { PythonPool } from '../python/process.ts';
import type { Confidence, JudgedThread, WaitKind } from './thread.ts';

/** Threads that are handed their work: Python's own pools, or an embedding server's. */
export interface Pool extends Omit<PythonPool, 'kind' | 'queue'> {
  readonly kind: PythonPool['kind'] | 'mod_wsgi' | 'uwsgi';
}

/** Who waits for whom: at most one edge leaves a thread. */
export interface WaitGraph {
  readonly threads: ReadonlyMap<number, JudgedThread>;
  readonly edges: ReadonlyMap<number, WaitEdge>;
  readonly process?: ProcessFacts;
}

/** What was read of the process as a whole. */
export interface ProcessFacts extends Pick<ProcessEvidence, 'pid' | 'stopSignal' | 'tracer'> {
  readonly pools?: readonly Pool[];
}

export interface WaitEdge {
  /** LWP that waits. */
  readonly from: number;
  /** LWP that must act first. */
  readonly to: number;
  readonly kind: WaitKind;
  readonly address?: bigint;
  readonly confidence: Confidence;
}

export function waitGraph(threads: readonly JudgedThread[]): WaitGraph {
  const byLwp = new Map(threads.map(thread => [thread.lwp, thread]));
  const edges = new Map<number, WaitEdge>();
  for (const { lwp, waits } of threads) {
    if (waits?.owner === undefined || !byLwp.has(waits.owner)) continue;
    edges.set(lwp, {
      from: lwp,
      to: waits.owner,
      kind: waits.kind,
      ...(waits.address !== undefined && { address: waits.address }),
      confidence: weakest([waits.confidence, waits.ownerConfidence ?? waits.confidence]),
    });
  }
  return { threads: byLwp, edges };
}

/** Threads that wait, directly or not, for any of `lwps`, without these; ascending. */
export function victimsOf({ edges }: WaitGraph, lwps: Iterable<number>): readonly number[] {
  const reached = new Set(lwps);
  const roots = new Set(reached);
  for (let grew = true; grew; ) {
    const before = reached.size;
    for (const { from, to } of edges.values()) if (reached.has(to)) reached.add(from);
    grew = reached.size > before;
  }
  return [...reached].filter(lwp => !roots.has(lwp)).sort((a, b) => a - b);
}

/** Those of the victims that have work of their own: an idle thread that joins others, as a main thread does, is in no hurry. */
export function hurriedVictimsOf(graph: WaitGraph, lwps: Iterable<number>): readonly number[] {
  return victimsOf(graph, lwps).filter(lwp => graph.threads.get(lwp)?.role !== 'idle');
}

/** Every cycle once, each in waiting order, starting at its lowest LWP. */
export function cyclesOf({ edges }: WaitGraph): readonly (readonly WaitEdge[])[] {
  const cycles: WaitEdge[][] = [];
  const seen = new Set<number>();
  for (const start of [...edges.keys()].sort((a, b) => a - b)) {
    const path = new Map<number, WaitEdge>();
    let edge = edges.get(start);
    while (edge !== undefined && !path.has(edge.from) && !seen.has(edge.from)) {
      path.set(edge.from, edge);
      edge = edges.get(edge.to);
    }
    if (edge !== undefined && path.has(edge.from)) {
      const walked = [...path.values()];
      cycles.push(fromLowest(walked.slice(walked.findIndex(({ from }) => from === edge.from))));
    }
    for (const lwp of path.keys()) seen.add(lwp);
  }
  return cycles;
}

function fromLowest(cycle: readonly WaitEdge[]): WaitEdge[] {
  const lowest = Math.min(...cycle.map(({ from }) => from));
  const at = cycle.findIndex(({ from }) => from === lowest);
  return [...cycle.slice(at), ...cycle.slice(0, at)];
}

const order = ['proven', 'likely', 'suspected'] as const satisfies readonly Confidence[];

/** A chain is as sure as its weakest link. */
export function weakest(confidences: readonly Confidence[]): Confidence {
  return order[Math.max(0, ...confidences.map(confidence => order.indexOf(confidence)))] ?? 'suspected';
}
