import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HangarError } from '../errors.ts';
import type { Gdb, GdbAnswer, GdbJob } from './gdb.ts';
import { parseAnswer } from './gdb-answer.ts';
import { gdbCommand, limited, sandboxed } from './gdb-command.ts';
import type { Outcome } from './run-command.ts';
import { runCommand } from './run-command.ts';

export interface SystemGdbOptions {
  /** Where gdb and bwrap are looked for; default the environment's PATH, then the usual places. */
  readonly path?: string;
}

/** The gdb of this machine, in bwrap's sandbox where that works here. */
export function systemGdb({ path = defaultPath() }: SystemGdbOptions = {}): Gdb {
  return {
    async stacks(job, signal) {
      const program = findProgram('gdb', path);
      if (program === undefined) throw missing();
      const gdb = realpathSync(program);
      const bwrap = await workingSandbox(path);
      const command = gdbCommand(gdb, script, job);
      const files = [job.root, ...job.files, script, ...installation(gdb)];
      const run = limited(bwrap === undefined ? command : sandboxed(command, { bwrap, files }), job.limits);
      const outcome = await runCommand(run, job.limits, signal);
      return readOutcome(outcome, job, bwrap !== undefined);
    },
  };
}

const script = fileURLToPath(new URL('stacks.py', import.meta.url));

/** Whether namespaces can be made here: containers and hardened kernels refuse them to some users. */
async function workingSandbox(path: string): Promise<string | undefined> {
  const bwrap = findProgram('bwrap', path);
  if (bwrap === undefined) return undefined;
  const nothing = { program: '/bin/true', args: [], env: {} };
  const outcome = await runCommand(sandboxed(nothing, { bwrap, files: [] }), { seconds: 5, outputBytes: 0 });
  return outcome.status === 'exited' && outcome.code === 0 ? bwrap : undefined;
}

function defaultPath(): string {
  return [process.env['PATH'] ?? '', '/usr/local/bin', '/usr/bin'].join(delimiter);
}

function findProgram(name: string, path: string): string | undefined {
  // Never one of the working directory: it may be a directory of evidence.
  const dirs = path.split(delimiter).filter(dir => isAbsolute(dir));
  return dirs.map(dir => join(dir, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where a gdb that was not installed by the distribution has its libraries and its Python files. */
function installation(gdb: string): readonly string[] {
  return gdb.startsWith('/usr/') ? [] : [dirname(dirname(gdb))];
}

function readOutcome(outcome: Outcome, { limits }: GdbJob, isSandboxed: boolean): GdbAnswer {
  switch (outcome.status) {
    case 'exited': {
      const answer = parseAnswer(outcome.answer.toString('utf8'));
      if (answer !== undefined) return { ...answer, sandboxed: isSandboxed };
      throw /Python scripting is not supported/.test(outcome.complaints) ? withoutPython() : failed(outcome);
    }
    case 'timeout':
      throw new HangarError({
        code: 'GDB_TIMEOUT',
        message: `gdb gave no answer within ${limits.seconds} s`,
        fix: 'the Python stacks do not need it; to leave it out: --no-native',
        failure: 'step',
      });
    case 'too-much-output':
      throw new HangarError({
        code: 'GDB_FAILED',
        message: `gdb's answer is larger than ${limits.outputBytes} bytes`,
        fix: 'the core may be damaged; to leave gdb out: --no-native',
        failure: 'step',
      });
    case 'cancelled':
      throw new HangarError({
        code: 'CANCELLED',
        message: 'stopped while gdb read the native stacks',
        fix: 'run the command again',
        failure: 'cancelled',
      });
    case 'not-started':
      throw new HangarError({
        code: 'GDB_FAILED',
        message: 'gdb could not be started',
        fix: 'check that it runs: gdb --version',
        failure: 'step',
        cause: outcome.cause,
      });
    default:
      return outcome satisfies never;
  }
}

function missing(): HangarError {
  return new HangarError({
    code: 'GDB_MISSING',
    message: 'gdb is not installed here',
    fix: 'apt-get install gdb',
    failure: 'step',
  });
}

function withoutPython(): HangarError {
  return new HangarError({
    code: 'GDB_WITHOUT_PYTHON',
    message: 'the gdb installed here was built without Python',
    fix: 'apt-get install gdb (instead of gdb-minimal)',
    failure: 'step',
  });
}

function failed({ code, killedBy, complaints }: Outcome & { readonly status: 'exited' }): HangarError {
  const last = complaints.trim().split('\n').at(-1) ?? '';
  const how = killedBy === undefined ? `exit code ${code ?? '?'}` : killedBy;
  return new HangarError({
    code: 'GDB_FAILED',
    message: `gdb ended without an answer (${how})${last === '' ? '' : `: ${last.slice(0, 300)}`}`,
    fix: 'the core may be damaged; to leave gdb out: --no-native',
    failure: 'step',
  });
}
