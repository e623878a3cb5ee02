import type { JudgedInterpreter } from '../verdict/gil.ts';
import { enumerate } from '../verdict/rules/rule.ts';
import type { Report } from './schema.ts';

type ReportInterpreter = NonNullable<Report['interpreters']>[number];

export function reportInterpreter({ id, gil, threads }: JudgedInterpreter): ReportInterpreter {
  return { id, ...(gil && { gil: { ...gil, waiters: [...gil.waiters] } }), threads: [...threads] };
}

/** A sentence for each GIL that somebody waits for: who holds it, who waits, whether its holder is asked to give it up. */
export function awaitedGils({ interpreters = [] }: Pick<Report, 'interpreters'>): readonly string[] {
  const sharing = new Map<number, ReportInterpreter[]>();
  for (const interpreter of interpreters) {
    const { id, gil } = interpreter;
    if (gil === undefined || gil.waiters.length === 0) continue;
    // The main interpreter's is the one that is shared.
    const key = gil.own === true ? id : 0;
    sharing.set(key, [...(sharing.get(key) ?? []), interpreter]);
  }
  return [...sharing.values()].map(gilLine);
}

/** How many threads wait for the GIL that a thread holds. */
export function gilWaiters(
  { threads, interpreters }: Pick<Report, 'threads' | 'interpreters'>,
  holder: number,
): number {
  if (interpreters === undefined) return threads.filter(({ gil }) => gil === 'waits').length;
  return interpreters.find(({ gil }) => gil?.holder === holder)?.gil?.waiters.length ?? 0;
}

/** Waiters that are named one by one; more are counted. */
const namedWaiters = 5;

function gilLine(interpreters: readonly ReportInterpreter[]): string {
  const { holder, waiters = [], dropRequested } = interpreters[0]?.gil ?? {};
  const whose = `interpreter${interpreters.length === 1 ? '' : 's'} ${enumerate(interpreters.map(({ id }) => id))}`;
  const who = waiters.length > namedWaiters ? `${waiters.length} threads` : enumerate(waiters);
  const asked =
    dropRequested === undefined || holder === undefined
      ? ''
      : dropRequested
        ? ', asked to drop it'
        : ', not asked to drop it';
  return `GIL of ${whose}: ${holder === undefined ? 'held by nobody' : `held by thread ${holder}`}, awaited by ${who}${asked}`;
}
