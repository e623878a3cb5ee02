import { cpuShare, secondsOf } from '../host/cpu-share.ts';
import type { ThreadLook, ThreadSamples } from '../host/thread-samples.ts';
import type { Watched, WatchedProcess } from '../host/watched.ts';

export type Liveness = 'hung' | 'unsure' | 'healthy';

export interface Candidate {
  readonly pid: number;
  readonly state: Liveness;
  readonly reasons: readonly string[];
  readonly chosen: boolean;
}

export interface Decision {
  readonly state: Liveness;
  /** The process that was chosen among the candidates. */
  readonly pid: number;
  readonly reasons: readonly string[];
  /** Each process that runs Python, the chosen one first. */
  readonly candidates: readonly Candidate[];
  /** A second was too short to be sure: look again for some seconds, in which a busy machine matters less. */
  readonly lookLonger: boolean;
}

/**
 * Which process hangs, if any. Three rules, for the sake of those who must not be restarted by mistake: a service that
 * answers is never `hung`; one that does not answer is `hung` only with a sign in a process; without a check only
 * threads at rest (or busy) before a queue that nobody empties are proof.
 * Undefined when there is no candidate.
 */
export function decide(watched: Watched): Decision | undefined {
  const looked = watched.processes.map(process => weigh(process, watched)).sort(byWeight);
  const [chosen] = looked;
  if (chosen === undefined) return undefined;
  return {
    state: chosen.state,
    pid: chosen.pid,
    reasons: chosen.reasons,
    candidates: looked.map(({ pid, state, reasons }) => ({ pid, state, reasons, chosen: pid === chosen.pid })),
    lookLonger:
      chosen.signs.seconds < longLook &&
      (chosen.state === 'unsure' ||
        (chosen.state === 'healthy' && looked.some(({ signs }) => signs.busy !== undefined))),
  };
}

/** Share of a core, in each interval and over all, from which a thread counts as busy. */
const busyShare = 0.9;
const busyShareOfInterval = 0.8;
/** A resting process may wake by its timers (Python 2.7's timed waits poll 20 times a second). */
const restingShare = 0.02;
const restingSwitchesPerSecond = 30;
/** Seconds of unbroken work that make a service that answers doubtful. */
const longLook = 4;

interface Weighed {
  readonly pid: number;
  readonly state: Liveness;
  readonly reasons: readonly string[];
  readonly signs: Signs;
  readonly weight: number;
}

/** What the threads of one process did while they were watched. */
interface Signs {
  readonly seconds: number;
  readonly intervals: number;
  readonly threads: number;
  readonly busy?: string;
  readonly uninterruptible?: string;
  readonly stopped: boolean;
  readonly resting: boolean;
  /** Least number of connections that waited at a listening socket in any sample. */
  readonly waiting: number;
}

function weigh(process: WatchedProcess, watched: Watched): Weighed {
  const signs = readSigns(process, watched);
  const standing = standingOf(process, watched);
  const judged = judge(signs, watched);
  const state = standing === undefined || judged.state === 'healthy' ? judged.state : 'unsure';
  return {
    pid: process.pid,
    state,
    reasons: [...judged.reasons, ...(standing === undefined || judged.state === 'healthy' ? [] : [standing])],
    signs,
    weight: weightOf(state, signs, standing !== undefined, process),
  };
}

/** Why a process is not the one that answers requests, although it has Python in memory. */
function standingOf({ pid, command }: WatchedProcess, { processes }: Watched): string | undefined {
  if (processes.some(other => other.parentPid === pid)) return 'it is the parent of the other candidates';
  const daemons = processes.some(other => other.command.startsWith('(wsgi:'));
  if (daemons && !command.startsWith('(wsgi:')) return 'Apache hands requests to the mod_wsgi daemon process';
  return undefined;
}

function weightOf(state: Liveness, signs: Signs, aside: boolean, { threads }: WatchedProcess): number {
  const states = { hung: 1000, unsure: 500, healthy: 0 } as const satisfies Record<Liveness, number>;
  const strength =
    (signs.busy === undefined ? 0 : 40) + (signs.stopped ? 30 : 0) + (signs.uninterruptible === undefined ? 0 : 20);
  return states[state] + (aside ? -200 : 0) + strength + Math.min(threads.length, 19);
}

function byWeight(a: Weighed, b: Weighed): number {
  return b.weight - a.weight || a.pid - b.pid;
}

function judge(signs: Signs, { check }: Watched): { readonly state: Liveness; readonly reasons: readonly string[] } {
  const found = describe(signs);
  const strong = [signs.busy, signs.uninterruptible, signs.stopped, signs.waiting > 0].filter(Boolean).length;
  const stuck = signs.busy !== undefined || signs.uninterruptible !== undefined || signs.stopped;
  switch (check.outcome) {
    case 'answered': {
      const reasons = [`the check answered in ${check.seconds} s (${check.detail})`, ...found];
      const doubtful = strong > 1 || (signs.busy !== undefined && signs.seconds >= longLook);
      return { state: doubtful ? 'unsure' : 'healthy', reasons };
    }
    case 'refused':
      return { state: 'unsure', reasons: [`the check cannot be asked: ${check.detail}`, ...found] };
    case 'failed':
    case 'silent': {
      const reasons = [`the check did not answer: ${check.detail}`, ...found];
      // A quick no may come from a service that works: then rest alone proves nothing.
      const quick = check.outcome === 'failed' && check.seconds < 1;
      const hung = stuck || (signs.resting && (!quick || signs.waiting > 0));
      if (hung) return { state: 'hung', reasons };
      return {
        state: 'unsure',
        reasons: [...reasons, signs.resting ? 'it said no at once' : 'its threads still work'],
      };
    }
    case 'unknown': {
      const reasons = [`no answer could be asked for: ${check.detail}`, ...found];
      return { state: signs.waiting > 0 && (stuck || signs.resting) ? 'hung' : 'unsure', reasons };
    }
    default:
      return check.outcome satisfies never;
  }
}

