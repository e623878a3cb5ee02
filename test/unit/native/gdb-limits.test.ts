import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CoreFile } from '../../../src/corefile/core.ts';
import type { Module } from '../../../src/corefile/module.ts';
import { openCore } from '../../../src/corefile/open-core.ts';
import { readModules } from '../../../src/corefile/read-modules.ts';
import { resolveModules } from '../../../src/corefile/resolve-modules.ts';
import { readNativeStacks } from '../../../src/native/read-native-stacks.ts';
import { systemGdb } from '../../../src/native/system-gdb.ts';
import type { CapturedCore } from '../../support/cores.ts';
import { captureCore, compileC, privateDir } from '../../support/cores.ts';

/** Recurses, so that its stack is longer than a limit of frames; brings a script that gdb would load by itself. */
const source = (marker: string): string => `
#include <unistd.h>
asm(".pushsection \\".debug_gdb_scripts\\", \\"MS\\",@progbits,1\\n"
    ".byte 4\\n.ascii \\"embedded\\\\n\\"\\n.ascii \\"import os; os.mkdir('${marker}-embedded')\\\\n\\"\\n.byte 0\\n"
    ".popsection\\n");
static int descend(int depth) {
  if (depth > 0) return descend(depth - 1) + 1;
  write(1, "ready\\n", 6);
  return pause();
}
int main(void) { return descend(100); }
`;

const work = privateDir();
const marker = join(work.dir, 'executed');
let captured: CapturedCore;
let core: CoreFile;
let modules: readonly Module[];
let program: string;

beforeAll(async () => {
  program = compileC(work.dir, 'deep', source(marker), ['-Wl,--build-id']);
  captured = await captureCore([program]);
  core = await openCore(captured.path);
  modules = resolveModules(readModules(core), new Map(), { localPaths: true });
});

afterAll(() => {
  core.close();
  captured.remove();
  work.remove();
});

test('a stack longer than the limit is cut off and says so', async () => {
  const { threads, gaps } = await readNativeStacks({ core, modules, limits: { frames: 20 } });
  expect(threads[0]?.frames).toHaveLength(20);
  expect(gaps.map(({ why }) => why)).toEqual(['ends early: more than 20 frames']);
});

test.each(['sandboxed', 'bare'] as const)(
  'a %s gdb that is out of time is killed with all that it started',
  async how => {
    const seconds = uniqueSeconds();
    const gdb = systemGdb({ path: fakeGdb(how, `sleep ${seconds} & sleep ${seconds}`) });
    const { threads, gaps } = await readNativeStacks({ core, modules, gdb, limits: { seconds: 1 } });
    expect(threads).toEqual([]);
    expect(gaps).toEqual([
      { what: 'native stacks', why: 'gdb gave no answer within 1 s', fix: expect.stringContaining('--no-native') },
    ]);
    expect(processesWith(seconds)).toEqual([]);
  },
);

test.each(['sandboxed', 'bare'] as const)(
  'a %s gdb is killed with all that it started when the run is cancelled',
  async how => {
    const seconds = uniqueSeconds();
    const gdb = systemGdb({ path: fakeGdb(how, `sleep ${seconds} & sleep ${seconds}`) });
    const controller = new AbortController();
    const reading = readNativeStacks({ core, modules, gdb, signal: controller.signal });
    await until(() => processesWith(seconds).length >= 2);
    controller.abort();
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED', exitCode: 6 });
    expect(processesWith(seconds)).toEqual([]);
  },
);

test('a sandboxed gdb does not outlive a killed controller', async () => {
  const seconds = uniqueSeconds();
  const path = fakeGdb('sandboxed', `sleep ${seconds}`);
  const room = new URL('../../../src/native/', import.meta.url);
  const script = `
    import { systemGdb } from ${JSON.stringify(new URL('system-gdb.ts', room).href)};
    const limits = { seconds: 100, memoryBytes: 1e9, outputBytes: 1e6, frames: 9 };
    await systemGdb({ path: ${JSON.stringify(path)} }).stacks({ root: ${JSON.stringify(work.dir)}, files: [], limits });
  `;
  const controller = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  await until(() => processesWith(seconds).length > 0);
  controller.kill('SIGKILL');
  await until(() => processesWith(seconds).length === 0);
  expect(processesWith(seconds)).toEqual([]);
});

