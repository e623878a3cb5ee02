import type { ThreadState } from './evidence.ts';
import { toNumber } from './transcript.ts';

/** One thread, looked at several times. */
export interface ThreadSamples {
  readonly tid: number;
  readonly name: string;
  /** First to last; one for each time the thread was there. */
  readonly looks: readonly ThreadLook[];
}

/** What /proc/PID/task/TID said at one moment (proc(5)). */
export interface ThreadLook {
  /** Seconds since the host started, when this sample began. */
  readonly at: number;
  readonly state: ThreadState;
  /** User and system time used so far, in clock ticks. */
  readonly cpuTicks: number;
  /** Nanoseconds on a CPU, and ready to run but waiting for one (schedstat); absent where the kernel does not count. */
  readonly ranNanoseconds?: number;
  readonly waitedNanoseconds?: number;
  readonly voluntarySwitches?: number;
  readonly involuntarySwitches?: number;
  readonly wchan?: string;
  /** Absent when it runs, or when it may not be read. */
  readonly syscall?: { readonly number: number; readonly args: readonly bigint[] };
}

/** The moments of the samples and the threads of one process, from lines `sN /proc/PID/task/TID/FILE:TEXT`. */
export function readThreadSamples(lines: readonly string[], pid: number): readonly ThreadSamples[] {
  const files = new Map<number, Map<number, Map<string, string[]>>>();
  const moments = new Map<number, number>();
  for (const line of lines) {
    const moment = /^s(\d+) uptime ([\d.]+)$/.exec(line);
    if (moment !== null) moments.set(Number(moment[1]), Number(moment[2]));
    const found = /^s(\d+) \/proc\/(\d+)\/task\/(\d+)\/(\w+):(.*)$/.exec(line);
    if (found === null || Number(found[2]) !== pid) continue;
    const [sample, tid, file = '', text = ''] = [Number(found[1]), Number(found[3]), found[4], found[5]];
    const ofThread = entry(files, tid, () => new Map<number, Map<string, string[]>>());
    entry(
      entry(ofThread, sample, () => new Map<string, string[]>()),
      file,
      (): string[] => [],
    ).push(text);
  }
  return [...files].sort(([a], [b]) => a - b).map(([tid, samples]) => readThread(tid, samples, moments));
}

/** States of proc(5); the letters that only idle kernel threads have count as asleep. */
export function readState(letter: string): ThreadState {
  switch (letter) {
    case 'R':
      return 'running';
    case 'D':
      return 'uninterruptible';
    case 'T':
    case 't':
      return 'stopped';
    case 'Z':
    case 'X':
      return 'zombie';
    default:
      return 'sleeping';
  }
}

function readThread(
  tid: number,
  samples: ReadonlyMap<number, ReadonlyMap<string, readonly string[]>>,
  moments: ReadonlyMap<number, number>,
): ThreadSamples {
  const looks: ThreadLook[] = [];
  let name = '';
  for (const [sample, files] of samples) {
    const stat = readStat(files.get('stat')?.join('\n') ?? '');
    if (stat === undefined) continue;
    name = stat.name;
    looks.push({
      at: moments.get(sample) ?? sample,
      state: stat.state,
      cpuTicks: stat.cpuTicks,
      ...readSchedstat(files.get('schedstat')?.[0]),
      ...readSwitches(files.get('status') ?? []),
      ...readWchan(files.get('wchan')?.[0]),
      ...readSyscall(files.get('syscall')?.[0]),
    });
  }
  return { tid, name, looks };
}

/** The name stands in parentheses and may hold anything, parentheses and newlines too. */
function readStat(text: string): { name: string; state: ThreadState; cpuTicks: number } | undefined {
  const [open, close] = [text.indexOf('('), text.lastIndexOf(')')];
  if (open < 0 || close < open) return undefined;
  const fields = text.slice(close + 2).split(' ');
  const [user, system] = [toNumber(fields[11]), toNumber(fields[12])];
  if (user === undefined || system === undefined) return undefined;
  return { name: text.slice(open + 1, close), state: readState(fields[0] ?? ''), cpuTicks: user + system };
}

function readSchedstat(text: string | undefined): Pick<ThreadLook, 'ranNanoseconds' | 'waitedNanoseconds'> {
  const [ran, waited] = (text ?? '').split(' ').map(toNumber);
  return ran === undefined || waited === undefined ? {} : { ranNanoseconds: ran, waitedNanoseconds: waited };
}

function readSwitches(lines: readonly string[]): Pick<ThreadLook, 'voluntarySwitches' | 'involuntarySwitches'> {
  const [voluntary, involuntary] = ['voluntary_ctxt_switches', 'nonvoluntary_ctxt_switches'].map(name =>
    toNumber(
      lines
        .find(line => line.startsWith(`${name}:`))
        ?.slice(name.length + 1)
        .trim(),
    ),
  );
  return {
    ...(voluntary !== undefined && { voluntarySwitches: voluntary }),
    ...(involuntary !== undefined && { involuntarySwitches: involuntary }),
  };
}

function readWchan(text: string | undefined): Pick<ThreadLook, 'wchan'> {
  return text === undefined || text === '' || text === '0' ? {} : { wchan: text };
}

/** `running`, `-1 SP PC` when it sleeps outside of a call, or the number and six arguments. */
function readSyscall(text: string | undefined): Pick<ThreadLook, 'syscall'> {
  const [number, ...rest] = (text ?? '').split(' ');
  if (number === undefined || !/^\d+$/.test(number)) return {};
  const args = rest.slice(0, 6).filter(word => /^0x[0-9a-f]+$/.test(word));
  return { syscall: { number: Number(number), args: args.map(BigInt) } };
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const present = map.get(key);
  if (present !== undefined) return present;
  const made = make();
  map.set(key, made);
  return made;
}
