import type { CoreFile, CoreThread } from '../corefile/core.ts';
import type { Memory } from '../corefile/memory.ts';
import type { Module } from '../corefile/module.ts';
import { lwpsByInnerId } from '../corefile/pthreads.ts';
import type { ProcessEvidence, ThreadEvidence } from '../host/evidence.ts';
import type { NativeThread } from '../native/stacks.ts';
import type { Evidence, PythonProcess } from '../python/process.ts';
import { describeWait } from './describe-wait.ts';
import type { Finding } from './finding.ts';
import { awaitedInterpreter, gilEvidence, gilGroup, type JudgedInterpreter, judgeInterpreters } from './gil.ts';
import { lockOwners } from './lock-owners.ts';
import { mergeStacks } from './merge-stacks.ts';
import { type MergedFrame, type MergedThread, mergeStates } from './merge-states.ts';
import { hasMoved } from './moved.ts';
import { withMutexHolds } from './mutex-holds.ts';
import { isInGreenlet } from './native-names.ts';
import { originOf } from './origin.ts';
import { lockOrphans } from './orphans.ts';
import { roleOf, rolesAfter, settleRoles } from './role.ts';
import { findAll } from './rules/index.ts';
import { serverPools } from './server-pools.ts';
import { withPeers } from './task-peers.ts';
import type { JudgedFrame, JudgedThread } from './thread.ts';
import { type ProcessFacts, type WaitGraph, waitGraph } from './wait-graph.ts';

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
  /** Absent without Python. */
  readonly interpreters?: readonly JudgedInterpreter[];
  /** Pending asyncio tasks and greenlets: told, never judged. */
  readonly tasks?: NonNullable<PythonProcess['tasks']>;
  readonly gaps: PythonProcess['gaps'];
}

/** Who waits for whom and why. Claims no more than its sources show: each missing one lowers confidence, none is needed. */
export function judge(input: JudgeInput): Verdict {
  const joined = joinThreads(input);
  const graph = {
    ...waitGraph(settleRoles(withMutexHolds(joined.map(({ thread }) => thread)))),
    process: factsOf(
      input,
      joined.map(({ thread }) => thread),
    ),
  };
  const findings = findAll(graph);
  const tasks = input.python?.tasks && withPeers(input.python.tasks, input.evidence?.descriptors ?? []);
  const interpreters = judgeInterpreters(input.python, [...graph.threads.values()]);
  return {
    threads: rolesAfter(findings, [...graph.threads.values()]),
    findings,
    graph,
    ...(interpreters.length > 0 && { interpreters }),
    ...(tasks && { tasks }),
    gaps: mergeGaps(joined),
  };
}

function factsOf({ core, python, evidence }: JudgeInput, threads: readonly JudgedThread[]): ProcessFacts {
  const { stopSignal, tracer } = evidence ?? {};
  const pools = [...(python?.pools ?? []), ...serverPools(threads)];
  return {
    pid: core.process.pid,
    ...(stopSignal !== undefined && { stopSignal }),
    ...(tracer && { tracer }),
    ...(pools.length > 0 && { pools }),
  };
}

interface Joined {
  readonly thread: JudgedThread;
  readonly mismatch?: string;
}

function joinThreads(input: JudgeInput): readonly Joined[] {
  const { core, python, evidence } = input;
  const pythons = mergeStates(python?.threads ?? []);
  const natives = new Map(input.native?.map(thread => [thread.lwp, thread]));
  const proc = new Map(evidence?.threads.map(thread => [thread.tid, thread]));
  const lwps = new Set(core.threads.map(({ lwp }) => lwp));
  // Only a mutex asks for them: they cost a page of memory a thread.
  let known: ReadonlyMap<number, number> | undefined;
  const inner = () => (known ??= innerIds(input));
  const lwpOf = (id: number) => inner().get(id) ?? (lwps.has(id) ? id : undefined);
  const owners = lockOwners(python);
  const orphanOf = lockOrphans(python, core.threads, input.memory);
  return core.threads.map(thread =>
    joinThread(input, thread, {
      python: pythons.get(thread.lwp),
      native: natives.get(thread.lwp),
      proc: proc.get(thread.lwp),
      lwpOf,
      owners,
      orphanOf,
      knowsAllIds: () => inner().size === lwps.size,
    }),
  );
}

