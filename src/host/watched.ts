import type { ThreadSamples } from './thread-samples.ts';
import { readThreadSamples } from './thread-samples.ts';
import { fieldsOf, lineOf, linesOf, numberOf, toNumber } from './transcript.ts';

/** What `find` saw of a service (or of one process) over about a second. */
export interface Watched {
  readonly ticksPerSecond: number;
  /** Where the processes were found: `systemd /system.slice/x.service`, `pidfile /run/x.pid`, … */
  readonly how: string;
  readonly processes: readonly WatchedProcess[];
  readonly check: CheckAnswer;
  /** Connections waiting to be accepted at each listening socket, one number a sample. */
  readonly queues: readonly ListenQueue[];
}

export interface WatchedProcess {
  readonly pid: number;
  readonly parentPid: number;
  /** Clock ticks since the host started: with the pid, the identity of a process. */
  readonly startTicks: number;
  /** ISO 8601 UTC, by the host's clock. */
  readonly startedAt: string;
  readonly user: string;
  readonly command: string;
  readonly executable: string;
  readonly threads: readonly ThreadSamples[];
}

/** `answered` in time; `failed`: it says no; `silent`: nothing in time; `refused`: nobody listens; `unknown`: not asked. */
export type CheckOutcome = 'answered' | 'failed' | 'silent' | 'refused' | 'unknown';

export interface CheckAnswer {
  readonly outcome: CheckOutcome;
  readonly seconds: number;
  readonly detail: string;
}

export interface ListenQueue {
  /** Address and port in hex, as /proc/net/tcp writes them. */
  readonly local: string;
  readonly waiting: readonly number[];
}

/** Reads the output of the host program's `find`. */
export function readWatched(stdout: string): Watched {
  const lines = stdout.split('\n');
  const ticksPerSecond = numberOf(lines, 'clk_tck') ?? 100;
  const bootSeconds = numberOf(lines, 'btime') ?? 0;
  return {
    ticksPerSecond,
    how: lineOf(lines, 'how') ?? '',
    processes: linesOf(lines, 'candidate').map(text => readProcess(text, lines, ticksPerSecond, bootSeconds)),
    check: readCheck(lineOf(lines, 'check')),
    queues: readQueues(lines),
  };
}

function readProcess(
  text: string,
  lines: readonly string[],
  ticksPerSecond: number,
  bootSeconds: number,
): WatchedProcess {
  const pid = Number(text.split(' ')[0]);
  const fields = fieldsOf(text);
  const startTicks = toNumber(fields['start']) ?? 0;
  return {
    pid,
    parentPid: toNumber(fields['ppid']) ?? 0,
    startTicks,
    startedAt: startTime(startTicks, ticksPerSecond, bootSeconds),
    user: fields['user'] ?? '',
    command: lineOf(lines, `command ${pid}`) ?? '',
    executable: lineOf(lines, `exe ${pid}`) ?? '',
    threads: readThreadSamples(lines, pid),
  };
}

/** ISO 8601 UTC of a start time in ticks; /proc/stat's btime has whole seconds. */
export function startTime(startTicks: number, ticksPerSecond: number, bootSeconds: number): string {
  return new Date((bootSeconds + startTicks / ticksPerSecond) * 1000).toISOString();
}

const outcomes = ['answered', 'failed', 'silent', 'refused', 'unknown'] as const satisfies readonly CheckOutcome[];

/** `OUTCOME SECONDS DETAIL` */
function readCheck(text: string | undefined): CheckAnswer {
  const [word, seconds, ...detail] = (text ?? '').split(' ');
  const outcome = outcomes.find(known => known === word);
  if (outcome === undefined) return { outcome: 'unknown', seconds: 0, detail: 'the check gave no result' };
  return { outcome, seconds: toNumber(seconds) ?? 0, detail: detail.join(' ') };
}

/** `sN listen LOCAL WAITING` with the number in hex. */
function readQueues(lines: readonly string[]): readonly ListenQueue[] {
  const queues = new Map<string, number[]>();
  for (const line of lines) {
    const found = /^s\d+ listen (\S+) ([0-9A-Fa-f]+)$/.exec(line);
    if (found?.[1] === undefined || found[2] === undefined) continue;
    queues.set(found[1], [...(queues.get(found[1]) ?? []), Number.parseInt(found[2], 16)]);
  }
  return [...queues].map(([local, waiting]) => ({ local, waiting }));
}
