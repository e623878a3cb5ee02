import type { CoreFile, CoreThread } from '../corefile/core.ts';
import type { Memory } from '../corefile/memory.ts';
import type { Module } from '../corefile/module.ts';
import type { ProcessEvidence, ThreadEvidence } from '../host/evidence.ts';
import type { NativeThread } from '../native/stacks.ts';
import type { PythonProcess, PythonThread } from '../python/process.ts';
import { describeWait } from './describe-wait.ts';
import type { Finding } from './finding.ts';
import { lockOwners } from './lock-owners.ts';
import { mergeStacks } from './merge-stacks.ts';
import { hasMoved } from './moved.ts';
import { originOf } from './origin.ts';
import { roleOf } from './role.ts';
import { findAll } from './rules/index.ts';
import type { JudgedFrame, JudgedThread } from './thread.ts';
import { type WaitGraph, waitGraph } from './wait-graph.ts';

export interface JudgeInput {
  readonly core: Pick<CoreFile, 'threads' | 'process'>;
  readonly modules?: readonly Module[];
  readonly python?: PythonProcess;
  readonly native?: readonly NativeThread[];
  readonly evidence?: ProcessEvidence;
  /** For what system calls point to: limits, polled descriptors, mutex owners. */
  readonly memory?: Memory;
  /** Name of the function at an address; stands in for the innermost native frame where there are no native stacks. */
  readonly functionAt?: (pc: bigint) => string | undefined;
}

export interface Verdict {
  /** Every LWP of the core, in the core's order. */
  readonly threads: readonly JudgedThread[];
  /** Most severe first; empty when nothing hangs. */
  readonly findings: readonly Finding[];
  readonly graph: WaitGraph;
  /** Pending asyncio tasks: told, never judged. */
  readonly tasks?: NonNullable<PythonProcess['tasks']>;
  readonly gaps: PythonProcess['gaps'];
}

/** Who waits for whom and why. Claims no more than its sources show: each missing one lowers confidence, none is needed. */
export function judge(input: JudgeInput): Verdict {
  const joined = joinThreads(input);
  const graph = waitGraph(settleRoles(joined.map(({ thread }) => thread)));
  const tasks = input.python?.tasks;
  return {
    threads: [...graph.threads.values()],
    findings: findAll(graph),
    graph,
    ...(tasks && { tasks }),
    gaps: mergeGaps(joined),
  };
}

interface Joined {
  readonly thread: JudgedThread;
  readonly mismatch?: string;
}

function joinThreads(input: JudgeInput): readonly Joined[] {
  const { core, python, evidence } = input;
  const pythons = new Map(
    python?.threads.flatMap(thread => (thread.lwp === undefined ? [] : [[thread.lwp, thread]])) ?? [],
  );
  const natives = new Map(input.native?.map(thread => [thread.lwp, thread]));
  const proc = new Map(evidence?.threads.map(thread => [thread.tid, thread]));
  const lwps = new Set(core.threads.map(({ lwp }) => lwp));
  const inner = new Map(evidence?.threads.flatMap(({ tid, nsPid }) => (nsPid === undefined ? [] : [[nsPid, tid]])));
  const lwpOf = (id: number) => inner.get(id) ?? (lwps.has(id) ? id : undefined);
  const owners = lockOwners(python);
  return core.threads.map(thread =>
    joinThread(input, thread, {
      python: pythons.get(thread.lwp),
      native: natives.get(thread.lwp),
      proc: proc.get(thread.lwp),
      lwpOf,
      owners,
    }),
  );
}

interface Sources {
  readonly python: PythonThread | undefined;
  readonly native: NativeThread | undefined;
  readonly proc: ThreadEvidence | undefined;
  readonly lwpOf: (id: number) => number | undefined;
  readonly owners: ReturnType<typeof lockOwners>;
}

