import { type FileHandle, mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { HangarError } from '../errors.ts';
import { eventSchema, type Run, type RunEvent, runSchema, type StepRun } from './run.ts';
import type { RunRequest, RunStore } from './run-store.ts';

const requestSchema = z.object({
  run: z.string(),
  runbook: z.string(),
  text: z.string(),
  params: z.record(z.string(), z.unknown()),
  hosts: z.array(z.string()),
  startedAt: z.string(),
});

/** Keeps each run in a folder `STATE/runs/ID`: its request, its events as they happen, at last the whole. */
export function fileRunStore(state: string): RunStore {
  const folderOf = (run: string): string => join(state, 'runs', run);
  return {
    async begin(request) {
      const folder = folderOf(request.run);
      await makeFolder(folder);
      await writeWhole(join(folder, 'request.json'), request);
      const journal = await open(join(folder, 'events.jsonl'), 'a', 0o600);
      const queue = new Appender(journal);
      return {
        append: event => queue.append(`${JSON.stringify(event)}\n`),
        async end(run) {
          await writeWhole(join(folder, 'run.json'), run);
          await queue.close();
        },
      };
    },
    async read(run) {
      if (!/^[\w.-]+$/.test(run)) return undefined;
      const folder = folderOf(run);
      const whole = await readJson(join(folder, 'run.json'), runSchema);
      if (whole) return whole;
      const request = await readJson(join(folder, 'request.json'), requestSchema);
      return request && interrupted(request, await readEvents(join(folder, 'events.jsonl')));
    },
    async list() {
      const names = await readdir(join(state, 'runs')).catch(() => []);
      return names.sort((a, b) => (a < b ? 1 : -1));
    },
  };
}

/** Lines are written one after the other, each on disk before its call resolves. */
class Appender {
  readonly #file: FileHandle;
  #last: Promise<void> = Promise.resolve();

  constructor(file: FileHandle) {
    this.#file = file;
  }

  append(line: string): Promise<void> {
    const next = this.#write(line, this.#last);
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #write(line: string, before: Promise<void>): Promise<void> {
    await before;
    await this.#file.appendFile(line);
    await this.#file.datasync();
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file.close();
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new HangarError({
      code: 'STATE_UNWRITABLE',
      message: `cannot make the directory "${folder}"`,
      fix: 'name a directory that you may write: --state DIR',
      failure: 'usage',
      cause,
    });
  }
}

async function writeWhole(path: string, value: unknown): Promise<void> {
  const file = await open(`${path}.part`, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.part`, path);
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : schema.parse(JSON.parse(text));
}

/** A crash may cut the last line off: what stands before it counts. */
async function readEvents(path: string): Promise<readonly RunEvent[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').flatMap(line => {
    try {
      return line === '' ? [] : [eventSchema.parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
}

/** The record of a run whose controller ended before it did. */
function interrupted(request: RunRequest, events: readonly RunEvent[]): Run {
  const last = events.at(-1)?.at ?? request.startedAt;
  return {
    schema: 'hangar.run/1',
    run: request.run,
    runbook: request.runbook,
    status: 'interrupted',
    exitCode: 1,
    startedAt: request.startedAt,
    seconds: (Date.parse(last) - Date.parse(request.startedAt)) / 1000,
    hosts: request.hosts.map(name => ({ name, status: 'interrupted', steps: stepsOf(name, events) })),
    findings: [],
  };
}

function stepsOf(host: string, events: readonly RunEvent[]): StepRun[] {
  const steps = new Map<string, StepRun>();
  for (const event of events) {
    if (event.kind === 'step-started' && event.host === host)
      steps.set(event.step, { id: event.step, status: 'interrupted', attempts: event.attempt, seconds: 0 });
    if (event.kind === 'step-ended' && event.host === host) steps.set(event.step, event.result);
  }
  return [...steps.values()];
}
