import { existsSync } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { HangarError } from '../errors.ts';
import { makePrivateDirectory, syncDirectory } from '../private-files.ts';
import { ExclusiveLock } from './exclusive-lock.ts';
import { eventSchema, type Run, type RunEvent, runSchema } from './run.ts';
import type { RunJournal, RunMessage, RunRecord, RunRequest, RunStore } from './run-store.ts';

/**
 * Keeps each run in a folder `STATE/runs/ID`: `run.db` (SQLite, write-ahead log, every commit on disk before it counts)
 * and `lock`, held exclusively by whoever executes the run.
 */
export function sqliteRunStore(state: string): RunStore {
  const runs = join(state, 'runs');
  const folderOf = (run: string): string => join(runs, run);
  const isThere = (run: string): boolean => /^[\w.-]+$/.test(run) && existsSync(join(folderOf(run), 'run.db'));
  return {
    async begin(request) {
      const folder = folderOf(request.run);
      await makePrivateDirectory(folder);
      const lock = takeLock(folder, request.run);
      await writeEmptyRecord(folder, request);
      return new Journal(openToWrite(folder), lock, request, []);
    },
    async resume(run) {
      if (!isThere(run)) throw await noSuchRun(run, this);
      const lock = takeLock(folderOf(run), run);
      const database = openToWrite(folderOf(run));
      database.exec(forgetPast);
      return new Journal(database, lock, readRequest(database), readEvents(database));
    },
    async read(run) {
      return isThere(run) ? readRecord(folderOf(run)) : undefined;
    },
    async list() {
      const names = await readdir(runs).catch(() => []);
      return names.filter(isThere).sort((a, b) => (a < b ? 1 : -1));
    },
    async post(run, message) {
      if (!isThere(run)) throw await noSuchRun(run, this);
      const database = openToWrite(folderOf(run));
      try {
        database.prepare('INSERT INTO message (json) VALUES (?)').run(JSON.stringify(message));
      } finally {
        database.close();
      }
    },
    async remove(run) {
      if (!isThere(run)) throw await noSuchRun(run, this);
      const lock = takeLock(folderOf(run), run);
      try {
        await rm(folderOf(run), { recursive: true });
      } finally {
        lock.release();
      }
    },
  };
}

const schema = `
CREATE TABLE request (json TEXT NOT NULL);
CREATE TABLE event (seq INTEGER PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE message (seq INTEGER PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE result (json TEXT NOT NULL);
`;

/** A run that is taken up again is asked anew what it was refused, and is no longer cancelled. */
const forgetPast = `
DELETE FROM message WHERE json_extract(json, '$.kind') = 'cancel' OR json_extract(json, '$.approved') = 0;
`;

/** How long a writer waits for another process that writes a message (milliseconds). */
const busyMilliseconds = 5000;

/** A record is there as a whole or, for whoever is killed before that, not at all. */
async function writeEmptyRecord(folder: string, request: RunRequest): Promise<void> {
  const made = join(folder, 'run.new');
  await (await open(made, 'wx', 0o600)).close();
  const database = new DatabaseSync(made);
  database.exec(`${writeAhead}; BEGIN; ${schema}`);
  database.prepare('INSERT INTO request (json) VALUES (?)').run(JSON.stringify(request));
  database.exec('COMMIT');
  database.close();
  await rename(made, join(folder, 'run.db'));
  await syncDirectory(folder);
}

const writeAhead = 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL';

function openToWrite(folder: string): DatabaseSync {
  const database = new DatabaseSync(join(folder, 'run.db'), { timeout: busyMilliseconds });
  database.exec(writeAhead);
  return database;
}

/** Events of one turn of the event loop are one transaction: a hundred hosts cost one write to the disk. */
class Journal implements RunJournal {
  readonly request: RunRequest;
  readonly history: readonly RunEvent[];
  readonly #database: DatabaseSync;
  readonly #lock: ExclusiveLock;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #messages: RunMessage[] = [];
  #lastMessage = 0;
  #waiting: { readonly json: string; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];

  constructor(database: DatabaseSync, lock: ExclusiveLock, request: RunRequest, history: readonly RunEvent[]) {
    this.request = request;
    this.history = history;
    this.#database = database;
    this.#lock = lock;
    this.#insert = database.prepare('INSERT INTO event (json) VALUES (?)');
    this.#select = database.prepare('SELECT seq, json FROM message WHERE seq > ? ORDER BY seq');
  }