function joinThread(input: JudgeInput, core: CoreThread, { python, native, proc, lwpOf, owners }: Sources): Joined {
  const pythonVersion = input.python?.version ?? '3';
  const frames = python?.frames.map(frame => judgedFrame(frame, python.interpreter)) ?? [];
  const nativeFrames = native?.frames ?? [];
  const interpreter = input.python?.interpreters.find(({ id }) => id === python?.interpreter);
  const gilHolder = input.python?.threads.find(({ address }) => address === interpreter?.gilHolder)?.lwp;
  const waits = describeWait({
    core,
    ...(python && { python }),
    frames,
    native: nativeFrames,
    pythonVersion,
    ...(input.memory && { memory: input.memory }),
    descriptors: input.evidence?.descriptors ?? [],
    ...(interpreter && { interpreter }),
    ...(gilHolder !== undefined && { gilHolder }),
    lwpOf,
    ownerOf: (address, ownerThreadId) => owners(core.lwp, address, ownerThreadId),
  });
  const { stack, mismatch } = mergeStacks(python?.frames ?? [], nativeFrames, {
    pythonVersion,
    nativeStopped: native?.stopped !== undefined,
  });
  const role = roleOf({
    hasPython: python !== undefined,
    frames,
    native: nativeFrames,
    ...(waits && { waits }),
    ...(python?.request && { request: python.request }),
  });
  const moved = hasMoved(proc, core);
  const runningModule = moduleAt(input.modules, core.pc);
  const state = proc?.states.at(-1);
  const running = nativeFrames[0]?.function ?? input.functionAt?.(core.pc);
  return {
    ...(mismatch !== undefined && frames.length > 0 && { mismatch }),
    thread: {
      lwp: core.lwp,
      ...(proc?.nsPid !== undefined && { nsPid: proc.nsPid }),
      ...(proc?.name !== undefined && { name: proc.name }),
      ...(state !== undefined && { state }),
      ...(proc?.cpuPercent !== undefined && { cpuPercent: proc.cpuPercent }),
      ...(proc?.wantedPercent !== undefined && { wantedPercent: proc.wantedPercent }),
      role,
      gil: python?.holdsGil === true ? 'holds' : waits?.kind === 'gil' ? 'waits' : 'none',
      python: frames,
      native: nativeFrames,
      stack,
      ...(waits && { waits }),
      holds: python?.holds ?? [],
      ...(python?.request && { request: python.request }),
      ...(moved !== undefined && { moved }),
      states: proc?.states ?? [],
      onCpu: core.syscall === undefined,
      pc: core.pc,
      pythonVersion,
      ...(running !== undefined && { running }),
      ...(runningModule !== undefined && { runningModule }),
    },
  };
}

function judgedFrame(frame: PythonThread['frames'][number], interpreter: number): JudgedFrame {
  const { function: name, file, line, firstLine } = frame;
  return { function: name, file, line, firstLine, interpreter, origin: originOf(file) };
}

function moduleAt(modules: readonly Module[] | undefined, pc: bigint): string | undefined {
  return modules?.find(({ start, end }) => pc >= start && pc < end)?.name;
}

/** A thread that idles while others wait for a lock it holds is no idle thread. */
function settleRoles(threads: readonly JudgedThread[]): readonly JudgedThread[] {
  const wanted = new Set(threads.flatMap(({ waits }) => (waits?.owner === undefined ? [] : [waits.owner])));
  return threads.map(thread =>
    thread.role === 'idle' && wanted.has(thread.lwp) ? { ...thread, role: 'application' } : thread,
  );
}

function mergeGaps(joined: readonly Joined[]): Verdict['gaps'] {
  const byReason = new Map<string, number[]>();
  for (const { thread, mismatch } of joined) {
    if (mismatch === undefined) continue;
    byReason.set(mismatch, [...(byReason.get(mismatch) ?? []), thread.lwp]);
  }
  return [...byReason].map(([why, lwps]) => ({
    what: `order of Python and native frames of thread${lwps.length === 1 ? '' : 's'} ${lwps.join(', ')}`,
    why,
    fix: 'give the modules that ran with their debug files: --modules DIR',
  }));
}
