import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { type Report, reportSchema } from '../../src/report/schema.ts';
import { findInterpreter, type PythonVersion, prepareInterpreters, pythonVersions } from '../support/interpreters.ts';
import { installPackage } from './built-package.ts';
import { measure, mebibytes, median, run, say, timed } from './measure.ts';
import { type BenchCore, dump, whyNoKernelCore } from './python-cores.ts';
import { peers, runbookTool, type Score, score, type Tool } from './python-tools.ts';

const rounds = 9;

/** Of ours, before its rounds: one run in four, by chance, keeps what it compiled for a core unlike those before. */
const warmingRuns = 12;

/** The bars of this bench; those that are missed are told at its end. */
const bars = { gdbShare: 1 / 3, stagesSeconds: 0.06, sizeRatio: 1.3 };

/**
 * All Python stacks of cores, by us and by what a user would take instead, on the same cores in turn: frames right of
 * those that are there, the cause, time and memory; then how our time grows with threads and with the size of a core.
 */
export async function benchPython(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hangar-bench-python-'));
  try {
    await prepareInterpreters();
    const ours = runbookTool(await installPackage(folder));
    const { tools, missing } = await peers();
    const bench: Bench = { folder, ours, peers: tools, misses: [], notes: [...missing] };
    await benchPeers(bench);
    await benchThreads(bench);
    await benchSize(bench);
    for (const note of new Set(bench.notes)) say(`not compared        ${note}`);
    say(
      bench.misses.length === 0
        ? 'every bar was met'
        : bench.misses.map(miss => `bar missed          ${miss}`).join('\n'),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Bench {
  readonly folder: string;
  readonly ours: Tool;
  readonly peers: readonly Tool[];
  readonly misses: string[];
  readonly notes: string[];
}

/** Of each program: the class of its one cause, and the functions that it is in. */
const causes: Readonly<Record<string, { readonly class: string; readonly functions: readonly string[] }>> = {
  stacks: { class: 'deadlock', functions: ['reserve', 'checkout'] },
};

/** Versions with a core by the kernel beside the one by gcore: py-spy needs the executable's code in it. */
const byKernel: readonly PythonVersion[] = ['2.7', '3.8', '3.11', '3.12', '3.13', '3.14'];
/** Versions with a core of two interpreters: one state for all, one each from 3.12 on. */
const withInterpreters: readonly PythonVersion[] = ['3.8', '3.12', '3.14'];

async function benchPeers(bench: Bench): Promise<void> {
  say(row(['core', 'tool', 'frames', 'wrong', 'cause', 'seconds', 'ours to it', 'stages', 'peak memory', 'core read']));
  const noKernel = whyNoKernelCore();
  if (noKernel !== undefined) bench.notes.push(`cores by the kernel: ${noKernel}`);
  for (const version of pythonVersions) {
    const interpreter = findInterpreter(version);
    if (interpreter === undefined) {
      bench.notes.push(`CPython ${version}: not on this machine`);
      continue;
    }
    const isByKernel = noKernel === undefined && byKernel.includes(version);
    const by = isByKernel ? (['gcore', 'kernel'] as const) : (['gcore'] as const);
    const { folder } = bench;
    const programs = withInterpreters.includes(version) ? ['stacks', 'interpreters'] : ['stacks'];
    for (const program of programs)
      for (const core of await dump({ interpreter, program, folder, by: program === 'stacks' ? by : ['gcore'] })) {
        await compare(bench, core);
        await rm(core.path);
      }
  }
  say(
    `                    median of ${rounds} each, turn about, whole processes; "stages" is the report's own sum without process start`,
  );
}

interface Outcome {
  readonly tool: Tool;
  readonly seconds: number[];
  /** Sums of the report's timings; ours alone has them. */
  readonly stages: number[];
  stdout: string;
  failed?: string;
}

async function compare(bench: Bench, core: BenchCore): Promise<void> {
  const outcomes = await runInTurn(bench, core);
  const [ours] = outcomes;
  if (ours === undefined) return;
  const label = `${core.interpreter.version} ${core.program}, ${core.by}, ${mebibytes(core.bytes)}`;
  for (const outcome of outcomes) await tell(bench, core, label, outcome, ours);
}

/** Turn about, so that what else the machine does hits all alike; after runs that warm the caches. */
async function runInTurn({ ours, peers: others, notes }: Bench, core: BenchCore): Promise<readonly Outcome[]> {
  const [runbook = '', ...asked] = ours.command(core) ?? [];
  for (let warming = 0; warming < warmingRuns; warming++) await run(runbook, asked);
  const outcomes: Outcome[] = [ours, ...others].map(tool => ({ tool, seconds: [], stages: [], stdout: '' }));
  for (let round = 0; round <= rounds; round++)
    for (const outcome of outcomes) {
      const [program, ...args] = outcome.tool.command(core) ?? [];
      if (program === undefined) {
        outcome.failed = 'has no script for it';
        if (round === 0) notes.push(`${outcome.tool.name} on ${core.interpreter.version}: ${outcome.failed}`);
        continue;
      }
      // What fails fails again.
      if (outcome.failed !== undefined) continue;
      try {
        const { env } = outcome.tool;
        const { stdout, seconds } = await timed(() => run(program, args, env && { env }));
        outcome.stdout = stdout;
        if (round > 0) outcome.seconds.push(seconds);
        if (round > 0 && outcome.tool === ours) outcome.stages.push(stagesOf(reportSchema.parse(JSON.parse(stdout))));
      } catch (error) {
        if (outcome.tool === ours) throw error;
        outcome.failed = 'reads nothing';
      }
    }
  return outcomes;
}

function stagesOf({ timings }: Report): number {
  return timings.reduce((sum, { seconds }) => sum + seconds, 0);
}

async function tell(bench: Bench, core: BenchCore, label: string, outcome: Outcome, ours: Outcome): Promise<void> {
  const { tool, failed } = outcome;
  if (failed !== undefined) return say(row([label, tool.name, failed]));
  const [mine, other] = [median(ours.seconds), median(outcome.seconds)];
  const frames = score(core.threads, tool.parse(outcome.stdout));
  const isOurs = tool === bench.ours;
  const [program = '', ...args] = tool.command(core) ?? [];
  const { peakBytes } = await measure([program, ...args], tool.env && { env: tool.env });
  const stages = median(outcome.stages);
  const reads = isOurs ? await bytesRead(bench, core) : undefined;
  const cause = isOurs ? causeOf(core, reportSchema.parse(JSON.parse(outcome.stdout))) : '-';
  say(
    row([
      label,
      tool.name,
      `${frames.right}/${frames.there}`,
      `${frames.wrong}`,
      cause,
      other.toFixed(3),
      isOurs ? '-' : (mine / other).toFixed(2),
      isOurs ? `${Math.round(stages * 1000)} ms` : '-',
      mebibytes(peakBytes),
      reads === undefined ? '-' : `${Math.round(reads / 1024)} KiB`,
    ]),
  );
  bench.misses.push(
    ...(isOurs ? ownMisses(label, frames, cause, stages) : peerMisses(label, tool, frames, mine / other)),
  );
}

function ownMisses(label: string, { right, there, wrong }: Score, cause: string, stages: number): readonly string[] {
  return [
    ...(right < there || wrong > 0 ? [`${label}: ${right} of ${there} frames are right, ${wrong} wrong`] : []),
    ...(cause === 'wrong' ? [`${label}: the cause is wrong`] : []),
    ...(stages >= bars.stagesSeconds
      ? [`${label}: the stages took ${Math.round(stages * 1000)} ms, at least ${bars.stagesSeconds * 1000}`]
      : []),
  ];
}

function peerMisses(label: string, { name }: Tool, { right }: Score, ratio: number): readonly string[] {
  const bar = name === 'gdb' ? bars.gdbShare : name === 'pystack' ? 1 : undefined;
  if (bar === undefined || right === 0 || ratio <= bar) return [];
  return [`${label}: ${ratio.toFixed(2)} times as long as ${name}, above ${bar.toFixed(2)}`];
}

/** `right` where class, functions, files and lines of the cause are those of the program. */
function causeOf({ program, threads }: BenchCore, { findings: [finding] }: Report): string {
  const expected = causes[program];
  if (expected === undefined) return '-';
  const roots = finding?.roots.map(({ lwp, file, line, function: name }) => {
    const [innermost] = threads.find(each => each.lwp === lwp)?.frames ?? [];
    return innermost?.file === file && innermost.line === line ? name : undefined;
  });
  const isRight =
    finding?.class === expected.class && roots?.toSorted().join() === expected.functions.toSorted().join();
  return isRight ? 'right' : 'wrong';
}

const counted = z.object({ path: z.string(), bytes: z.int(), calls: z.int() });

/** Of the core, by one analysis of it. */
async function bytesRead({ folder, ours }: Bench, core: BenchCore): Promise<number> {
  const list = join(folder, `read-${basename(core.path)}`);
  const [program = '', ...args] = ours.command(core) ?? [];
  const hook = import.meta.resolve('./count-reads.ts');
  await run(program, args, { env: { NODE_OPTIONS: `--import=${hook}`, READ_FILES: list } });
  const lines = (await readFile(list, 'utf8')).trimEnd().split('\n');
  await rm(list);
  return lines.map(text => counted.parse(JSON.parse(text))).find(({ path }) => path === core.path)?.bytes ?? 0;
}

const depth = 56;

/** One after the other, in turn: the time of the python stage by the number of frames. */
async function benchThreads(bench: Bench): Promise<void> {
  say('');
  say(row(['threads', 'python', 'frames', 'wrong', 'cause', 'seconds', '', 'stages', 'python', 'a frame']));
  for (const version of ['2.7', '3.11', '3.13'] as const) {
    const interpreter = findInterpreter(version);
    if (interpreter === undefined) continue;
    const cores: BenchCore[] = [];
    for (const threads of [20, 100, 500])
      cores.push(...(await dumpMany(bench, { interpreter, threads, mebibytes: 0 })));
    const runs = await ownRuns(bench, cores);
    let least = Number.POSITIVE_INFINITY;
    for (const { core, seconds, stages, python, report } of runs) {
      const { right, there, wrong } = score(core.threads, bench.ours.parse(JSON.stringify(report)));
      const each = (python / there) * 1e6;
      say(
        row([
          `${core.threads.length} × ${Math.round(there / core.threads.length)}`,
          version,
          `${right}/${there}`,
          `${wrong}`,
          isHeld(core, report) ? 'right' : 'wrong',
          seconds.toFixed(3),
          '',
          `${Math.round(stages * 1000)} ms`,
          `${Math.round(python * 1000)} ms`,
          `${each.toFixed(1)} µs`,
        ]),
      );
      if (right < there || wrong > 0)
        bench.misses.push(`${version}, ${core.threads.length} threads: ${right} of ${there} frames are right`);
      if (each > least)
        bench.misses.push(
          `${version}, ${core.threads.length} threads: ${each.toFixed(1)} µs a frame, ${least.toFixed(1)} with fewer`,
        );
      least = Math.min(least, each);
    }
    for (const core of cores) await rm(core.path);
  }
}

/** Everybody waits for the one who sleeps. */
function isHeld({ threads }: BenchCore, { findings: [finding] }: Report): boolean {
  return (
    finding?.class === 'sleep' && finding.roots[0]?.function === 'hold' && finding.victims.length === threads.length - 2
  );
}

interface Many {
  readonly interpreter: BenchCore['interpreter'];
  readonly threads: number;
  readonly mebibytes: number;
}

/** One arena and small stacks: the core has little but what the program made. */
function dumpMany({ folder }: Bench, { interpreter, threads, mebibytes: ballast }: Many) {
  const args = [threads, depth, ballast].map(String);
  return dump({ interpreter, program: 'many', args, env: { MALLOC_ARENA_MAX: '1' }, folder, by: ['gcore'] });
}

interface OwnRun {
  readonly core: BenchCore;
  readonly report: Report;
  /** Medians: of the whole process, of all stages, of the python stage. */
  readonly seconds: number;
  readonly stages: number;
  readonly python: number;
}

async function ownRuns({ ours }: Bench, cores: readonly BenchCore[]): Promise<readonly OwnRun[]> {
  const runs = cores.map(core => ({ core, seconds: [] as number[], reports: [] as Report[] }));
  for (let round = 0; round <= rounds; round++)
    for (const { core, seconds, reports } of runs) {
      const [program = '', ...args] = ours.command(core) ?? [];
      const each = await timed(() => run(program, args));
      if (round === 0) continue;
      seconds.push(each.seconds);
      reports.push(reportSchema.parse(JSON.parse(each.stdout)));
    }
  return runs.flatMap(({ core, seconds, reports }) => {
    const [report] = reports;
    if (report === undefined) return [];
    const python = reports.map(({ timings }) => timings.find(({ stage }) => stage === 'python')?.seconds ?? 0);
    return [{ core, report, seconds: median(seconds), stages: median(reports.map(stagesOf)), python: median(python) }];
  });
}

/** The same threads in a small and in a large core. */
async function benchSize(bench: Bench): Promise<void> {
  const interpreter = findInterpreter('3.11');
  if (interpreter === undefined) return;
  const cores = [
    ...(await dumpMany(bench, { interpreter, threads: 6, mebibytes: 0 })),
    ...(await dumpMany(bench, { interpreter, threads: 6, mebibytes: 1024 })),
  ];
  const [small, large] = await ownRuns(bench, cores);
  if (small === undefined || large === undefined) return;
  const ratio = large.seconds / small.seconds;
  say('');
  say(
    `size of the core    ${mebibytes(small.core.bytes)}: ${small.seconds.toFixed(3)} s; ${mebibytes(large.core.bytes)}: ${large.seconds.toFixed(3)} s; ratio ${ratio.toFixed(2)}`,
  );
  if (ratio >= bars.sizeRatio)
    bench.misses.push(
      `a core of ${mebibytes(large.core.bytes)} takes ${ratio.toFixed(2)} times as long as one of ${mebibytes(small.core.bytes)}`,
    );
}

const widths = [36, 9, 14, 7, 7, 9, 12, 9, 13];

function row(cells: readonly string[]): string {
  return cells
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join('')
    .trimEnd();
}
