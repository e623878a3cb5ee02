import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BuildId } from '../../../src/corefile/build-id.ts';
import { parseBuildId } from '../../../src/corefile/build-id.ts';
import type { CoreFile } from '../../../src/corefile/core.ts';
import { readElfFile } from '../../../src/corefile/elf-file.ts';
import { indexElfFiles } from '../../../src/corefile/index-files.ts';
import type { Module } from '../../../src/corefile/module.ts';
import { withModuleFiles } from '../../../src/corefile/module-memory.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { readModuleSymbols, readSymbols } from '../../../src/corefile/symbols.ts';
import type { CapturedCore } from '../../support/cores.ts';
import { captureCore, compileC, privateDir } from '../../support/cores.ts';
import { requireInterpreter } from '../../support/interpreters.ts';

const sleeper = 'import ctypes, os, ssl, sys, time; os.write(1, b"ready\\n"); time.sleep(1000)';

describe.each(['2.7', '3.11'] as const)('the modules of a core of CPython %s', version => {
  let captured: CapturedCore | undefined;
  let core: CoreFile;
  let modules: readonly Module[];
  let interpreter: string;

  beforeEach(async () => {
    // In a hook of each test, since only a test can be skipped.
    interpreter = requireInterpreter(version).path;
    if (captured !== undefined) return;
    captured = await captureCore([interpreter, '-c', sleeper]);
    core = await openCore(captured.path);
    modules = readModules(core);
  });

  afterAll(() => {
    if (captured === undefined) return;
    core.close();
    captured.remove();
  });

  test('are the executable first, its libraries, and the vDSO last', () => {
    expect(modules[0]).toMatchObject({ isExecutable: true });
    expect(modules[0]?.path).toBe(execFileSync('realpath', [interpreter], { encoding: 'utf8' }).trim());
    expect(modules.at(-1)?.name).toBe('linux-vdso.so.1');
    const names = modules.map(({ name }) => basename(name));
    expect(names).toEqual(expect.arrayContaining(['libc.so.6', 'libm.so.6', 'ld-linux-x86-64.so.2']));
    expect(names.some(name => name.startsWith('_ssl'))).toBe(true);
    expect(new Set(names).size).toBe(names.length);
  });

  test('have the build-ids of the files that ran, as readelf tells them', () => {
    const mapped = modules.filter(({ path }) => path !== undefined);
    expect(mapped.length).toBeGreaterThan(10);
    for (const { path = '', buildId } of mapped) expect(buildId).toBe(buildIdByReadelf(path));
  });

  test('are found on this machine by build-id, with their symbols in the addresses of the process', () => {
    const resolved = resolveModules(modules, new Map(), { localPaths: true });
    const python = resolved.find(({ name }) => /libpython|\/python\d[^/]*$/.test(name) && hasSymbol(name));
    if (python === undefined) throw new Error('no module has CPython in it');
    expect(python.file.status).toBe('found');
    const symbols = readModuleSymbols(python, core.memory);
    expect(symbols.symbols).toBe('full');
    const found = symbols.find('Py_GetVersion');
    const memory = withModuleFiles(core.memory, resolved);
    try {
      const code = memory.read(found?.address ?? 0n, 16);
      const table = readSymbols(python.path ?? '');
      expect(code.equals(bytesOfSymbol(python.path ?? '', table.find('Py_GetVersion')?.address ?? 0n))).toBe(true);
    } finally {
      memory.close();
    }
    // Not dumped by gcore, since it equals the file.
    expect(() => core.memory.read(found?.address ?? 0n, 16)).toThrow('no memory at');
  });

  test('have their dynamic symbols from memory where no file is had: the vDSO has none', () => {
    const vdso = modules.at(-1);
    if (vdso === undefined) throw new Error('no modules');
    const symbols = readModuleSymbols(vdso, core.memory);
    expect(symbols.symbols).toBe('dynamic');
    const image = core.memory.read(vdso.start, Number(vdso.end - vdso.start));
    const file = join(dirname(core.path), 'vdso.so');
    writeFileSync(file, image);
    const expected = /([0-9a-f]{16}).* __vdso_clock_gettime/.exec(
      execFileSync('readelf', ['--dyn-syms', '-W', file], { encoding: 'utf8' }),
    )?.[1];
    expect(symbols.find('__vdso_clock_gettime')?.address).toBe(BigInt(`0x${expected ?? ''}`) + vdso.bias);
    expect(symbols.find('__vdso_no_such_name')).toBeUndefined();
  });
});

