import type { JudgeInput } from './judge-input.ts';
import { serverPools } from './server-pools.ts';
import type { JudgedThread } from './thread.ts';
import type { ProcessFacts } from './wait-graph.ts';

/** What the sources say of the process as a whole. */
export function processFacts({ core, python, evidence }: JudgeInput, threads: readonly JudgedThread[]): ProcessFacts {
  const { stopSignal, tracer, caughtSignals } = evidence ?? {};
  const pools = [...(python?.pools ?? []), ...serverPools(threads)];
  return {
    pid: core.process.pid,
    ...(stopSignal !== undefined && { stopSignal }),
    ...(caughtSignals && { caughtSignals }),
    ...(tracer && { tracer }),
    ...(pools.length > 0 && { pools }),
  };
}
