import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { runRunbook, startRunbook } from '../../support/run-runbook.ts';

const folder = mkdtempSync(join(tmpdir(), 'hangar-completion-'));
const state = join(folder, 'state');
const bin = join(import.meta.dirname, '..', '..', '..', 'bin');
let run = '';

beforeAll(async () => {
  mkdirSync(join(folder, 'runbooks'));
  mkdirSync(join(folder, 'a dir'));
  writeFileSync(join(folder, 'core.4711'), '');
  writeFileSync(
    join(folder, 'fleet.yaml'),
    'version: 1\nhosts:\n  web3: { address: 10.77.0.3, labels: { role: web } }\n  web4: { labels: { role: web } }\n  db1:\n',
  );
  writeFileSync(
    join(folder, 'runbooks', 'rotate.yaml'),
    `version: 1
name: rotate
summary: "Swap the key."
params:
  keepOld: { type: boolean, default: true, help: "Keep the old key." }
  level: { type: enum, values: [low, high], default: low }
  keyFile: { type: path, required: false }
steps:
  - id: look
    run: "true"
    where: controller
    risk: read
    rescue: [{ id: back, run: "true", where: controller }]
  - { id: ask, uses: approve, with: { question: "go on?", ttl: 1h }, once: true }
always: [{ id: tell, run: "true", where: controller }]
`,
  );
  writeFileSync(join(folder, 'runbooks', 'broken.yaml'), 'name: [');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('commands and runbooks come first, with what each does', async () => {
  expect(await answer('ro')).toEqual(['rotate\tSwap the key.']);
  expect(await answer('')).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^hang\tFind out why/),
      expect.stringMatching(/^serve\t/),
      'broken',
      expect.stringMatching(/^completion\t/),
    ]),
  );
  expect(await answer('--state', state, 'ru')).toEqual([expect.stringMatching(/^runs\t/)]);
});

test('the options of a runbook are its params and those of every run; values come where they are wanted', async () => {
  expect(values(await answer('rotate', '--ke'))).toEqual(['--keep-old', '--key-file']);
  expect(values(await answer('rotate', '--no-'))).toEqual(['--no-keep-old']);
  expect(values(await answer('rotate', '--dry'))).toEqual(['--dry-run', '--dry-run=probe']);
  expect(values(await answer('rotate', '--level', ''))).toEqual(['low', 'high']);
  expect(values(await answer('rotate', '--level=h'))).toEqual(['--level=high']);
  expect(await answer('rotate', '--key-file', '')).toEqual([':files']);
  expect(values(await answer('--format', 'm'))).toEqual(['markdown']);
  expect(await answer('rotate', '--state', '')).toEqual([':folders']);
  expect(await answer('rotate', '--wait', '')).toEqual([]);
});

test('hosts and labels stand behind --host and --except', async () => {
  expect(await answer('hang', '--host', '')).toEqual([
    'web3\t10.77.0.3',
    'web4',
    'db1',
    'role=web\tlabel',
    'all\tevery host',
  ]);
  expect(values(await answer('hang', '--host', 'web3', '--except=w'))).toEqual(['--except=web3', '--except=web4']);
  expect(values(await answer('hosts', '--host', 'd'))).toEqual(['db1']);
});

