import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { analyze } from '../../src/analyze.ts';
import { type FileIndex, indexElfFiles } from '../../src/corefile/index-files.ts';
import { openCore } from '../../src/corefile/open-core.ts';
import type { ProcessEvidence } from '../../src/host/evidence.ts';
import { readEvidence } from '../../src/host/read-evidence.ts';
import type { Report } from '../../src/report/schema.ts';
import { directorySources } from '../../src/steps/source-lookup.ts';
import { privateDir } from './cores.ts';
import { commandIn } from './interpreters.ts';
import type { Target } from './targets.ts';

const run = promisify(execFile);
const program = join(import.meta.dirname, '..', '..', 'src', 'host', 'program.sh');

export interface AnalysedTarget {
  readonly report: Report;
  /** Path of its core; gone after `remove`. */
  readonly core: string;
  readonly remove: () => void;
}

/** What the host program says of a process of this machine. */
export async function evidenceOf(pid: number): Promise<ProcessEvidence> {
  const { stdout } = await run('sh', [program, 'evidence', `pid=${pid}`], { maxBuffer: 64 * 1024 * 1024 });
  const evidence = readEvidence(stdout);
  if (evidence === undefined) throw new Error('the evidence breaks off');
  return evidence;
}

export interface AnalysisChoices {
  readonly native?: boolean;
  readonly withEvidence?: boolean;
  /** Root filesystem that the target's files are of; its gdb takes the core. */
  readonly root?: string;
  /** Where else module files are looked for. */
  readonly folders?: readonly string[];
}

/** Takes the core of a process, by the gdb of the root filesystem that its files are of. */
export async function takeCore(
  pid: number,
  { root = '' }: Pick<AnalysisChoices, 'root'> = {},
): Promise<{ readonly path: string; readonly remove: () => void }> {
  const { dir, remove } = privateDir();
  try {
    const [gcore, ...args] = commandIn(root, '/usr/bin/gcore', ['-o', join(dir, 'core'), String(pid)]);
    await run(gcore, args);
    return { path: join(dir, `core.${pid}`), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Takes evidence and core of a target as a run does, and analyses them. */
export async function analyzeTarget({ pid, truth }: Target, choices: AnalysisChoices = {}): Promise<AnalysedTarget> {
  if (truth.threads.length === 0) throw new Error('the target has no threads');
  return analyzeProcess(pid, choices);
}

/** Takes evidence and core of a process as a run does, and analyses them. */
export async function analyzeProcess(
  pid: number,
  { native = true, withEvidence = true, root = '', folders: others = [] }: AnalysisChoices = {},
): Promise<AnalysedTarget> {
  const evidence = withEvidence ? await evidenceOf(pid) : undefined;
  const { path: core, remove } = await takeCore(pid, { root });
  try {
    const folders = [...(root === '' ? [] : [join(root, 'usr')]), ...others];
    const report = await analyze(
      { core, case: 'test', host: { name: 'test' }, sources: directorySources('/'), ...(evidence && { evidence }) },
      { findFiles: () => indexOf(folders), searched: folders, native, hash: false, showQuery: false },
    );
    return { report, core, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

const indexes = new Map<string, FileIndex>();

/** A root filesystem has thousands of files: it is looked through once. */
function indexOf(folders: readonly string[]): FileIndex {
  const key = folders.join(':');
  const index = indexes.get(key) ?? indexElfFiles(folders);
  indexes.set(key, index);
  return index;
}

/** Evidence entries of a report that are not what the core holds at their address. */
export async function misquoted({ findings }: Report, path: string): Promise<readonly string[]> {
  const core = await openCore(path);
  try {
    return findings
      .flatMap(({ evidence }) => evidence)
      .flatMap(({ text, address, value, bytes = 8 }) => {
        if (address === undefined || value === undefined) return [];
        const held = core.memory.read(BigInt(address), bytes);
        const number = [...held].reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
        return number === BigInt(value) ? [] : [`${text}: ${address} holds 0x${number.toString(16)}, quoted ${value}`];
      });
  } finally {
    core.close();
  }
}
