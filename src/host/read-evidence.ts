import { cpuShare, secondsOf } from './cpu-share.ts';
import type { Descriptor, ProcessEvidence, ThreadEvidence } from './evidence.ts';
import { readGaps } from './mapped-modules.ts';
import { readSockets } from './sockets.ts';
import type { ThreadLook, ThreadSamples } from './thread-samples.ts';
import { readThreadSamples } from './thread-samples.ts';
import { lineOf, linesOf, numberOf } from './transcript.ts';
import { startTime } from './watched.ts';

/** Reads the output of the host program's `evidence`; undefined when it breaks off. */
export function readEvidence(stdout: string): ProcessEvidence | undefined {
  const lines = stdout.split('\n');
  const [pid, takenAt] = [numberOf(lines, 'pid'), lineOf(lines, 'taken')];
  if (pid === undefined || takenAt === undefined || !lines.includes('end')) return undefined;
  const ticksPerSecond = numberOf(lines, 'clk_tck') ?? 100;
  const [startTicks, bootSeconds] = [numberOf(lines, 'start'), numberOf(lines, 'btime')];
  const samples = readThreadSamples(lines, pid);
  const kernelStacks = readKernelStacks(lines, pid);
  const caughtSignals = readCaughtSignals(lines, pid);
  return {
    pid,
    takenAt,
    sampledSeconds: Math.max(0, ...samples.map(({ looks }) => secondsOf(looks))),
    ...(startTicks !== undefined &&
      bootSeconds !== undefined && { startedAt: startTime(startTicks, ticksPerSecond, bootSeconds) }),
    command: linesOf(lines, 'arg'),
    executable: lineOf(lines, 'exe') ?? '',
    ...optional('user', lineOf(lines, 'user')),
    ...optional('os', readOs(lines)),
    ...optional('kernel', lineOf(lines, 'uname')),
    ...optional('unit', readUnit(lines, pid)),
    ...optional('stopSignal', readStopSignal(lines, pid)),
    ...(caughtSignals && { caughtSignals }),
    ...readTracer(lines),
    threads: samples.map(thread => readThread(thread, lines, pid, ticksPerSecond, kernelStacks.get(thread.tid))),
    descriptors: readDescriptors(lines),
    packages: readPackages(lines),
    gaps: readGaps(lines),
  };
}

function readThread(
  { tid, name, looks }: ThreadSamples,
  lines: readonly string[],
  pid: number,
  ticksPerSecond: number,
  kernelStack: readonly string[] | undefined,
): ThreadEvidence {
  const last = looks.at(-1);
  const cpuPercent = percentOf(cpuShare(looks, ticksPerSecond, 'used'));
  const wantedPercent = percentOf(cpuShare(looks, ticksPerSecond, 'wanted'));
  const switches = switchesBetween(looks);
  // One id in each namespace, from the outermost to the process's own.
  const nsPid = Number(lineOf(lines, `/proc/${pid}/task/${tid}/status:NSpid:`, '\t')?.split(/\s+/).at(-1));
  return {
    tid,
    ...(Number.isInteger(nsPid) && { nsPid }),
    name,
    states: looks.map(({ state }) => state),
    ...(cpuPercent !== undefined && { cpuPercent }),
    ...(wantedPercent !== undefined && { wantedPercent }),
    ...(last?.voluntarySwitches !== undefined && { voluntarySwitches: last.voluntarySwitches }),
    ...(last?.involuntarySwitches !== undefined && { involuntarySwitches: last.involuntarySwitches }),
    ...(switches !== undefined && { switchesWhileSampled: switches }),
    ...(last?.wchan !== undefined && { wchan: last.wchan }),
    ...(kernelStack && { kernelStack }),
    ...(last?.syscall !== undefined && { syscall: last.syscall }),
  };
}

/** Context switches of both kinds between first and last look; undefined where they were not counted twice. */
function switchesBetween(looks: readonly ThreadLook[]): number | undefined {
  const [first, last] = [looks[0], looks.at(-1)];
  if (looks.length < 2 || first?.voluntarySwitches === undefined || last?.voluntarySwitches === undefined)
    return undefined;
  const involuntary = (last.involuntarySwitches ?? 0) - (first.involuntarySwitches ?? 0);
  return last.voluntarySwitches - first.voluntarySwitches + involuntary;
}

/** Per cent of one core between first and last look, by the scheduler's clock where it counts, else by ticks. */
/** Rounded to a tenth; what two clocks disagree about is no more than a whole core. */
function percentOf(share: number | undefined): number | undefined {
  return share === undefined ? undefined : Math.round(Math.min(1, share) * 1000) / 10;
}

