import type { PythonProcess } from '../python/process.ts';
import type { Finding } from './finding.ts';
import { type JudgedInterpreter, judgeInterpreters } from './gil.ts';
import { joinThreads } from './join-threads.ts';
import type { JudgeInput } from './judge-input.ts';
import { withMutexHolds } from './mutex-holds.ts';
import { withPermitOwners } from './permits.ts';
import { processFacts } from './process-facts.ts';
import { rolesAfter, settleRoles } from './role.ts';
import { findAll } from './rules/index.ts';
import { taskGraph } from './task-graph.ts';
import { withTaskOwners } from './task-owners.ts';
import { withPeers } from './task-peers.ts';
import type { JudgedThread } from './thread.ts';
import { type WaitGraph, waitGraph } from './wait-graph.ts';

export interface Verdict {
  /** Every LWP of the core, in the core's order. */
  readonly threads: readonly JudgedThread[];
  /** Most severe first; empty when nothing hangs. */
  readonly findings: readonly Finding[];
  readonly graph: WaitGraph;
  /** Absent without Python. */
  readonly interpreters?: readonly JudgedInterpreter[];
  /** Pending asyncio tasks and greenlets. */
  readonly tasks?: NonNullable<PythonProcess['tasks']>;
  readonly gaps: PythonProcess['gaps'];
}

/** Who waits for whom and why. Claims no more than its sources show: each missing one lowers confidence, none is needed. */
export function judge(input: JudgeInput): Verdict {
  const joined = joinThreads(input);
  const tasks = input.python?.tasks && withPeers(input.python.tasks, input.evidence?.descriptors ?? []);
  const suspended = tasks && taskGraph(tasks);
  const threads = settleRoles(withPermitOwners(withTaskOwners(withMutexHolds(joined.threads), suspended)));
  const graph = {
    ...waitGraph(threads),
    process: processFacts(input, threads),
    ...(suspended && { tasks: suspended }),
  };
  const findings = findAll(graph);
  const interpreters = judgeInterpreters(input.python, threads);
  return {
    threads: rolesAfter(findings, threads),
    findings,
    graph,
    ...(interpreters.length > 0 && { interpreters }),
    ...(tasks && { tasks }),
    gaps: joined.gaps,
  };
}
