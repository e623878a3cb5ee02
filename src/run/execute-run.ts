import { z } from 'zod';
import { HangarError } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import type { Amount, ParamValues, Runbook } from '../runbook/runbook.ts';
import type { Risk } from '../runbook/step-kind.ts';
import { Approvals } from './approvals.ts';
import type { RunEnvironment } from './environment.ts';
import { executeHost } from './execute-host.ts';
import { History } from './history.ts';
import type { HeldLocks, HostLocks } from './host-locks.ts';
import { maskOf } from './mask.ts';
import { describe, doneCode, exitCodeOf, secondsSince } from './outcome.ts';
import type { HostRun, Run, RunEvent } from './run.ts';
import type { RunJournal } from './run-store.ts';

/** What a report must have for the findings of a run to be gathered over its hosts. */
export interface Reported {
  readonly findings: readonly { readonly signature: string; readonly class: string; readonly summary: string }[];
}

const reportedSchema = z.looseObject({
  findings: z.array(z.looseObject({ signature: z.string(), class: z.string(), summary: z.string() })),
});

export interface Execution<Context> {
  /** Where each start and end is kept: a new one, or that of a run that is taken up again. */
  readonly journal: RunJournal;
  readonly runbook: Runbook<Context>;
  /** With secrets looked up. */
  readonly params: ParamValues;
  /** Texts that are shown and kept nowhere. */
  readonly secrets?: readonly string[];
  readonly hosts: readonly Host[];
  /** What became of the run's other hosts before it was taken up again for these. */
  readonly kept?: readonly HostRun[];
  /** What became of `hosts` before: of one whose turn does not come it stands. */
  readonly earlier?: readonly HostRun[];
  /** What the steps of one host share; made when the host's turn comes. */
  readonly contextOf: (host: Host) => Context;
  /** The steps that follow clean up: a host that is lost is tried once more, not for each of them. */
  readonly beforeCleanUp?: (context: Context) => void;
  readonly close?: (context: Context) => Promise<void>;
  /** Read once a host has ended. */
  readonly reportOf?: (context: Context) => Promise<Reported | undefined>;
  /** What else the record of a host has, that follows from its steps. */
  readonly complete?: (result: HostRun) => HostRun;
  /** One run at a time on what these names name. */
  readonly locks?: { readonly locks: HostLocks; readonly namesOf: (host: Host) => readonly string[] };
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
  /** A yes/no question to the person at the terminal; undefined when nobody can be asked. */
  readonly ask: (question: string, signal?: AbortSignal) => Promise<boolean | undefined>;
  /** Login name of that person. */
  readonly by: string;
  /** Steps of at least that risk ask before they act (fleet file, `approvals`). */
  readonly askFrom?: 'none' | Exclude<Risk, 'read'>;
  /** Only steps that read are run; the others tell what they would run. */
  readonly isProbe?: boolean;
  /** A private directory for files that steps keep. */
  readonly folder: () => Promise<string>;
}

/** `20261124T023000Z-hang-3f9c` */
export function newRunId(runbook: string, at = new Date()): string {
  const suffix = Math.floor(Math.random() * 0x10000)
    .toString(16)
    .padStart(4, '0');
  return `${at.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${runbook}-${suffix}`;
}

/**
 * Runs a runbook on its hosts and resolves with the record, whatever happened on them: the start and the end of every
 * step are on disk before the run goes on. What the journal says was done is not done again.
 */