test('an answer that is too long is refused', async () => {
  const { gaps } = await readNativeStacks({ core, modules, limits: { outputBytes: 100 } });
  expect(gaps).toMatchObject([{ what: 'native stacks', why: "gdb's answer is larger than 100 bytes" }]);
});

test('a gdb that needs more memory than it may have fails with a gap', async () => {
  const { threads, gaps } = await readNativeStacks({ core, modules, limits: { memoryBytes: 20 * 1024 * 1024 } });
  expect(threads).toEqual([]);
  expect(gaps).toMatchObject([{ what: 'native stacks', why: expect.stringMatching(/^gdb ended without an answer/) }]);
});

test('a machine without gdb is told how to get it', async () => {
  const { threads, gaps } = await readNativeStacks({ core, modules, gdb: systemGdb({ path: work.dir }) });
  expect(threads).toEqual([]);
  expect(gaps).toEqual([{ what: 'native stacks', why: 'gdb is not installed here', fix: 'apt-get install gdb' }]);
  const job = { root: work.dir, files: [], limits: { seconds: 1, memoryBytes: 1, outputBytes: 1, frames: 1 } };
  await expect(systemGdb({ path: work.dir }).stacks(job)).rejects.toMatchObject({ code: 'GDB_MISSING', exitCode: 3 });
});

test('a gdb that was built without Python is told apart', async () => {
  const complaint = 'echo "Python scripting is not supported in this copy of GDB." >&2; exit 1';
  const { gaps } = await readNativeStacks({ core, modules, gdb: systemGdb({ path: fakeGdb('bare', complaint) }) });
  expect(gaps).toMatchObject([{ why: 'the gdb installed here was built without Python' }]);
});

test('an answer that is not one document of the expected shape is refused', async () => {
  for (const answer of [
    '',
    '{}',
    '{"gdb":"13","threads":[{"lwp":1,"frames":[{"pc":"12"}]}]}',
    '{"gdb":"1","threads":[]}{}',
  ]) {
    const gdb = systemGdb({ path: fakeGdb('bare', `printf %s '${answer}' >&3`) });
    const { gaps } = await readNativeStacks({ core, modules, gdb });
    expect(gaps).toMatchObject([{ why: 'gdb ended without an answer (exit code 0)' }]);
  }
});

test('the sandbox shows gdb no network, no home, no other process and none of our environment', async () => {
  const probe = [
    'nets=$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " \\n")',
    'home=$(ls -A /root /home 2>/dev/null | tr "\\n" " ")',
    'pids=$(ls -d /proc/[0-9]* | wc -l)',
    'names=$(env | cut -d= -f1 | sort | tr "\\n" " ")',
    'echo "{\\"gdb\\":\\"$nets|$home|$pids|$names\\",\\"threads\\":[]}" >&3',
  ].join('\n');
  const path = fakeGdb('sandboxed', probe);
  const limits = { seconds: 20, memoryBytes: 1e9, outputBytes: 1e6, frames: 9 };
  const answer = await systemGdb({ path }).stacks({ root: work.dir, files: [], limits });
  const [nets, home, pids, names = ''] = answer.version.split('|');
  expect(answer.sandboxed).toBe(true);
  expect(nets).toBe('lo');
  expect(home).toBe('');
  // bwrap, the shell, and the two of the pipeline that counts.
  expect(Number(pids)).toBeLessThan(8);
  expect(names).not.toMatch(/DEBUGINFOD|SSH|PATH_|npm|VITEST/);
  expect(names).toContain('HANGAR_FRAME_LIMIT');
});

