import type { CoreThread } from '../corefile/core.ts';
import type { Module } from '../corefile/module.ts';
import type { ThreadEvidence } from '../host/evidence.ts';
import type { NativeThread } from '../native/stacks.ts';
import type { Evidence, PythonInterpreter, PythonProcess } from '../python/process.ts';
import { describeWait } from './describe-wait.ts';
import { awaitedInterpreter, gilEvidence, gilGroup } from './gil.ts';
import { type InnerIds, innerIds } from './inner-ids.ts';
import type { JudgeInput } from './judge-input.ts';
import { lockOwners } from './lock-owners.ts';
import { mergeStacks } from './merge-stacks.ts';
import { type MergedFrame, type MergedThread, mergeStates } from './merge-states.ts';
import { hasMoved, isSampled } from './moved.ts';
import { isInGreenlet } from './native-names.ts';
import { originOf } from './origin.ts';
import { lockOrphans } from './orphans.ts';
import { permitHolders } from './permits.ts';
import { roleOf } from './role.ts';
import type { JudgedFrame, JudgedThread } from './thread.ts';

export interface JoinedThreads {
  /** Every LWP of the core, in the core's order. */
  readonly threads: readonly JudgedThread[];
  /** Where the two stacks of a thread do not agree. */
  readonly gaps: PythonProcess['gaps'];
}

/** Every thread with what each source says of it: registers, Python, native stack, /proc. */
export function joinThreads(input: JudgeInput): JoinedThreads {
  const { core, python, native = [], evidence } = input;
  const pythons = mergeStates(python?.threads ?? []);
  const natives = new Map(native.map(thread => [thread.lwp, thread]));
  const procs = new Map(evidence?.threads.map(thread => [thread.tid, thread]));
  const known = askProcess(input);
  const joined = core.threads.map(thread =>
    joinThread(input, known, {
      core: thread,
      python: pythons.get(thread.lwp),
      native: natives.get(thread.lwp),
      proc: procs.get(thread.lwp),
    }),
  );
  return { threads: joined.map(({ thread }) => thread), gaps: gapsOf(joined) };
}

/** What is asked of the whole process for each of its threads. */
interface ProcessAnswers extends InnerIds {
  readonly ownerOf: ReturnType<typeof lockOwners>;
  readonly holdersOf: ReturnType<typeof permitHolders>;
  readonly orphanOf: ReturnType<typeof lockOrphans>;
  readonly gilHolderOf: (interpreter: PythonInterpreter | undefined) => number | undefined;
  readonly hasGreenlets: (lwp: number) => boolean;
  /** Whether threads of the core were sampled beforehand. */
  readonly wasSampled: boolean;
}

function askProcess(input: JudgeInput): ProcessAnswers {
  const { core, python, memory, evidence } = input;
  const lwps = new Set(core.threads.map(({ lwp }) => lwp));
  const byState = new Map(python?.threads.map(({ address, lwp }) => [address, lwp]));
  const greenlets = new Set(python?.tasks?.flatMap(({ kind, lwp }) => (kind === 'greenlet' ? [lwp] : [])));
  return {
    ...innerIds(input),
    ownerOf: lockOwners(python),
    holdersOf: permitHolders(python),
    orphanOf: lockOrphans(python, core.threads, memory),
    gilHolderOf: interpreter => (interpreter?.gilHolder === undefined ? undefined : byState.get(interpreter.gilHolder)),
    hasGreenlets: lwp => greenlets.has(lwp),
    wasSampled: evidence?.threads.some(thread => lwps.has(thread.tid) && isSampled(thread)) ?? false,
  };
}

/** What each source has of one thread. */
interface Sources {
  readonly core: CoreThread;
  readonly python: MergedThread | undefined;
  readonly native: NativeThread | undefined;
  readonly proc: ThreadEvidence | undefined;
}

interface Joined {
  readonly thread: JudgedThread;
  readonly mismatch?: string;
}

function joinThread(input: JudgeInput, known: ProcessAnswers, { core, python, native, proc }: Sources): Joined {
  const pythonVersion = input.python?.version ?? '3';
  const frames = python?.frames.map(judgedFrame) ?? [];
  const nativeFrames = native?.frames ?? [];
  const interpreter = awaitedInterpreter(input.python, python, futexOf(core));
  const gilHolder = known.gilHolderOf(interpreter);
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
    lwpOf: known.lwpOf,
    ownerOf: (address, ownerThreadId) => known.ownerOf(core.lwp, address, ownerThreadId),
    holdersOf: known.holdersOf,
    orphanOf: known.orphanOf,
    knowsAllIds: known.areComplete,
  });
  const { stack, mismatch } = mergeStacks(python?.frames ?? [], nativeFrames, {
    pythonVersion,
    nativeStopped: native?.stopped !== undefined,
    inGreenlet: isInGreenlet(nativeFrames) || known.hasGreenlets(core.lwp),
  });
  const role = roleOf({
    hasPython: python !== undefined,
    frames,
    native: nativeFrames,
    ...(waits && { waits }),
    ...(python?.request && { request: python.request }),
  });
  const moved = hasMoved(proc, core, known.wasSampled);
  const heldGil = python?.holdsGil === true ? ownGilEvidence(input.python, core.lwp) : [];
  const runningModule = moduleAt(input.modules, core.pc);
  const state = proc?.states.at(-1);
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

function gapsOf(joined: readonly Joined[]): JoinedThreads['gaps'] {
  const byReason = Map.groupBy(
    joined.filter(({ mismatch }) => mismatch !== undefined),
    ({ mismatch = '' }) => mismatch,
  );
  return [...byReason].map(([why, group]) => ({
    what: `order of Python and native frames of thread${group.length === 1 ? '' : 's'} ${group.map(({ thread }) => thread.lwp).join(', ')}`,
    why,
    fix: 'give the modules that ran with their debug files: --modules DIR',
  }));
}
