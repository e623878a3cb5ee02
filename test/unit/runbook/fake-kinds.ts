import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { HangarError } from '../../../src/errors.ts';
import type { Host } from '../../../src/fleet/host.ts';
import { executeRun } from '../../../src/runbook/execute-run.ts';
import { loadRunbook } from '../../../src/runbook/load-runbook.ts';
import type { RunEvent } from '../../../src/runbook/run.ts';
import type { RunStore } from '../../../src/runbook/run-store.ts';
import type { Runbook, StepKinds } from '../../../src/runbook/runbook.ts';
import type { StepKind, StepRuntime } from '../../../src/runbook/step-kind.ts';

/** What the steps of a test share: what was done, in order, and what is to happen. */
export interface Log {
  readonly done: string[];
  readonly failures: Map<string, HangarError[]>;
}

export function makeLog(): Log {
  return { done: [], failures: new Map() };
}

const input = z.strictObject({ name: z.string(), count: z.int().optional() });
const output = z.object({ said: z.string(), state: z.enum(['hung', 'healthy']), count: z.int().optional() });

type Input = z.infer<typeof input>;

/** Notes that it ran; fails as often as the log says. `waits` goes on until it is aborted. */
function kind(
  name: string,
  act: (asked: Input, runtime: StepRuntime) => Promise<void>,
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
      const planned = log.failures.get(asked.name)?.shift();
      if (planned) throw planned;
      await act(asked, runtime);
      return { said: asked.name, state: 'hung', ...(asked.count !== undefined && { count: asked.count }) };
    },
  };
}

const say = kind('say', async () => {});
const wait = kind('wait', async (_asked, { signal }) => {
  await new Promise<void>((_resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
});

export const kinds: StepKinds<Log> = new Map([say, wait].map(each => [each.name, each]));

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

/** Keeps nothing. */
export const noStore: RunStore = {
  begin: async () => ({ append: async () => {}, end: async () => {} }),
  read: async () => undefined,
  list: async () => [],
};

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
    store = noStore,
    logOf = () => log,
  }: {
    readonly log?: Log;
    readonly hosts?: readonly string[];
    readonly signal?: AbortSignal;
    readonly params?: Readonly<Record<string, string | number | boolean>>;
    readonly store?: RunStore;
    readonly logOf?: (host: string) => Log;
  } = {},
): Promise<Ran> {
  const events: RunEvent[] = [];
  const run = await executeRun({
    run: 'r1',
    runbook: await load(text),
    params,
    hosts: hosts.map(hostNamed),
    contextOf: ({ name }) => logOf(name),
    store,
    signal,
    onEvent: event => events.push(event),
    ask: async () => undefined,
  });
  const status = (id: string, host = hosts[0]): string | undefined => {
    const step = run.hosts.find(({ name }) => name === host)?.steps.find(each => each.id === id);
    return step && (step.reason === undefined ? step.status : `${step.status}: ${step.reason}`);
  };
  return { log, events, run, status };
}