describe('files for modules', () => {
  const work = privateDir();
  let library: string;
  let other: string;
  let id: BuildId;
  let module: Module;

  beforeAll(() => {
    library = compileC(work.dir, 'libone.so', 'int one(void) { return 1; }', ['-shared', '-fPIC', '-Wl,--build-id']);
    other = compileC(work.dir, 'libtwo.so', 'int one(void) { return 2; }', ['-shared', '-fPIC', '-Wl,--build-id']);
    id = parseBuildId(buildIdByReadelf(library) ?? '');
    const absent: Module['file'] = { status: 'missing', searched: [] };
    const name = '/opt/shop/libone.so';
    module = { name, path: name, isExecutable: false, bias: 0n, start: 0n, end: 0n, buildId: id, file: absent };
  });

  afterAll(() => work.remove());

  test.each([
    ['a copied tree', () => 'opt/shop/libone.so'],
    ['a flat directory, renamed', () => 'renamed.bin'],
    ['.build-id/xx/rest', () => `.build-id/${id.slice(0, 2)}/${id.slice(2)}`],
    ['the module store', () => `store/modules/${id.slice(0, 2)}/${id.slice(2)}`],
  ])('are found by build-id in %s', (layout, place) => {
    const dir = join(work.dir, layout.replaceAll(/\W/g, '-'));
    const path = placed(library, dir, place());
    const [resolved] = resolveModules([module], indexElfFiles([dir]), { localPaths: false, searched: [dir] });
    expect(resolved?.file).toEqual({ status: 'found', path });
  });

  test('bring their separate debug file along', () => {
    const dir = join(work.dir, 'with-debug');
    const path = placed(library, dir, `store/${id.slice(0, 2)}/${id.slice(2)}`);
    const debugPath = join(dir, 'libone.debug');
    execFileSync('objcopy', ['--only-keep-debug', library, debugPath]);
    execFileSync('strip', [path]);
    const [resolved = module] = resolveModules([module], indexElfFiles([dir]), { localPaths: false });
    expect(resolved.file).toEqual({ status: 'found', path, debugPath });
    expect(readSymbols(path).symbols).toBe('dynamic');
    expect(readSymbols(debugPath)).toMatchObject({ symbols: 'full', hasDebugInfo: true });
    expect(readSymbols(debugPath).find('one')?.size).toBeGreaterThan(0n);
  });

  test('of the right name but another build are told, never taken', () => {
    const dir = join(work.dir, 'wrong');
    const path = placed(other, dir, 'opt/shop/libone.so');
    const [resolved] = resolveModules([module], indexElfFiles([dir]), { localPaths: true, searched: [dir] });
    expect(resolved?.file).toEqual({ status: 'mismatched', path, found: buildIdByReadelf(other) });
  });

  test('that are nowhere are told with where they were looked for', () => {
    const dir = join(work.dir, 'empty');
    mkdirSync(dir);
    const [resolved] = resolveModules([module], indexElfFiles([dir]), { localPaths: true, searched: [dir] });
    expect(resolved?.file).toEqual({ status: 'missing', searched: [dir, '/opt/shop/libone.so'] });
  });

  test('that are cut off, no ELF files, or lead out of the directory are left out', () => {
    const dir = join(work.dir, 'unfit');
    const cut = placed(library, dir, 'cut.so');
    truncateSync(cut, Math.floor(statSync(cut).size / 10));
    writeFileSync(join(dir, 'text'), 'no ELF file');
    symlinkSync(library, join(dir, 'outside'));
    symlinkSync(dir, join(dir, 'loop'));
    expect(indexElfFiles([dir, join(dir, 'absent')]).size).toBe(0);
  });
});

test('the modules of a core that lost its notes are still known by their mapped headers', async () => {
  const captured = await captureCore([requireInterpreter('3.11').path, '-c', sleeper]);
  const whole = await openCore(captured.path);
  try {
    const known = readModules(whole);
    // gcore writes the notes last.
    const cut = join(captured.dir, 'cut');
    execFileSync('cp', ['--sparse=always', captured.path, cut]);
    const lastData = whole.segments.reduce((end, { fileOffset, fileBytes }) => {
      const segmentEnd = Number(fileOffset + fileBytes);
      return Math.max(end, segmentEnd);
    }, 0);
    truncateSync(cut, lastData);
    const core = await openCore(cut);
    try {
      expect(core.truncated).toBeDefined();
      expect(core.threads).toEqual([]);
      const found = new Map(readModules(core).map(module => [module.buildId, module]));
      for (const { buildId, bias, isExecutable, name } of known) {
        const expected = { bias, isExecutable, name: isExecutable ? '[executable]' : name };
        expect(found.get(buildId)).toMatchObject(expected);
      }
    } finally {
      core.close();
    }
  } finally {
    whole.close();
    captured.remove();
  }
});

function placed(file: string, dir: string, name: string): string {
  const path = join(dir, name);
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(file, path);
  return path;
}

function buildIdByReadelf(path: string): string | undefined {
  const notes = execFileSync('readelf', ['-n', path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return /Build ID: ([0-9a-f]+)/.exec(notes)?.[1];
}

/** What objdump reads at an address of a file. */
function bytesOfSymbol(path: string, address: bigint): Buffer {
  const range = [`--start-address=${address}`, `--stop-address=${address + 16n}`];
  const dump = execFileSync('objdump', ['-s', ...range, '-j', '.text', path], { encoding: 'utf8' });
  const hex = dump
    .split('\n')
    .filter(line => /^ [0-9a-f]+ /.test(line))
    .map(line => line.trim().split(/ {2}/)[0]?.split(' ').slice(1).join('') ?? '')
    .join('');
  return Buffer.from(hex, 'hex');
}

function hasSymbol(name: string): boolean {
  return readSymbols(name).find('Py_GetVersion') !== undefined;
}

test('a path that leads to a folder or a pipe has no ELF file', () => {
  const { dir, remove } = privateDir();
  try {
    const pipe = join(dir, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect([readElfFile(dir), readElfFile(pipe)]).toEqual([undefined, undefined]);
  } finally {
    remove();
  }
});
