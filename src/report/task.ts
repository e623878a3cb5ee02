import { formatAddress } from '../corefile/memory.ts';
import type { Verdict } from '../verdict/judge.ts';
import type { ReportTask } from './schema.ts';
import { reportRequest } from './thread.ts';

/** A task as the report has it. */
export function reportTask(
  {
    address,
    kind,
    name,
    lwp,
    loop,
    loopClass,
    state,
    stack,
    awaits,
    waitsFor,
    inCycle,
    request,
  }: NonNullable<Verdict['tasks']>[number],
  showQuery: boolean,
): ReportTask {
  return {
    kind,
    ...(name !== undefined && { name }),
    ...(lwp !== undefined && { lwp }),
    ...(loop !== undefined && { loop: formatAddress(loop) }),
    state,
    stack: stack.map(({ function: called, file, line, locals }) => ({
      function: called,
      file,
      line,
      ...(locals && { locals: locals.map(local => ({ ...local })) }),
    })),
    ...(awaits !== undefined && { awaits }),
    address: formatAddress(address),
    ...(loopClass !== undefined && { loopClass }),
    ...(waitsFor && { waitsFor: waitsFor.map(formatAddress) }),
    ...(inCycle === true && { inCycle }),
    ...(request && { request: reportRequest(request, showQuery) }),
  };
}
