import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { executeRun, newRunId } from '../../src/run/execute-run.ts';
import { memoryJournal } from '../../src/run/memory-journal.ts';
import type { RunJournal, RunRequest } from '../../src/run/run-store.ts';
import { sqliteRunStore } from '../../src/run/sqlite-run-store.ts';
import { loadRunbook } from '../../src/runbook/load-runbook.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import type { StepKind } from '../../src/runbook/step-kind.ts';
import type { EngineCase, EngineResult } from './engine.ts';

/** One case of engine.ts in a process of its own: its peak memory is that of this case. */
const input = z.strictObject({ milliseconds: z.int() });
const output = z.strictObject({ slept: z.int() });

const sleepStep: StepKind<null, z.infer<typeof input>, z.infer<typeof output>> = {
  name: 'sleep',
  summary: 'sleeps, and does nothing else',
  risk: 'write',
  input,
  output,
  commands: ({ milliseconds }) => [`sleep ${milliseconds}`],
  async run({ milliseconds }) {
    if (milliseconds > 0) await sleep(milliseconds);
    return { slept: milliseconds };
  },
};

async function runCase({ hosts, steps, milliseconds, isStored }: EngineCase): Promise<EngineResult> {
  const folder = await mkdtemp(join(tmpdir(), 'hangar-bench-'));
  try {
    const runbook = await sleepingRunbook(join(folder, 'sleep.yaml'), { hosts, steps });
    const start = performance.now();
    const journal = await journalFor(runbook, isStored ? join(folder, 'state') : undefined);
    await execute(runbook, journal, { hosts, steps, milliseconds });
    const seconds = (performance.now() - start) / 1000;
    return { seconds, peakBytes: process.resourceUsage().maxRSS * 1024 };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** As runbooks are: an input is computed, and each step asks what the one before gave. */
async function sleepingRunbook(path: string, { hosts, steps }: Pick<EngineCase, 'hosts' | 'steps'>) {
  const lines = Array.from({ length: steps }, (_, at) => [
    `  - id: s${at}`,
    '    uses: sleep',
    "    with: { milliseconds: '${{ params.milliseconds }}' }",
    ...(at === 0 ? [] : [`    when: has(steps.s${at - 1}.slept) && steps.s${at - 1}.slept >= 0`]),
  ]);
  const head = `version: 1\nname: sleep\nsummary: Sleeps.\nparams: { milliseconds: { type: integer, required: true } }\n`;
  await writeFile(path, `${head}fanout: { concurrency: ${hosts} }\nsteps:\n${lines.flat().join('\n')}\n`);
  return loadRunbook<null>(path, new Map([[sleepStep.name, sleepStep]]));
}

async function journalFor({ name, path, files }: Runbook<null>, state: string | undefined): Promise<RunJournal> {
  const request: RunRequest = {
    run: newRunId(name),
    runbook: name,
    path,
    files,
    params: {},
    hosts: [],
    by: 'ops',
    startedAt: new Date().toISOString(),
  };
  return state === undefined ? memoryJournal(request) : sqliteRunStore(state).begin(request);
}

async function execute(
  runbook: Runbook<null>,
  journal: RunJournal,
  { hosts, steps, milliseconds }: Pick<EngineCase, 'hosts' | 'steps' | 'milliseconds'>,
): Promise<void> {
  const run = await executeRun<null>({
    journal,
    runbook,
    params: { milliseconds },
    hosts: Array.from({ length: hosts }, (_, at) => ({ name: `h${at}`, become: 'none', labels: {}, services: [] })),
    contextOf: () => null,
    signal: new AbortController().signal,
    onEvent: () => {},
    ask: async () => undefined,
    by: 'ops',
    folder: async () => tmpdir(),
  });
  const done = run.hosts.flatMap(host => host.steps).filter(({ status }) => status === 'succeeded').length;
  if (done !== hosts * steps) throw new Error(`${done} steps succeeded, expected ${hosts * steps}`);
}

const engineCase = z.strictObject({ hosts: z.int(), steps: z.int(), milliseconds: z.int(), isStored: z.boolean() });

process.stdout.write(JSON.stringify(await runCase(engineCase.parse(JSON.parse(process.argv[2] ?? '{}')))));
