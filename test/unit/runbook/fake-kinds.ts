import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { HangarError } from '../../../src/errors.ts';
import type { Host } from '../../../src/fleet/host.ts';
import { executeRun } from '../../../src/run/execute-run.ts';
import type { HostRun, RunEvent } from '../../../src/run/run.ts';
import type { RunJournal, RunMessage } from '../../../src/run/run-store.ts';
import { loadRunbook } from '../../../src/runbook/load-runbook.ts';
import type { ParamValues, Runbook, StepKinds } from '../../../src/runbook/runbook.ts';
import type { StepKind, StepRuntime } from '../../../src/runbook/step-kind.ts';

/** What the steps of a test share: what was done, in order, and what is to happen. */
export interface Log {
  readonly done: string[];
  readonly failures: Map<string, HangarError[]>;
  /** What `change` has changed already, as the host would tell it. */
  readonly effects: Set<string>;
  /** Last idempotency key of each step. */
  readonly keys: Map<string, string>;
}

export function makeLog(): Log {
  return { done: [], failures: new Map(), effects: new Set(), keys: new Map() };
}

const input = z.strictObject({ name: z.string(), count: z.int().optional() });
const output = z.object({ said: z.string(), state: z.enum(['hung', 'healthy']), count: z.int().optional() });

type Input = z.infer<typeof input>;

/** Notes that it ran; fails as often as the log says. `waits` goes on until it is aborted. */
function kind(
  name: string,
  act: (asked: Input, runtime: StepRuntime) => Promise<void>,
  more: Partial<StepKind<Log, Input, z.infer<typeof output>>> = {},
): StepKind<Log, Input, z.infer<typeof output>> {
  return {
    name,
    summary: `${name} of the tests`,
    risk: 'read',
    input,
    output,
    commands: ({ name: asked = '<name>' }) => [`${name} ${asked}`],
    async run(asked, log, runtime) {
      log.done.push(asked.name);
      log.keys.set(asked.name, runtime.key);
      const planned = log.failures.get(asked.name)?.shift();
      if (planned) throw planned;
      await act(asked, runtime);
      log.effects.add(asked.name);
      return { said: asked.name, state: 'hung', ...(asked.count !== undefined && { count: asked.count }) };
    },
    ...more,
  };
}

const say = kind('say', async () => {});
const wait = kind('wait', async (_asked, { signal }) => {
  await new Promise<void>((_resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
});

/** Changes something, and can be asked whether it did. */
const change = kind('change', async () => {}, {
  risk: 'write',
  probe: async ({ name, count }, { effects }) =>
    effects.has(name)
      ? { state: 'done', output: { said: name, state: 'hung', ...(count !== undefined && { count }) } }
      : { state: 'notDone' },
});
/** Changes something, and nobody can say whether it did. */
const blind = kind('blind', async () => {}, { risk: 'disruptive' });
/** Has what it was told as its output, and counts an odd number as a failure. */
const odd = kind('odd', async () => {}, {
  failure: ({ count = 0 }) => (count % 2 === 1 ? failure('ODD') : undefined),
});
/** Succeeds, and warns of an odd number. */
const hint = kind('hint', async () => {}, {
  warning: ({ count = 0 }) => (count % 2 === 1 ? `${count} is odd` : undefined),
});
/** Runs shell text, in name only: `true` succeeds. */
const shell: StepKind<Log, { run: string; env?: Record<string, string> }, { stdout: string }> = {
  name: 'shell',
  summary: 'shell of the tests',
  risk: 'write',
  literal: ['run'],
  input: z.strictObject({ run: z.string(), env: z.record(z.string(), z.string()).exactOptional() }),
  output: z.object({ stdout: z.string() }),
  commands: ({ run = '<run>' }) => [run],
  async run({ run, env }, log) {
    log.done.push(`shell ${run}${env === undefined ? '' : ` ${JSON.stringify(env)}`}`);
    return { stdout: run };
  },
  failure: ({ stdout }) => (stdout === 'true' ? undefined : failure('COMMAND_FAILED')),
};

export const kinds: StepKinds<Log> = new Map(
  [say, wait, change, blind, odd, hint, shell].map(each => [each.name, each]),
);

export function failure(code: string, kindOf: HangarError['failure'] = 'step'): HangarError {
  return new HangarError({ code, message: 'it failed', fix: 'try again', failure: kindOf });
}

export function hostNamed(name: string): Host {
  return { name, become: 'none', labels: { role: 'web' }, services: [] };
}

/** Loads a runbook from its text; the file is called book.yaml. */
export async function load(text: string): Promise<Runbook<Log>> {
  const folder = await mkdtemp(join(tmpdir(), 'hangar-runbook-'));
  try {
    const path = join(folder, 'book.yaml');
    await writeFile(path, text);
    return await loadRunbook(path, kinds);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A runbook with these steps. */
export function book(steps: string, rest = ''): string {
  return `version: 1\nname: book\nsummary: A test.\n${rest}steps:\n${steps}`;
}

/** Keeps events in memory; `messages` are what people said. */
export function memoryJournal(history: readonly RunEvent[] = [], messages: RunMessage[] = []): RunJournal {
  return {
    request: {
      run: 'r1',
      runbook: 'book',
      path: 'book.yaml',
      files: {},
      params: {},
      hosts: [],
      by: 'ops',
      startedAt: '2026-11-25T00:00:00.000Z',
    },
    history,
    append: async () => {},
    messages: () => messages,
    end: async () => {},
    close: async () => {},
  };
}

/** Resolves once that step was begun. */
export async function begun(log: Log, name: string): Promise<void> {
  while (!log.done.includes(name)) await new Promise(resolve => setTimeout(resolve, 2));
}

export interface Ran {
  readonly log: Log;
  readonly events: readonly RunEvent[];
  readonly run: Awaited<ReturnType<typeof executeRun>>;
  /** Status of a step, with the reason of a skipped one. */
  readonly status: (id: string, host?: string) => string | undefined;
}

export async function execute(
  text: string,
  {
    log = makeLog(),
    hosts = ['web1'],
    signal = new AbortController().signal,
    params = {},
    journal = memoryJournal(),
    kept = [],
    earlier = [],
    ask = async () => undefined,
    askFrom = 'none' as const,
    secrets = [],
    isProbe = false,
    logOf = () => log,
  }: {
    readonly log?: Log;
    readonly hosts?: readonly string[];
    readonly signal?: AbortSignal;
    readonly params?: ParamValues;
    readonly journal?: RunJournal;
    readonly kept?: readonly HostRun[];
    readonly earlier?: readonly HostRun[];
    readonly ask?: (question: string) => Promise<boolean | undefined>;
    readonly askFrom?: 'none' | 'write' | 'disruptive';
    readonly secrets?: readonly string[];
    readonly isProbe?: boolean;
    readonly logOf?: (host: string) => Log;
  } = {},
): Promise<Ran> {
  const events: RunEvent[] = [];
  const run = await executeRun({
    journal,
    kept,
    earlier,
    secrets,
    isProbe,
    askFrom,
    by: 'ops',
    runbook: await load(text),
    params,
    hosts: hosts.map(hostNamed),
    contextOf: ({ name }) => logOf(name),
    signal,
    onEvent: event => events.push(event),
    ask,
    folder: async () => tmpdir(),
  });
  const status = (id: string, host = hosts[0]): string | undefined => {
    const step = run.hosts.find(({ name }) => name === host)?.steps.find(each => each.id === id);
    return step && (step.reason === undefined ? step.status : `${step.status}: ${step.reason}`);
  };
  return { log, events, run, status };
}
