import { join } from 'node:path';
import type { GdbJob } from './gdb.ts';
import { sysrootParts } from './sysroot.ts';

/** A program with arguments and its whole environment. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What of this machine a sandboxed program sees, besides system libraries. */
export interface Sandbox {
  readonly bwrap: string;
  /** Read-only, each at its own path. */
  readonly files: readonly string[];
}

/**
 * gdb on a core with nothing but what `root` holds: no start-up files, no auto-loaded scripts, no debuginfod, no library
 * of this machine (gdb manual, "Mode Options", "Auto-loading", "Debuginfod Settings").
 */
export function gdbCommand(gdb: string, script: string, job: GdbJob): Command {
  const at = (part: string): string => join(job.root, part);
  const settings = [
    'set auto-load off',
    `set auto-load safe-path ${at('nothing')}`,
    'set debuginfod enabled off',
    'set confirm off',
    'set pagination off',
    'set width 0',
    'set style enabled off',
    `set sysroot ${at(sysrootParts.files)}`,
    `set debug-file-directory ${at(sysrootParts.debug)}`,
    `set solib-search-path ${at(sysrootParts.sonames)}`,
    // Pascal's strings or Go's would change how names are printed.
    'set language c',
  ];
  return {
    program: gdb,
    args: [
      '-nx',
      '-batch',
      ...settings.flatMap(setting => ['-iex', setting]),
      ...(job.executable === undefined ? [] : [at(job.executable)]),
      '-core',
      at(sysrootParts.core),
      '-x',
      script,
    ],
    env: {
      PATH: '/usr/bin:/bin',
      HOME: at('nothing'),
      LC_ALL: 'C.UTF-8',
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONNOUSERSITE: '1',
      HANGAR_MODULES: at(sysrootParts.modules),
      HANGAR_FRAME_LIMIT: String(job.limits.frames),
      // The rest is for its start and for writing the answer.
      HANGAR_SECONDS: String(job.limits.seconds * 0.8),
    },
  };
}

/** What of the system gdb and its Python need; links of a merged /usr (bwrap binds what they lead to). */
const systemParts = [
  '/usr',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/bin',
  '/etc/alternatives',
  '/etc/ld.so.cache',
] as const;

/** The command in namespaces of its own: no network, no home, no other process, nothing to write to (bwrap(1)). */
export function sandboxed({ program, args, env }: Command, { bwrap, files }: Sandbox): Command {
  return {
    program: bwrap,
    args: [
      '--unshare-all',
      '--die-with-parent',
      '--clearenv',
      '--cap-drop',
      'ALL',
      ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
      ...systemParts.flatMap(part => ['--ro-bind-try', part, part]),
      '--proc',
      '/proc',
      '--dev',
      '/dev',
      '--tmpfs',
      '/tmp',
      ...files.flatMap(file => ['--ro-bind', file, file]),
      '--chdir',
      '/',
      '--',
      program,
      ...args,
    ],
    env: {},
  };
}

/**
 * The command with limits that the kernel holds (setrlimit(2), through sh's ulimit): address space, processor time, no
 * core of its own, no file written. Without bwrap's `--die-with-parent`, `timeout` ends it when nobody is left to do so.
 */
export function limited(command: Command, limits: { readonly seconds: number; readonly memoryBytes: number }): Command {
  const seconds = Math.ceil(limits.seconds);
  const kibibytes = Math.floor(limits.memoryBytes / 1024);
  const rules = [`ulimit -c 0`, `ulimit -f 0`, `ulimit -v ${kibibytes}`, `ulimit -t ${seconds * 4}`].join(' && ');
  const guard = command.args.includes('--die-with-parent') ? '' : `timeout -s KILL ${seconds + 1} `;
  return {
    program: '/bin/sh',
    args: ['-c', `${rules} && exec ${guard}"$@"`, 'sh', command.program, ...command.args],
    env: { PATH: '/usr/bin:/bin', ...command.env },
  };
}