function describe(signs: Signs): readonly string[] {
  const looked = `${signs.seconds.toFixed(1)} s`;
  return [
    ...(signs.busy === undefined ? [] : [`${signs.busy} in each of ${signs.intervals} intervals over ${looked}`]),
    ...(signs.uninterruptible === undefined
      ? []
      : [`${signs.uninterruptible} was in uninterruptible sleep for ${looked}`]),
    ...(signs.stopped ? ['the process is stopped'] : []),
    ...(signs.resting && !signs.stopped ? [`none of its ${signs.threads} threads did anything for ${looked}`] : []),
    ...(signs.waiting > 0 ? [`at least ${signs.waiting} connections waited to be accepted all the time`] : []),
  ];
}

function readSigns({ threads }: WatchedProcess, { ticksPerSecond, queues }: Watched): Signs {
  const samples = Math.max(0, ...threads.map(({ looks }) => looks.length));
  // A thread that came or went shows that the process lives.
  const steady = threads.filter(({ looks }) => looks.length === samples);
  const enough = samples >= 3;
  const busy = enough ? busiest(steady, ticksPerSecond) : undefined;
  const blocked = enough
    ? steady.find(({ looks }) => looks.every(({ state }) => state === 'uninterruptible'))
    : undefined;
  return {
    seconds: Math.max(0, ...threads.map(({ looks }) => secondsOf(looks))),
    intervals: Math.max(0, samples - 1),
    threads: threads.length,
    ...(busy !== undefined && { busy }),
    ...(blocked !== undefined && { uninterruptible: nameOf(blocked) }),
    stopped:
      enough && steady.length > 0 && steady.every(({ looks }) => looks.every(({ state }) => state === 'stopped')),
    resting: enough && steady.length === threads.length && steady.every(thread => rests(thread, ticksPerSecond)),
    waiting: Math.max(0, ...queues.map(({ waiting }) => (waiting.length >= 3 ? Math.min(...waiting) : 0))),
  };
}

/** The thread that wanted a core all the time, or all threads together where they take turns (one GIL). */
function busiest(threads: readonly ThreadSamples[], ticksPerSecond: number): string | undefined {
  const wanting = threads
    .map(thread => ({
      thread,
      shares: shares(thread.looks, ticksPerSecond, true),
      whole: share(thread.looks, ticksPerSecond, true),
    }))
    .filter(({ shares: each, whole }) => whole >= busyShare && each.every(part => part >= busyShareOfInterval))
    .sort((a, b) => b.whole - a.whole)[0];
  if (wanting !== undefined) {
    const used = share(wanting.thread.looks, ticksPerSecond, false);
    const how =
      used >= busyShare ? `used ${percent(used)} of a core` : `wanted a core all the time and got ${percent(used)}`;
    return `${nameOf(wanting.thread)} ${how}`;
  }
  const parts = threads.map(({ looks }) => shares(looks, ticksPerSecond, false));
  const sums = (parts[0] ?? []).map((_, at) => parts.reduce((sum, part) => sum + (part[at] ?? 0), 0));
  const whole = threads.reduce((sum, { looks }) => sum + share(looks, ticksPerSecond, false), 0);
  if (sums.length === 0 || whole < busyShare || sums.some(sum => sum < busyShareOfInterval)) return undefined;
  return `its threads together used ${percent(whole)} of a core`;
}

function rests(thread: ThreadSamples, ticksPerSecond: number): boolean {
  const { looks } = thread;
  if (looks.some(({ state }) => state === 'zombie')) return false;
  const [first, last] = [looks[0], looks.at(-1)];
  const span = secondsOf(looks);
  if (first === undefined || last === undefined || span <= 0) return false;
  const switches = (last.voluntarySwitches ?? 0) - (first.voluntarySwitches ?? 0);
  return share(looks, ticksPerSecond, true) < restingShare && switches / span <= restingSwitchesPerSecond;
}

/** Share of a core in each interval between two looks. */
function shares(looks: readonly ThreadLook[], ticksPerSecond: number, wanted: boolean): readonly number[] {
  return looks.slice(1).map((look, at) => share([looks[at] ?? look, look], ticksPerSecond, wanted));
}

function share(looks: readonly ThreadLook[], ticksPerSecond: number, wanted: boolean): number {
  return cpuShare(looks, ticksPerSecond, wanted ? 'wanted' : 'used') ?? 0;
}

function nameOf({ tid, name }: ThreadSamples): string {
  return `thread ${tid} (${name})`;
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
