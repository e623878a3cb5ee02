import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CoreFile } from '../corefile/core.ts';
import type { Module } from '../corefile/module.ts';
import { HangarError, messageOf } from '../errors.ts';
import type { Gdb, GdbAnswer, GdbLimits } from './gdb.ts';
import type { NativeFrame, NativeGap, NativeStacks, NativeThread } from './stacks.ts';
import { layOutSysroot, planSysroot, verifyModules } from './sysroot.ts';
import { systemGdb } from './system-gdb.ts';

export interface NativeOptions {
  readonly core: Pick<CoreFile, 'path' | 'threads' | 'segments'>;
  /** As `resolveModules` left them. */
  readonly modules: readonly Module[];
  readonly signal?: AbortSignal;
  readonly limits?: Partial<GdbLimits>;
  /** Directory for the sysroot's links; default the system's for temporary files. */
  readonly scratch?: string;
  readonly gdb?: Gdb;
}

/**
 * The native stacks of all threads, by one run of gdb. Where gdb is missing or fails, or a module's file is not there,
 * stacks are missing or less exact, and `gaps` says so.
 * @throws HangarError `CANCELLED` when `signal` is aborted.
 */
export async function readNativeStacks(options: NativeOptions): Promise<NativeStacks> {
  const { core, signal, gdb = systemGdb() } = options;
  const { modules, gaps } = verifyModules(options.modules);
  const root = realpathSync(mkdtempSync(join(options.scratch ?? tmpdir(), 'hangar-gdb-')));
  try {
    const sysroot = planSysroot(core.path, modules);
    const files = layOutSysroot(root, sysroot);
    const { executable } = sysroot;
    const limits = { ...defaultLimits, ...options.limits };
    const answer = await gdb.stacks({ root, files, ...(executable !== undefined && { executable }), limits }, signal);
    const threads = inCoreOrder(answer, core, modules);
    return { threads, gaps: [...gaps, ...gapsOf(answer, core, threads, modules)] };
  } catch (error) {
    if (!(error instanceof HangarError) || error.failure === 'cancelled') throw error;
    return { threads: [], gaps: [...gaps, { what: 'native stacks', why: messageOf(error), fix: error.fix }] };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** A hundred threads of a Python with debug information take 2 s and 400 MB. */
const defaultLimits: GdbLimits = {
  seconds: 60,
  memoryBytes: 4 * 1024 ** 3,
  outputBytes: 64 * 1024 ** 2,
  frames: 512,
};

function inCoreOrder(
  answer: GdbAnswer,
  core: NativeOptions['core'],
  modules: readonly Module[],
): readonly NativeThread[] {
  const byLwp = new Map(answer.threads.map(thread => [thread.lwp, thread]));
  const isCode = codeIn(core, modules);
  return core.threads.flatMap(({ lwp }) => {
    const thread = byLwp.get(lwp);
    if (thread === undefined || thread.frames.length === 0) return [];
    const sound = withoutStrayFrames(thread, isCode);
    return [{ ...sound, frames: sound.frames.map(frame => placeFrame(frame, modules)) }];
  });
}

/**
 * Without unwind information gdb guesses, and goes on from a wrong guess. A caller is code: frames from the first one on
 * that is not are left out. (The innermost may be anywhere, a call of a null pointer for one.)
 */
function withoutStrayFrames(thread: NativeThread, isCode: (address: bigint) => boolean): NativeThread {
  const stray = thread.frames.findIndex(({ pc }, index) => index > 0 && !isCode(pc));
  return stray < 0 ? thread : { ...thread, frames: thread.frames.slice(0, stray), stopped: 'the caller is not known' };
}

/** Whether code may lie at an address. What equals its file is often not dumped: gcore then leaves the segment out. */
function codeIn({ segments }: NativeOptions['core'], modules: readonly Module[]): (address: bigint) => boolean {
  return wanted => {
    const segment = segments.find(({ address, memoryBytes }) => wanted >= address && wanted < address + memoryBytes);
    return segment?.executable ?? moduleAt(modules, wanted) !== undefined;
  };
}

function placeFrame(frame: NativeFrame, modules: readonly Module[]): NativeFrame {
  const module = moduleAt(modules, frame.pc);
  return module === undefined ? frame : { ...frame, module: module.name, offset: frame.pc - module.bias };
}

function moduleAt(modules: readonly Module[], address: bigint): Module | undefined {
  return modules.find(({ start, end }) => address >= start && address < end);
}

function gapsOf(
  answer: GdbAnswer,
  core: NativeOptions['core'],
  threads: readonly NativeThread[],
  modules: readonly Module[],
): readonly NativeGap[] {
  const unread = core.threads.filter(({ lwp }) => !threads.some(thread => thread.lwp === lwp));
  return [
    ...(answer.sandboxed ? [] : [unsandboxed]),
    ...(unread.length === 0 ? [] : [{ what: stacksOf(unread), why: 'gdb did not give any' }]),
    ...earlyEnds(threads),
    ...unnamedModules(threads, modules),
  ];
}

/** One gap for each reason. */
function earlyEnds(threads: readonly NativeThread[]): readonly NativeGap[] {
  const byReason = Map.groupBy(
    threads.filter(({ stopped }) => stopped !== undefined),
    ({ stopped }) => stopped ?? '',
  );
  return [...byReason].map(([reason, group]) => ({ what: stacksOf(group), why: `ends early: ${reason}` }));
}

/** Modules that threads are in, but of which there is no file. */
function unnamedModules(threads: readonly NativeThread[], modules: readonly Module[]): readonly NativeGap[] {
  const used = new Set(threads.flatMap(({ frames }) => frames.flatMap(({ module }) => module ?? [])));
  return modules
    .filter(({ name, file }) => file.status === 'missing' && used.has(name))
    .map(({ name, buildId }) => ({
      what: `function names in ${name}`,
      why: buildId === undefined ? 'its build-id is not known' : `no file with build-id ${buildId}`,
      fix: 'give the modules that ran: --modules DIR',
    }));
}

function stacksOf(threads: readonly { readonly lwp: number }[]): string {
  const named = threads.slice(0, 5).map(({ lwp }) => lwp);
  const more = threads.length - named.length;
  return `native stack of thread ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

const unsandboxed: NativeGap = {
  what: 'sandbox of gdb',
  why: 'bwrap is missing or may not make namespaces here: gdb read the core with the rights of this user',
  fix: 'apt-get install bubblewrap',
};