test('what each command declares is completed, and its closed set of arguments', async () => {
  expect(values(await answer('analyze', '--m'))).toEqual(['--modules']);
  expect(await answer('analyze', '--modules', '')).toEqual([':folders']);
  expect(await answer('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  expect(await answer('schema', 'run')).toEqual(['runbook', 'run']);
});

test('runs and their steps, also while they are at work; nothing is written by asking', async () => {
  const running = startRunbook(['rotate', '--host', 'db1', '--state', state], { cwd: folder });
  try {
    await vi.waitUntil(() => running.stderr().includes('waits until'), { timeout: 60_000, interval: 20 });
    run = readdirSync(join(state, 'runs'))[0] ?? '';
    expect(await answer('--state', state, 'cancel', '')).toEqual([run]);
    expect(await answer('--state', state, 'approve', run, '')).toEqual(['ask']);
  } finally {
    running.child.kill('SIGTERM');
    await running.finished;
  }
  const before = listing(state);
  expect(await answer('--state', state, 'cancel', '')).toEqual([]);
  expect(await answer('show', '--state', state, run.slice(0, 4))).toEqual([run]);
  expect(await answer('--state', state, 'approve', run, 'l')).toEqual(['look']);
  expect(await answer('--state', state, 'resume', '')).toEqual([run]);
  expect(listing(state)).toBe(before);
});

test('whatever stands on the line, nothing is printed on stderr and it ends well', async () => {
  for (const words of [
    ['--fleet', '/nonexistent', 'hang', '--host', ''],
    ['--fleet', 'runbooks/broken.yaml', 'hang', '--host', ''],
    ['broken', '--'],
    ['nonsense', ''],
    ['approve', '../../etc', ''],
    ['show', '--state', '/nonexistent', ''],
    ['--nonsense', ''],
    ['--nonsense='],
    [],
  ])
    expect(await runRunbook(['__complete', '--', ...words], { cwd: folder })).toMatchObject({ code: 0, stderr: '' });
});

test('a shell that is not known is refused', async () => {
  expect(await runRunbook(['completion', 'csh'], { cwd: folder })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('name one of bash, zsh, fish'),
  });
});

describe('bash', () => {
  test.each([
    ['runbook ro', ['rotate']],
    ['runbook hang --host w', ['web3', 'web4']],
    // bash takes what stands before "=" for a word of its own.
    ['runbook hang --host role=', ['web']],
    ['runbook hang --host=w', ['web3', 'web4']],
    ['runbook hang --host=role=w', ['web']],
    ['runbook analyze co', ['core.4711']],
    ['runbook --state "a', []],
    ['runbook --state a', ['a dir']],
    ['runbook rotate --level ', ['low', 'high']],
  ])('%s', (line, expected) => {
    const script = `source <(runbook completion bash) && complete -p runbook >/dev/null
      COMP_LINE=$1 COMP_POINT=\${#1}; _runbook runbook; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const shown = execFileSync('bash', ['--norc', '-c', script, 'bash', line], {
      cwd: folder,
      env: environment(),
      encoding: 'utf8',
    });
    expect(shown.split('\n').filter(Boolean)).toEqual(expected);
  });
});

const shells = [
  {
    shell: 'bash',
    command: 'bash --norc --noprofile -i',
    prepare: [
      'runbook() { if [ "$1" = __complete ]; then command runbook "$@"; else echo "GOT <$*>"; fi; }',
      'source <(command runbook completion bash)',
    ],
  },
  {
    shell: 'zsh',
    command: 'zsh -f -i',
    prepare: [
      'runbook() { if [ "$1" = __complete ]; then command runbook "$@"; else echo "GOT <$*>"; fi; }',
      'autoload -U compinit; compinit -u -D; source <(command runbook completion zsh)',
    ],
  },
  {
    shell: 'fish',
    command: 'fish --no-config -i',
    prepare: [
      'function runbook; if test "$argv[1]" = __complete; command runbook $argv; else; echo "GOT <$argv>"; end; end',
      'command runbook completion fish | source',
    ],
  },
] as const;

describe.each(shells)('$shell at a terminal', ({ shell, command, prepare }) => {
  test.skipIf(spawnSync(shell, ['--version']).status !== 0)('the tab key completes', async () => {
    const terminal = openTerminal(command);
    try {
      for (const line of prepare) terminal.type(`${line}\r`);
      terminal.type("echo REA''DY\r");
      await terminal.shows('READY');
      for (const [keys, expected] of [
        ['runbook rot\t --host db\t\r', 'GOT <rotate --host db1>'],
        ['runbook rotate --host=d\t\r', 'GOT <rotate --host=db1>'],
        ['runbook rotate --host role=w\t\r', 'GOT <rotate --host role=web>'],
        ['runbook rotate --level hi\t\r', 'GOT <rotate --level high>'],
        ['runbook analyze co\t\r', 'GOT <analyze core.4711>'],
        ['runbook --fleet fl\t list\r', 'GOT <--fleet fleet.yaml list>'],
      ] as const) {
        terminal.type(keys);
        await terminal.shows(expected);
      }
      expect(terminal.shown()).not.toContain('__complete:');
    } finally {
      terminal.close();
    }
  });
});

/** The lines that the scripts get. */
async function answer(...words: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await runRunbook(['__complete', '--', ...words], { cwd: folder });
  return stdout.split('\n').filter(Boolean);
}

function values(lines: readonly string[]): readonly string[] {
  return lines.map(line => line.split('\t')[0] ?? '');
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
}

/** Every file with its time and size. */
function listing(path: string): string {
  return execFileSync('find', [path, '-printf', '%p %T@ %s\n'], { encoding: 'utf8' });
}

/** A shell on a terminal of its own (script(1)); what is typed goes there as keys. */
function openTerminal(command: string) {
  const child = spawn('script', ['-qefc', `stty cols 200; exec ${command}`, '/dev/null'], {
    cwd: folder,
    env: { ...environment(), TERM: 'dumb', HOME: folder, PS1: '$ ' },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text));
  return {
    shown: () => screen,
    type: (keys: string) => child.stdin.write(keys),
    shows: (text: string) =>
      vi
        .waitUntil(() => screen.includes(text), { timeout: 60_000, interval: 20 })
        .catch(() => {
          throw new Error(`it does not show "${text}": ${screen}`);
        }),
    close: () => child.kill('SIGKILL'),
  };
}
