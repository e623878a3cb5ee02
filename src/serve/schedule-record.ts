import { join } from 'node:path';
import { z } from 'zod';
import { makePrivateDirectory, readIfThere, writePrivateFile } from '../private-files.ts';

const recordSchema = z.looseObject({
  startedAt: z.string(),
  seconds: z.number().exactOptional(),
  exitCode: z.int().exactOptional(),
  run: z.string().exactOptional(),
  problem: z.string().exactOptional(),
  lastSuccessAt: z.string().exactOptional(),
});

/** The last run of a schedule. */
export interface ScheduleRecord {
  /** ISO 8601 UTC. */
  readonly startedAt: string;
  /** Absent while it runs, and when serve ended before it. */
  readonly seconds?: number;
  /** Absent as `seconds` is. */
  readonly exitCode?: number;
  /** Id of the run; absent: it kept none, or did not come that far. */
  readonly run?: string;
  /** Why it failed, in one line. */
  readonly problem?: string;
  /** ISO 8601 UTC: the end of the last run of the schedule that ended well. */
  readonly lastSuccessAt?: string;
}

/** The last run of each schedule, as files `STATE/serve/schedules/ID.json`. */
export class ScheduleRecords {
  readonly #folder: string;

  constructor(state: string) {
    this.#folder = join(state, 'serve', 'schedules');
  }

  /** Undefined where it never ran, or what is known of that cannot be read. */
  async read(id: string): Promise<ScheduleRecord | undefined> {
    try {
      const text = await readIfThere(this.#pathOf(id));
      return text === undefined ? undefined : recordSchema.parse(JSON.parse(text));
    } catch {
      return undefined;
    }
  }

  async write(id: string, record: ScheduleRecord): Promise<void> {
    await makePrivateDirectory(this.#folder);
    await writePrivateFile(this.#pathOf(id), `${JSON.stringify(record)}\n`);
  }

  #pathOf(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}