/** LWPs by the ids that the process itself knows: by /proc, else by what glibc keeps of each thread. */
function innerIds({ core, evidence, memory }: JudgeInput): ReadonlyMap<number, number> {
  const lwps = new Set(core.threads.map(({ lwp }) => lwp));
  const byProc = evidence?.threads.flatMap(({ tid, nsPid }) =>
    nsPid === undefined || !lwps.has(tid) ? [] : [[nsPid, tid] as const],
  );
  const byLibrary = memory === undefined ? [] : lwpsByInnerId(memory, core.threads);
  return new Map([...byLibrary, ...(byProc ?? [])]);
}

interface Sources {
  readonly python: MergedThread | undefined;
  readonly native: NativeThread | undefined;
  readonly proc: ThreadEvidence | undefined;
  readonly lwpOf: (id: number) => number | undefined;
  readonly owners: ReturnType<typeof lockOwners>;
  readonly orphanOf: ReturnType<typeof lockOrphans>;
  readonly knowsAllIds: () => boolean;
}

function joinThread(input: JudgeInput, core: CoreThread, sources: Sources): Joined {
  const { python, native, proc, lwpOf, owners, orphanOf, knowsAllIds } = sources;
  const pythonVersion = input.python?.version ?? '3';
  const frames = python?.frames.map(judgedFrame) ?? [];
  const nativeFrames = native?.frames ?? [];
  const interpreter = awaitedInterpreter(input.python, python, futexOf(core));
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
    orphanOf,
    knowsAllIds,
  });
  const { stack, mismatch } = mergeStacks(python?.frames ?? [], nativeFrames, {
    pythonVersion,
    nativeStopped: native?.stopped !== undefined,
    inGreenlet:
      isInGreenlet(nativeFrames) ||
      input.python?.tasks?.some(({ kind, lwp }) => kind === 'greenlet' && lwp === core.lwp) === true,
  });
  const role = roleOf({
    hasPython: python !== undefined,
    frames,
    native: nativeFrames,
    ...(waits && { waits }),
    ...(python?.request && { request: python.request }),
  });
  const moved = hasMoved(proc, core);
  const heldGil = python?.holdsGil === true ? ownGilEvidence(input.python, core.lwp) : [];
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
      gil: waits?.kind === 'gil' ? 'waits' : python?.holdsGil === true ? 'holds' : 'none',
      ...(python && { gilGroup: gilGroup(input.python, python.interpreter) }),
      ...(heldGil.length > 0 && { gilEvidence: heldGil }),
      python: frames,
      native: nativeFrames,
      stack,
      ...(waits && { waits }),
      holds: python?.holds ?? [],
      ...(python?.request && { request: python.request }),
      ...(moved !== undefined && { moved }),
      states: proc?.states ?? [],
      ...(proc?.wchan !== undefined && { wchan: proc.wchan }),
      ...(proc?.kernelStack && { kernelStack: proc.kernelStack }),
      onCpu: core.syscall === undefined && waits === undefined,
      pc: core.pc,
      pythonVersion,
      ...(running !== undefined && { running }),
      ...(runningModule !== undefined && { runningModule }),
    },
  };
}

function judgedFrame({ function: name, file, line, firstLine, interpreter, locals }: MergedFrame): JudgedFrame {
  return { function: name, file, line, firstLine, interpreter, origin: originOf(file), ...(locals && { locals }) };
}

/** Of the GIL that the thread holds. */
function ownGilEvidence(python: PythonProcess | undefined, lwp: number): readonly Evidence[] {
  const state = python?.threads.find(thread => thread.lwp === lwp && thread.holdsGil);
  return gilEvidence(python?.interpreters.find(({ gilHolder }) => gilHolder === state?.address));
}

function futexOf({ syscall, expired = syscall }: CoreThread): bigint | undefined {
  return expired?.name === 'futex' ? expired.args[0] : undefined;
}

function moduleAt(modules: readonly Module[] | undefined, pc: bigint): string | undefined {
  return modules?.find(({ start, end }) => pc >= start && pc < end)?.name;
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
