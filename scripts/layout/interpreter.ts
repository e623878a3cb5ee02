import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** An installed CPython whose shared library carries DWARF. */
export interface Interpreter {
  readonly minor: string;
  /** `3.9.18` */
  readonly version: string;
  readonly executable: string;
  /** The ELF file that holds CPython's own code, with its DWARF or with a build-id that leads to it. */
  readonly library: string;
  /** Root filesystem of another system that it is a part of: it runs there, and its debug files lie there. */
  readonly root?: string;
}

/** The interpreter of a minor version (`3.13t` is a free-threaded one) under pyenv's root; undefined when it is not installed there. */
export function findInterpreter(minor: string, root = join(homedir(), '.pyenv/versions')): Interpreter | undefined {
  if (!existsSync(root)) return undefined;
  const [, number = '', threads = ''] = /^(\d+\.\d+)(t?)$/.exec(minor) ?? [];
  const folder = readdirSync(root)
    .filter(name => name.startsWith(`${number}.`) && /^\d+\.\d+\.\d+t?$/.test(name))
    .filter(name => name.endsWith('t') === (threads === 't'))
    .sort()
    .at(-1);
  if (folder === undefined) return undefined;
  const version = folder.replace(/t$/, '');
  const executable = join(root, folder, 'bin', `python${minor}`);
  if (!existsSync(executable)) return undefined;
  const shared = [`libpython${minor}.so.1.0`, `libpython${minor}m.so.1.0`]
    .map(name => join(root, folder, 'lib', name))
    .find(path => existsSync(path));
  return { minor, version, executable: realpathSync(executable), library: shared ?? realpathSync(executable) };
}

/** The interpreter of a distribution's package in a root filesystem, its debug package (`python3.14-dbg`) beside it. */
export function interpreterIn(root: string, minor: string): Interpreter | undefined {
  const library = join(root, 'usr/bin', `python${minor}`);
  if (!existsSync(library)) return undefined;
  const interpreter = { minor, version: '', executable: `/usr/bin/python${minor}`, library, root };
  return {
    ...interpreter,
    version: runPython(interpreter, 'import platform; print(platform.python_version())').trim(),
  };
}

/** What a statement of that interpreter prints. Root filesystems need root. */
export function runPython({ executable, library, root }: Interpreter, program: string): string {
  const [command, ...args] = [...(root === undefined ? [] : ['chroot', root]), executable, '-c', program];
  const { status, stdout, stderr } = spawnSync(command ?? executable, args, {
    encoding: 'utf8',
    env: { ...process.env, ...(root === undefined && { LD_LIBRARY_PATH: join(library, '..') }) },
  });
  if (status !== 0) throw new Error(`${executable} failed: ${stderr}`);
  return stdout;
}
