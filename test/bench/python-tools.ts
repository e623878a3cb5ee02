import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { reportSchema } from '../../src/report/schema.ts';
import { commandIn, findInterpreter, type Interpreter } from '../support/interpreters.ts';
import { pythonPackages } from '../support/python-packages.ts';
import type { BenchCore, TrueThread } from './python-cores.ts';

export interface ToldFrame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** What a tool says of a thread, which it calls by one of its ids. */
export interface ToldThread {
  readonly lwp?: number;
  readonly ident?: number;
  /** Innermost first. */
  readonly frames: readonly ToldFrame[];
}

/** Something that prints the Python stacks of a core. */
export interface Tool {
  readonly name: string;
  /** Undefined where it lacks what this core needs. */
  command(core: BenchCore): readonly [string, ...string[]] | undefined;
  readonly env?: NodeJS.ProcessEnv;
  parse(stdout: string): readonly ToldThread[];
}

const pinned = { pystack: 'pystack==1.7.2', pySpy: 'py-spy==0.4.3' };

/** What a user would take instead, as far as this machine has it; `why` for those that are missing. */
export async function peers(): Promise<{ readonly tools: readonly Tool[]; readonly missing: readonly string[] }> {
  // Not the system's own Python, which is another one where a root filesystem is mounted.
  const python = findInterpreter('3.11') ?? findInterpreter('3.12');
  if (python === undefined)
    return { tools: [gdb], missing: ['pystack and py-spy: no CPython 3.11 or 3.12 to run them'] };
  try {
    const folder = await pythonPackages(python, Object.values(pinned));
    return { tools: [pystack(python, folder), pySpy(folder), gdb], missing: [] };
  } catch (error) {
    return { tools: [gdb], missing: [`pystack and py-spy: ${String(error).split('\n').at(-1)}`] };
  }
}

/** The command line under test. */
export function runbookTool(runbook: string): Tool {
  return {
    name: 'runbook',
    command: ({ path, interpreter: { root = '' } }) =>
      commandIn(root, runbook, ['analyze', path, '--quiet', '--no-native', '--format', 'json']),
    parse: stdout =>
      reportSchema.parse(JSON.parse(stdout)).threads.map(({ lwp, python }) => ({
        lwp,
        frames: python.map(({ function: name, file, line }) => ({ name, file, line })),
      })),
  };
}

function pystack(python: Interpreter, packages: string): Tool {
  return {
    name: 'pystack',
    command: ({ path, interpreter: { root = '', path: executable } }) =>
      commandIn(root, python.path, ['-m', 'pystack', 'core', path, executable]),
    env: { PYTHONPATH: packages, NO_COLOR: '1' },
    parse: stdout => parseBlocks(stdout, /^Traceback for thread (?<lwp>\d+)/, outermostFirst),
  };
}

function pySpy(packages: string): Tool {
  return {
    name: 'py-spy',
    command: ({ path, interpreter: { root = '' } }) =>
      commandIn(root, join(packages, 'bin', 'py-spy'), ['dump', '--core', path, '--json']),
    parse: stdout =>
      pySpyThreads.parse(JSON.parse(stdout)).map(({ thread_id: ident, frames }) => ({
        ident,
        frames: frames.map(({ name, filename: file, line }) => ({ name, file, line })),
      })),
  };
}

const pySpyThreads = z.array(
  z.looseObject({
    thread_id: z.number(),
    frames: z.array(z.looseObject({ name: z.string(), filename: z.string(), line: z.number() })),
  }),
);

/** With the commands that CPython brings for it, of the very version: pyenv lays them beside the executable. */
const gdb: Tool = {
  name: 'gdb',
  command({ path, interpreter: { root = '', path: executable, version } }) {
    const script = [`${executable}-gdb.py`, `/usr/share/gdb/auto-load/usr/bin/python${version}-gdb.py`].find(each =>
      existsSync(join(root, each)),
    );
    if (script === undefined) return undefined;
    const commands = [`source ${script}`, 'thread apply all py-bt'].flatMap(each => ['-ex', each]);
    return commandIn(root, '/usr/bin/gdb', ['-nx', '-batch', ...commands, executable, path]);
  },
  parse: stdout => parseBlocks(stdout, /^Thread \d+ \(.*\bLWP (?<lwp>\d+)\)/, innermostFirst),
};

type Order = (frames: readonly ToldFrame[]) => readonly ToldFrame[];
const innermostFirst: Order = frames => frames;
const outermostFirst: Order = frames => frames.toReversed();

function parseBlocks(stdout: string, head: RegExp, order: Order): readonly ToldThread[] {
  const threads: { readonly lwp: number; readonly frames: ToldFrame[] }[] = [];
  for (const text of stdout.split('\n')) {
    const lwp = head.exec(text)?.groups?.['lwp'];
    if (lwp !== undefined) threads.push({ lwp: Number(lwp), frames: [] });
    const [, file, line, name] = /File "(.*)", line (\d+), in (.*)$/.exec(text) ?? [];
    if (file !== undefined && name !== undefined)
      threads.at(-1)?.frames.push({ file, line: Number(line), name: name.replace(/ \(.*$/, '') });
  }
  return threads.map(({ lwp, frames }) => ({ lwp, frames: order(frames) }));
}

export interface Score {
  /** Frames that are told as they are, in their order. */
  readonly right: number;
  readonly there: number;
  /** Frames told that are not there, or elsewhere. */
  readonly wrong: number;
}

export function score(threads: readonly TrueThread[], told: readonly ToldThread[]): Score {
  let [right, there, count] = [0, 0, 0];
  for (const { lwp, ident, frames } of threads) {
    const same = told.filter(each => each.lwp === lwp || each.ident === ident).flatMap(each => each.frames);
    right += longestCommon(frames, same);
    there += frames.length;
  }
  for (const { frames } of told) count += frames.length;
  return { right, there, wrong: count - right };
}

/** Length of the longest common subsequence: a frame too many or too few leaves the others where they are. */
function longestCommon(frames: TrueThread['frames'], told: readonly ToldFrame[]): number {
  let row = [0, ...told.map(() => 0)];
  for (const frame of frames) {
    const next = [0];
    for (const [index, other] of told.entries()) {
      const same = isSame(frame, other) ? (row[index] ?? 0) + 1 : 0;
      next.push(Math.max(same, row[index + 1] ?? 0, next[index] ?? 0));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

function isSame({ name, qualifiedName, file, line }: TrueThread['frames'][number], told: ToldFrame): boolean {
  return told.file === file && told.line === line && (told.name === name || told.name === qualifiedName);
}