test('scripts that come with a program or lie beside it are not executed', async () => {
  for (const [name, what] of [
    ['.gdbinit', 'init'],
    ['deep-gdb.gdb', 'beside'],
  ])
    writeFileSync(join(work.dir, name ?? ''), `shell mkdir ${marker}-${what}\n`);
  writeFileSync(join(work.dir, 'deep-gdb.py'), `import os; os.mkdir('${marker}-python')\n`);
  const executed = (): readonly string[] => readdirSync(work.dir).filter(name => name.startsWith('executed'));

  const from = process.cwd();
  const home = process.env['HOME'];
  const bare = fakeGdb('bare', 'exec /usr/bin/gdb "$@"');
  try {
    process.chdir(work.dir);
    process.env['HOME'] = work.dir;
    for (const gdb of [systemGdb(), systemGdb({ path: bare })]) {
      const { threads } = await readNativeStacks({ core, modules, gdb });
      expect(threads[0]?.frames.map(frame => frame.function)).toContain('descend');
    }
  } finally {
    process.chdir(from);
    process.env['HOME'] = home;
  }
  expect(executed()).toEqual([]);

  // They are such that a gdb used without care does execute them.
  execFileSync('/usr/bin/gdb', ['-batch', '-iex', 'set auto-load safe-path /', program, captured.path], {
    cwd: work.dir,
    stdio: 'ignore',
    env: { ...process.env, HOME: work.dir },
  });
  expect(executed()).toContain('executed-embedded');
  expect(executed()).toContain('executed-init');
  expect(executed().length).toBeGreaterThanOrEqual(3);
});

test('a mutated core gives stacks or a gap, but never an error', async () => {
  const original = readFileSync(captured.path);
  const path = join(work.dir, 'mutated');
  const patches = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 200, maxLength: 2000 });
  await fc.assert(
    fc.asyncProperty(patches, fc.double({ min: 0.3, max: 1, noNaN: true }), async (changes, kept) => {
      const bytes = Buffer.from(original);
      // The ELF header stays, or the file is no core at all.
      for (const [at, byte] of changes) if (at >= 64) bytes[at] = byte;
      writeFileSync(path, bytes.subarray(0, Math.floor(bytes.length * kept)));
      const stacks = await readNativeStacks({ core: { ...core, path }, modules });
      expect(stacks.threads.length + stacks.gaps.length).toBeGreaterThan(0);
    }),
    { numRuns: 15 },
  );
});

test('nothing is left of the directory that gdb was given', async () => {
  const scratch = join(work.dir, 'scratch');
  mkdirSync(scratch);
  await readNativeStacks({ core, modules, scratch });
  await readNativeStacks({ core, modules, scratch, gdb: systemGdb({ path: work.dir }) });
  expect(readdirSync(scratch)).toEqual([]);
});

test('the program that gdb executes is part of the source tree', () => {
  expect(existsSync(fileURLToPath(new URL('../../../src/native/stacks.py', import.meta.url)))).toBe(true);
});

let fakes = 0;

/** A directory for PATH with a shell script as gdb, with or without a bwrap beside it. */
function fakeGdb(how: 'sandboxed' | 'bare', body: string): string {
  const bin = join(work.dir, `fake-${fakes++}`, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'gdb'), `#!/bin/sh\n${body}\n`);
  chmodSync(join(bin, 'gdb'), 0o755);
  if (how === 'sandboxed') symlinkSync('/usr/bin/bwrap', join(bin, 'bwrap'));
  return bin;
}

/** An argument of sleep(1) by which a process is known to be ours. */
function uniqueSeconds(): string {
  return `${100_000 + fakes}.${process.pid}`;
}

function processesWith(argument: string): readonly string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => {
      try {
        return readFileSync(join('/proc', pid, 'cmdline'), 'utf8')
          .split('\0')
          .includes(argument);
      } catch {
        return false;
      }
    });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 20));
}
