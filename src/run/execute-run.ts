import type { Host } from '../fleet/host.ts';
import { executeHost } from './execute-host.ts';
import { type HostEnvironment, secondsSince } from './outcome.ts';
import type { HostRun, Run, RunEvent } from './run.ts';
import type { RunStore } from './run-store.ts';
import type { Amount, ParamValues, Runbook } from './runbook.ts';

/** What a report must have for the findings of a run to be gathered over its hosts. */
export interface Reported {
  readonly findings: readonly { readonly signature: string; readonly class: string; readonly summary: string }[];
}

export interface Execution<Context> {
  /** `newRunId` gives one. */
  readonly run: string;
  readonly runbook: Runbook<Context>;
  readonly params: ParamValues;
  readonly hosts: readonly Host[];
  /** What the steps of one host share; made when the host's turn comes. */
  readonly contextOf: (host: Host) => Context;
  readonly close?: (context: Context) => Promise<void>;
  /** Read once a host has ended. */
  readonly reportOf?: (context: Context) => Promise<Reported | undefined>;
  readonly store: RunStore;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
  /** A yes/no question to the person at the terminal; undefined when nobody can be asked. */
  readonly ask: (question: string) => Promise<boolean | undefined>;
}

/** `20261124T023000Z-hang-3f9c` */
export function newRunId(runbook: string, now = new Date()): string {
  const suffix = Math.floor(Math.random() * 0x10000)
    .toString(16)
    .padStart(4, '0');
  return `${now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${runbook}-${suffix}`;
}

/**
 * Runs a runbook on its hosts and resolves with the record, whatever happened on them: the start and the end of every
 * step are in the store before the run goes on.
 */
export async function executeRun<Context>(execution: Execution<Context>): Promise<Run> {
  const { run, runbook, hosts, store, params } = execution;
  const [startedAt, begun] = [new Date().toISOString(), performance.now()];
  const names = hosts.map(({ name }) => name);
  const journal = await store.begin({
    run,
    runbook: runbook.name,
    text: runbook.text,
    params,
    hosts: names,
    startedAt,
  });
  const record = async (event: RunEvent): Promise<void> => {
    execution.onEvent(event);
    await journal.append(event);
  };
  const environment: HostEnvironment<Context> = { ...execution, record, now: () => new Date().toISOString() };
  await record({ kind: 'run-started', at: startedAt, run, runbook: runbook.name, hosts: names });
  const results = await executeHosts(execution, environment);
  const exitCode = exitCodeOf(results);
  const status = statusOf(results, exitCode);
  const whole: Run = {
    schema: 'hangar.run/1',
    run,
    runbook: runbook.name,
    status,
    exitCode,
    startedAt,
    seconds: secondsSince(begun),
    hosts: results.map(({ result }) => result),
    findings: gather(results),
  };
  await record({ kind: 'run-ended', at: environment.now(), run, status, exitCode });
  await journal.end(whole);
  return whole;
}

interface HostResult {
  readonly result: HostRun;
  readonly exitCode: number;
  readonly report?: Reported;
}

/** Batch after batch; within one as many at a time as `concurrency` allows. */
async function executeHosts<Context>(
  execution: Execution<Context>,
  environment: HostEnvironment<Context>,
): Promise<readonly HostResult[]> {
  const { hosts, runbook, signal } = execution;
  const { concurrency, serial, maxFailures } = runbook.fanout;
  const limit = maxFailures === undefined ? Number.POSITIVE_INFINITY : countOf(maxFailures, hosts.length);
  const results = new Map<string, HostResult>();
  const failures = (): number => [...results.values()].filter(({ exitCode }) => exitCode !== 0).length;
  const isOver = (): boolean => signal.aborted || (hosts.length > 1 && failures() >= limit);
  for (const batch of batches(hosts, serial)) {
    const queue = [...batch];
    const work = async (): Promise<void> => {
      for (let host = queue.shift(); host !== undefined && !isOver(); host = queue.shift())
        results.set(host.name, await executeOne(host, execution, environment));
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, batch.length) }, work));
  }
  return hosts.map(({ name }) => results.get(name) ?? notStarted(name, signal.aborted));
}

async function executeOne<Context>(
  host: Host,
  { contextOf, close, reportOf }: Execution<Context>,
  environment: HostEnvironment<Context>,
): Promise<HostResult> {
  const context = contextOf(host);
  try {
    const { result, exitCode } = await executeHost(host, context, environment);
    const report = await reportOf?.(context);
    return { result: { ...result, ...(report && { report }) }, exitCode, ...(report && { report }) };
  } finally {
    await close?.(context);
  }
}

function notStarted(name: string, isCancelled: boolean): HostResult {
  const result: HostRun = { name, status: isCancelled ? 'cancelled' : 'not-started', steps: [] };
  return { result, exitCode: isCancelled ? 6 : 3 };
}

function batches(hosts: readonly Host[], serial: readonly Amount[]): readonly (readonly Host[])[] {
  const found: (readonly Host[])[] = [];
  for (let from = 0, number = 0; from < hosts.length; number++) {
    const amount = serial[Math.min(number, serial.length - 1)] ?? { percent: 100 };
    const size = Math.max(1, countOf(amount, hosts.length));
    found.push(hosts.slice(from, from + size));
    from += size;
  }
  return found;
}

function countOf(amount: Amount, all: number): number {
  return 'count' in amount ? amount.count : Math.ceil((amount.percent / 100) * all);
}

/** The first of these that occurred on any host (contract, `Exit codes`). */
const precedence = [1, 2, 3, 5, 6, 7, 4];

function exitCodeOf(results: readonly HostResult[]): number {
  return precedence.find(code => results.some(({ exitCode }) => exitCode === code)) ?? 0;
}

function statusOf(results: readonly HostResult[], exitCode: number): Run['status'] {
  if (exitCode === 0) return 'succeeded';
  return results.some(({ result }) => result.status === 'cancelled') ? 'cancelled' : 'failed';
}

/** One finding for all hosts that have the same cause. */
function gather(results: readonly HostResult[]): Run['findings'] {
  const found = new Map<string, Run['findings'][number]>();
  for (const { result, report } of results)
    for (const { signature, class: kind, summary } of report?.findings ?? []) {
      const known = found.get(signature) ?? { signature, class: kind, summary, hosts: [] };
      found.set(signature, { ...known, hosts: [...new Set([...known.hosts, result.name])] });
    }
  return [...found.values()];
}