/** os-release(5) */
function readOs(lines: readonly string[]): string | undefined {
  const name = lines
    .find(line => line.startsWith('/etc/os-release:PRETTY_NAME='))
    ?.slice('/etc/os-release:PRETTY_NAME='.length);
  return name?.replaceAll(/^["']|["']$/g, '');
}

/** Numbers of signal(7) on x86-64 and AArch64. */
const stopSignals: ReadonlyMap<string, string> = new Map([
  ['19', 'SIGSTOP'],
  ['20', 'SIGTSTP'],
  ['21', 'SIGTTIN'],
  ['22', 'SIGTTOU'],
]);

/** The last field of /proc/PID/stat is `exit_code`, which holds the signal while the process is stopped (fs/proc/array.c). */
function readStopSignal(lines: readonly string[], pid: number): string | undefined {
  const stat = lines.find(line => line.startsWith(`/proc/${pid}/stat:`)) ?? '';
  const fields = stat
    .slice(stat.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
  return fields[0] === 'T' ? stopSignals.get(fields.at(-1) ?? '') : undefined;
}

/** A mask of 64 bits in hexadecimal, the lowest for signal 1. */
function readCaughtSignals(lines: readonly string[], pid: number): readonly number[] | undefined {
  const mask = lineOf(lines, `/proc/${pid}/status:SigCgt:`, '\t');
  if (mask === undefined || !/^[0-9a-f]{1,16}$/.test(mask)) return undefined;
  const bits = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, index) => index + 1).filter(signal => (bits >> BigInt(signal - 1)) & 1n);
}

/** `tracer PID NAME` */
function readTracer(lines: readonly string[]): Pick<ProcessEvidence, 'tracer'> {
  const [pid, ...name] = lineOf(lines, 'tracer')?.split(' ') ?? [];
  return pid !== undefined && /^[1-9]\d*$/.test(pid) ? { tracer: { pid: Number(pid), name: name.join(' ') } } : {};
}

/** Kernel functions that are kept of one stack. */
const kernelFrames = 64;

/** By thread id; lines `/proc/PID/task/TID/stack:[<0>] kernel_clone+0x1af/0x3e0`. */
function readKernelStacks(lines: readonly string[], pid: number): ReadonlyMap<number, readonly string[]> {
  const prefix = `/proc/${pid}/task/`;
  const stacks = new Map<number, string[]>();
  for (const line of lines) {
    if (!line.startsWith(prefix)) continue;
    const [, tid, name] = /^(\d+)\/stack:\[<[0-9a-f]+>\] ([^+ ]+)/.exec(line.slice(prefix.length)) ?? [];
    if (name === undefined) continue;
    const stack = stacks.get(Number(tid)) ?? [];
    if (stack.length < kernelFrames) stack.push(name);
    stacks.set(Number(tid), stack);
  }
  return stacks;
}

/** The innermost systemd service of the control group: `0::/system.slice/apache2.service`. */
function readUnit(lines: readonly string[], pid: number): string | undefined {
  const paths = lines.filter(line => line.startsWith(`/proc/${pid}/cgroup:`));
  return paths.flatMap(path => path.split('/').filter(part => part.endsWith('.service'))).at(-1);
}

function readDescriptors(lines: readonly string[]): readonly Descriptor[] {
  const sockets = readSockets(lines.filter(line => line.startsWith('net ')));
  const partners = readPartners(lines);
  return linesOf(lines, 'fd')
    .flatMap(line => {
      const [fd = '', ...target] = line.split(' ');
      return /^\d+$/.test(fd) ? [{ fd: Number(fd), target: target.join(' ') }] : [];
    })
    .sort((a, b) => a.fd - b.fd)
    .map(({ fd, target }) => {
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      const socket = inode === undefined ? undefined : sockets.get(Number(inode));
      const partner = partners.get(target);
      return { fd, target, ...(socket && { socket }), ...(partner !== undefined && { partner }) };
    });
}

/** `TARGET PID NAME` → the first holder of the other end. */
function readPartners(lines: readonly string[]): ReadonlyMap<string, string> {
  const partners = new Map<string, string>();
  for (const line of linesOf(lines, 'partner')) {
    const [target = '', pid = '', ...name] = line.trim().split(' ');
    if (!partners.has(target)) partners.set(target, `${name.join(' ')} (${pid})`);
  }
  return partners;
}

/** Lines of `dpkg-query -S` (`PACKAGE: PATH`) and of `dpkg-query -W` (`PACKAGE VERSION`). */
function readPackages(lines: readonly string[]): Readonly<Record<string, string>> {
  const versions = new Map(linesOf(lines, 'package').map(line => [line.split(' ')[0] ?? '', line.split(' ')[1] ?? '']));
  const packages: Record<string, string> = {};
  for (const line of linesOf(lines, 'owner')) {
    const [names, path] = [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)];
    const name = names.split(', ')[0] ?? '';
    const version = versions.get(name) ?? versions.get(name.split(':')[0] ?? '');
    const text = version === undefined ? name : `${name.split(':')[0]} ${version}`;
    packages[path] = text;
    // As shipped, or as the merged /usr has it: whoever asks knows the file by what is mapped.
    if (/^\/(lib|lib32|lib64|bin|sbin)\//.test(path)) packages[`/usr${path}`] = text;
  }
  return packages;
}

function optional<Key extends string>(key: Key, value: string | undefined): { readonly [K in Key]?: string } {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- TypeScript widens a computed key to string
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]: string });
}