export async function executeRun<Context>(execution: Execution<Context>): Promise<Run> {
  const { journal, runbook, hosts } = execution;
  const begun = performance.now();
  const { run, startedAt } = journal.request;
  const cancel = watchForCancel(execution);
  try {
    const environment = environmentOf(execution, cancel.signal);
    const { record } = environment;
    const names = hosts.map(({ name }) => name);
    if (journal.history.length === 0)
      await record({ kind: 'run-started', at: startedAt, run, runbook: runbook.name, hosts: names });
    else await record({ kind: 'run-resumed', at: now(), run, hosts: names, by: execution.by });
    const results = [...(execution.kept ?? []).map(keep), ...(await executeHosts(execution, environment))];
    const exitCode = codeOf(results);
    const status = statusOf(results, exitCode);
    const whole: Run = environment.mask({
      schema: 'hangar.run/1',
      run,
      runbook: runbook.name,
      status,
      exitCode,
      startedAt,
      seconds: secondsSince(begun),
      hosts: results.map(({ result }) => result),
      findings: gather(results),
    });
    await record({ kind: 'run-ended', at: now(), run, status, exitCode });
    await journal.end(whole);
    return whole;
  } finally {
    cancel.stop();
    await journal.close();
  }
}

/** How soon a `runbook cancel` is heard (milliseconds). */
const cancelMilliseconds = 300;

/** Aborts when the signal of this process does, or somebody cancels the run from another one. */
function watchForCancel<Context>({ journal, signal, onEvent }: Execution<Context>): {
  readonly signal: AbortSignal;
  stop(): void;
} {
  const cancel = new AbortController();
  const timer = setInterval(() => {
    const message = journal.messages().find(({ kind }) => kind === 'cancel');
    if (message === undefined || cancel.signal.aborted) return;
    onEvent({ kind: 'cancel-requested', at: now(), run: journal.request.run, by: message.by });
    cancel.abort(cancelled(journal.request.run, message.by));
  }, cancelMilliseconds);
  timer.unref();
  return { signal: AbortSignal.any([signal, cancel.signal]), stop: () => clearInterval(timer) };
}

function environmentOf<Context>(execution: Execution<Context>, signal: AbortSignal): RunEnvironment<Context> {
  const {
    journal,
    runbook,
    params,
    secrets = [],
    onEvent,
    ask,
    by,
    askFrom = 'none',
    isProbe = false,
    folder,
  } = execution;
  const mask = maskOf(secrets);
  const show = (event: RunEvent): void => onEvent(mask(event));
  const record = async (event: RunEvent): Promise<void> => {
    const safe = mask(event);
    onEvent(safe);
    await journal.append(safe);
  };
  const askMasked = (question: string, until?: AbortSignal) => ask(mask(question), until);
  return {
    run: journal.request.run,
    runbook,
    params,
    mask,
    signal,
    history: new History(journal.history),
    record,
    show,
    ask: question => askMasked(question),
    approvals: new Approvals({ messages: () => journal.messages(), ask: askMasked, by, record, now }),
    askFrom,
    isProbe,
    once: new Map(),
    folder,
    now,
  };
}

function now(): string {
  return new Date().toISOString();
}

interface HostResult {
  readonly result: HostRun;
  readonly exitCode: number;
  readonly report?: Reported;
}

/** Batch after batch; within one as many at a time as `concurrency` allows. */
async function executeHosts<Context>(
  execution: Execution<Context>,
  environment: RunEnvironment<Context>,
): Promise<readonly HostResult[]> {
  const { hosts, runbook } = execution;
  const { signal } = environment;
  const { concurrency, serial, maxFailures, order } = runbook.fanout;
  const limit = maxFailures === undefined ? Number.POSITIVE_INFINITY : countOf(maxFailures, hosts.length);
  const results = new Map<string, HostResult>();
  let failures = 0;
  const isOver = (): boolean => signal.aborted || (hosts.length > 1 && failures >= limit);
  for (const batch of batches(inOrder(hosts, order), serial)) {
    const queue = [...batch];
    const work = async (): Promise<void> => {
      for (let host = queue.shift(); host !== undefined && !isOver(); host = queue.shift()) {
        const result = await executeOne(host, execution, environment);
        if (result.exitCode !== 0 && result.exitCode !== 4) failures++;
        results.set(host.name, result);
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, batch.length) }, work));
  }
  const earlier = new Map((execution.earlier ?? []).map(host => [host.name, host]));
  return hosts.map(({ name }) => {
    const before = earlier.get(name);
    const isNew = before === undefined || before.status === 'not-started';
    return results.get(name) ?? (isNew ? notStarted(name, signal, limit) : keep(before));
  });
}

