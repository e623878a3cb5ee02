import { formatAddress } from '../corefile/memory.ts';
import type { Verdict } from '../verdict/judge.ts';
import type { ReportTask } from './schema.ts';

/** A task as the report has it. */
export function reportTask({
  name,
  lwp,
  loop,
  state,
  stack,
  awaits,
}: NonNullable<Verdict['tasks']>[number]): ReportTask {
  return {
    kind: 'asyncio',
    ...(name !== undefined && { name }),
    ...(lwp !== undefined && { lwp }),
    ...(loop !== undefined && { loop: formatAddress(loop) }),
    state,
    stack: stack.map(({ function: called, file, line }) => ({ function: called, file, line })),
    ...(awaits !== undefined && { awaits }),
  };
}