  append(event: RunEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#flush());
      this.#waiting.push({ json: JSON.stringify(event), resolve, reject });
    });
  }

  messages(): readonly RunMessage[] {
    for (const row of this.#select.all(this.#lastMessage)) {
      this.#lastMessage = Number(row['seq']);
      this.#messages.push(messageSchema.parse(JSON.parse(String(row['json']))));
    }
    return this.#messages;
  }

  async end(run: Run): Promise<void> {
    this.#flush();
    this.#database.exec('DELETE FROM result');
    this.#database.prepare('INSERT INTO result (json) VALUES (?)').run(JSON.stringify(run));
  }

  async close(): Promise<void> {
    if (!this.#database.isOpen) return;
    this.#flush();
    this.#database.close();
    this.#lock.release();
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length === 0) return;
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      for (const { json } of batch) this.#insert.run(json);
      this.#database.exec('COMMIT');
      for (const { resolve } of batch) resolve();
    } catch (cause) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK');
      for (const { reject } of batch) reject(unwritable(this.request.run, cause));
    }
  }
}

const requestSchema = z.looseObject({
  run: z.string(),
  runbook: z.string(),
  path: z.string(),
  files: z.record(z.string(), z.string()),
  params: z.record(z.string(), z.unknown()),
  hosts: z.array(z.string()),
  fleet: z.string().exactOptional(),
  by: z.string(),
  startedAt: z.string(),
});

const messageSchema = z.discriminatedUnion('kind', [
  z.looseObject({ kind: z.literal('cancel'), by: z.string() }),
  z.looseObject({
    kind: z.literal('answer'),
    by: z.string(),
    step: z.string(),
    host: z.string().exactOptional(),
    approved: z.boolean(),
  }),
]);

/** Through a connection that cannot write: a run that is executed elsewhere is not disturbed. */
function readRecord(folder: string): RunRecord {
  const database = new DatabaseSync(join(folder, 'run.db'), { readOnly: true, timeout: busyMilliseconds });
  try {
    const events = readEvents(database);
    // That of a run that was taken up again since is none any more.
    const [row] = events.at(-1)?.kind === 'run-ended' ? database.prepare('SELECT json FROM result').all() : [];
    return {
      request: readRequest(database),
      events,
      ...(row && { result: runSchema.parse(JSON.parse(String(row['json']))) }),
      isActive: isHeld(folder),
    };
  } finally {
    database.close();
  }
}

function readRequest(database: DatabaseSync): RunRequest {
  const [row] = database.prepare('SELECT json FROM request').all();
  return requestSchema.parse(JSON.parse(String(row?.['json'])));
}

/** Events of a later version are passed over. */
function readEvents(database: DatabaseSync): readonly RunEvent[] {
  return database
    .prepare('SELECT json FROM event ORDER BY seq')
    .all()
    .flatMap(row => {
      const parsed = eventSchema.safeParse(JSON.parse(String(row['json'])));
      return parsed.success ? [parsed.data] : [];
    });
}

function isHeld(folder: string): boolean {
  const lock = ExclusiveLock.take(join(folder, 'lock'));
  lock?.release();
  return lock === undefined;
}

function takeLock(folder: string, run: string): ExclusiveLock {
  const lock = ExclusiveLock.take(join(folder, 'lock'));
  if (lock) return lock;
  throw new HangarError({
    code: 'RUN_IS_ACTIVE',
    message: `run "${run}" is being executed right now`,
    fix: `watch it: runbook show ${run}; end it: runbook cancel ${run}`,
    failure: 'usage',
  });
}

async function noSuchRun(run: string, store: RunStore): Promise<HangarError> {
  const [last] = await store.list();
  return new HangarError({
    code: 'NO_SUCH_RUN',
    message: `there is no run "${run}"`,
    fix:
      last === undefined
        ? 'see which there are: runbook runs'
        : `see which there are: runbook runs (the last one: ${last})`,
    failure: 'usage',
  });
}

function unwritable(run: string, cause: unknown): HangarError {
  return new HangarError({
    code: 'STATE_UNWRITABLE',
    message: `the record of run "${run}" cannot be written`,
    fix: `free space there, then go on: runbook resume ${run}`,
    failure: 'step',
    cause,
  });
}
