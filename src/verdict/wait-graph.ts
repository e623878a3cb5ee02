import type { ProcessEvidence } from '../host/evidence.ts';
import type { PythonPool } from '../python/process.ts';
import { weakest } from './confidence.ts';
import type { ServerPool } from './known/server-threads.ts';
import type { TaskGraph } from './task-graph.ts';
import type { Confidence, JudgedThread, WaitKind } from './thread.ts';

/** Threads that are handed their work: Python's own pools, or an embedding server's. */
export interface Pool extends Omit<PythonPool, 'kind' | 'queue'> {
  readonly kind: PythonPool['kind'] | ServerPool;
  /** Address of the queue of work; absent of a server's. */
  readonly queue?: bigint;
}

/** Who waits for whom: at most one edge leaves a thread. */
export interface WaitGraph {
  readonly threads: ReadonlyMap<number, JudgedThread>;
  /** By the LWP that waits. */
  readonly edges: ReadonlyMap<number, WaitEdge>;
  /** The same edges by the LWP that must act; a thread that nobody waits for has none. */
  readonly edgesInto: ReadonlyMap<number, readonly WaitEdge[]>;
  readonly process?: ProcessFacts;
  /** Absent where no task or greenlet was read. */
  readonly tasks?: TaskGraph;
}

/** What was read of the process as a whole. */
export interface ProcessFacts extends Pick<ProcessEvidence, 'pid' | 'stopSignal' | 'tracer' | 'caughtSignals'> {
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
  return { threads: byLwp, edges, edgesInto: Map.groupBy(edges.values(), ({ to }) => to) };
}

/** Whatever stands for a thread: itself, or a finding's root. */
type OfThread = Pick<JudgedThread, 'lwp'>;

/** Threads that wait, directly or not, for any of some, without these; ascending. */
export function victimsOf({ edgesInto }: WaitGraph, waitedFor: readonly OfThread[]): readonly number[] {
  const roots = new Set(waitedFor.map(({ lwp }) => lwp));
  const reached = new Set(roots);
  // A set goes on to what is added to it meanwhile.
  for (const lwp of reached) for (const { from } of edgesInto.get(lwp) ?? []) reached.add(from);
  return [...reached].filter(lwp => !roots.has(lwp)).sort((a, b) => a - b);
}

/**
 * Those of the victims that have work to do: the service's own, and who wants to run Python. An idle thread that joins
 * others, as a main thread does, is in no hurry, nor are a server's own that take turns.
 */
export function hurriedVictimsOf(graph: WaitGraph, waitedFor: readonly OfThread[]): readonly number[] {
  return victimsOf(graph, waitedFor).filter(lwp => {
    const victim = graph.threads.get(lwp);
    return victim?.role === 'application' || victim?.waits?.kind === 'gil';
  });
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