function inOrder(hosts: readonly Host[], order: Runbook<unknown>['fanout']['order']): readonly Host[] {
  switch (order) {
    case 'inventory':
      return hosts;
    case 'reverse':
      return hosts.toReversed();
    case 'name':
      return hosts.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    case 'random':
      return hosts
        .map(host => ({ host, at: Math.random() }))
        .sort((a, b) => a.at - b.at)
        .map(({ host }) => host);
    default:
      return order satisfies never;
  }
}

async function executeOne<Context>(
  host: Host,
  execution: Execution<Context>,
  environment: RunEnvironment<Context>,
): Promise<HostResult> {
  const { contextOf, close, reportOf, beforeCleanUp, complete = same } = execution;
  const held = await takeLocks(host, execution, environment).catch((error: unknown) => ({ error }));
  if (held !== undefined && 'error' in held) return refused(host.name, held.error);
  const context = contextOf(host);
  try {
    const { result, exitCode } = await executeHost(host, context, environment, beforeCleanUp);
    const report = await reportOf?.(context);
    return { result: complete({ ...result, ...(report && { report }) }), exitCode, ...(report && { report }) };
  } finally {
    await close?.(context);
    held?.release();
  }
}

function same(result: HostRun): HostRun {
  return result;
}

async function takeLocks<Context>(
  host: Host,
  { locks }: Execution<Context>,
  { signal, show, run }: RunEnvironment<Context>,
): Promise<HeldLocks | undefined> {
  const names = locks?.namesOf(host) ?? [];
  if (names.length === 0) return undefined;
  return locks?.locks.take(names, signal, text =>
    show({ kind: 'host-waiting', at: now(), run, host: host.name, text }),
  );
}

function refused(name: string, error: unknown): HostResult {
  const isCancelled = error instanceof HangarError && error.failure === 'cancelled';
  return {
    result: { name, status: isCancelled ? 'cancelled' : 'failed', error: describe(error), steps: [] },
    exitCode: exitCodeOf(error),
  };
}

function keep(result: HostRun): HostResult {
  const done = doneCode(result.steps);
  const codes: Partial<Record<HostRun['status'], number>> = {
    succeeded: done,
    finished: done,
    unreachable: 5,
    cancelled: 6,
  };
  const report = reportedSchema.safeParse(result.report).data;
  return { result, exitCode: codes[result.status] ?? 3, ...(report && { report }) };
}

function notStarted(name: string, { aborted, reason }: AbortSignal, limit: number): HostResult {
  const error = aborted ? reason : tooManyFailures(limit);
  return {
    result: { name, status: aborted ? 'cancelled' : 'not-started', error: describe(error), steps: [] },
    exitCode: aborted ? 6 : 3,
  };
}

function tooManyFailures(limit: number): HangarError {
  return new HangarError({
    code: 'TOO_MANY_FAILURES',
    message: `not started, for ${limit === 1 ? 'one host' : `${limit} hosts`} had failed (fanout: maxFailures)`,
    fix: 'see why, then take the run up again: it goes on with the hosts that are not done',
    failure: 'step',
  });
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

function codeOf(results: readonly HostResult[]): number {
  return precedence.find(code => results.some(({ exitCode }) => exitCode === code)) ?? 0;
}

function statusOf(results: readonly HostResult[], exitCode: number): Run['status'] {
  if (exitCode === 0 || exitCode === 4) return 'succeeded';
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

function cancelled(run: string, by: string): HangarError {
  return new HangarError({
    code: 'CANCELLED',
    message: `run ${run} was cancelled by ${by}`,
    fix: `take it up where it was: runbook resume ${run}`,
    failure: 'cancelled',
  });
}
