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
  readonly core: Pick<CoreFile, 'path' | 'threads'>;
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
    return { threads, gaps: [...gaps, ...gapsOf(answer, core, threads)] };
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
  return core.threads.flatMap(({ lwp }) => {
    const thread = byLwp.get(lwp);
    if (thread === undefined || thread.frames.length === 0) return [];
    return [{ ...thread, frames: thread.frames.map(frame => placeFrame(frame, modules)) }];
  });
}

function placeFrame(frame: NativeFrame, modules: readonly Module[]): NativeFrame {
  const module = modules.find(({ start, end }) => frame.pc >= start && frame.pc < end);
  return module === undefined ? frame : { ...frame, module: module.name, offset: frame.pc - module.bias };
}

function gapsOf(
  answer: GdbAnswer,
  core: NativeOptions['core'],
  threads: readonly NativeThread[],
): readonly NativeGap[] {
  const gaps: NativeGap[] = [];
  if (!answer.sandboxed) gaps.push(unsandboxed);
  const unread = core.threads.length - threads.length;
  if (unread > 0) gaps.push({ what: `native stacks of ${unread} threads`, why: 'gdb did not give them' });
  for (const { lwp, stopped } of threads)
    if (stopped !== undefined) gaps.push({ what: `native stack of thread ${lwp}`, why: `it ends early: ${stopped}` });
  return gaps;
}

const unsandboxed: NativeGap = {
  what: 'sandbox of gdb',
  why: 'bwrap is missing or may not make namespaces here: gdb read the core with the rights of this user',
  fix: 'apt-get install bubblewrap',
};
