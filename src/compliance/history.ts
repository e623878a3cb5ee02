import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { HangarError, messageOf } from '../errors.ts';
import { makePrivateDirectory } from '../private-files.ts';
import { type Compliance, complianceSchema } from './schema.ts';

/**
 * Earlier compliance runs, `STATE/compliance/TIME-RANDOM.json.zst`: one zstd-compressed `hangar.compliance/1` a file.
 * Kept are the newest 200 runs, and of those only what is younger than 90 days, but always the newest 10.
 */
const keep = { runs: 200, days: 90, always: 10 };

/** Stores a run for nobody else to read, at once or not at all, and forgets what is too old. @throws HangarError */
export async function rememberCompliance(state: string, value: Compliance): Promise<void> {
  const folder = folderOf(state);
  await makePrivateDirectory(folder);
  const temporary = join(folder, `.${randomBytes(8).toString('hex')}.part`);
  try {
    const content = await compress(JSON.stringify(value));
    await writeFile(temporary, content, { flag: 'wx', mode: 0o600, flush: true });
    await rename(temporary, join(folder, nameOf(value)));
  } catch (cause) {
    await rm(temporary, { force: true });
    throw unwritable(folder, cause);
  }
  await prune(folder);
}

export interface EarlierCompliance {
  /** Newest first. */
  readonly runs: readonly Compliance[];
  /** What could not be read, and why. */
  readonly damaged: readonly { readonly file: string; readonly problem: string }[];
}

/**
 * The runs that are remembered, newest first, until they come to `maxBytes` of JSON: all of those of a small fleet, the
 * last ten of a hundred hosts. A file that is damaged is left out and told.
 */
export async function earlierCompliance(
  state: string,
  { maxBytes = 16 * 2 ** 20 }: { readonly maxBytes?: number } = {},
): Promise<EarlierCompliance> {
  const folder = folderOf(state);
  const runs: Compliance[] = [];
  const damaged: { file: string; problem: string }[] = [];
  let bytes = 0;
  for (const name of await runNames(folder, damaged)) {
    if (bytes >= maxBytes) break;
    const file = join(folder, name);
    try {
      const json = await decompress(await readFile(file), { maxOutputLength: largestRun });
      bytes += json.length;
      runs.push(parse(json.toString('utf8')));
    } catch (error) {
      // Another process forgot it in the meantime.
      if (!isNotFound(error)) damaged.push({ file, problem: messageOf(error) });
    }
  }
  return { runs: runs.toSorted(newestFirst), damaged };
}

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Bytes of JSON; more is no run of ours. */
const largestRun = 256 * 2 ** 20;

function folderOf(state: string): string {
  return join(state, 'compliance');
}

/** As `20260730T060000.123Z-0123456789abcdef.json.zst`: names sort by time. */
function nameOf({ at }: Compliance): string {
  const time = new Date(Number.isNaN(Date.parse(at)) ? Date.now() : at);
  return `${time.toISOString().replaceAll(/[-:]/g, '')}-${randomBytes(8).toString('hex')}.json.zst`;
}

const runName = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z-[0-9a-f]{16}\.json\.zst$/;
const partName = /^\.[0-9a-f]{16}\.part$/;

function timeOf(name: string): number {
  return Date.parse(name.replace(runName, '$1-$2-$3T$4:$5:$6Z'));
}

/** Newest first; none where no run was stored yet. */
async function runNames(folder: string, damaged: { file: string; problem: string }[]): Promise<readonly string[]> {
  try {
    return (await readdir(folder))
      .filter(name => runName.test(name))
      .toSorted()
      .toReversed();
  } catch (error) {
    if (!isNotFound(error)) damaged.push({ file: folder, problem: messageOf(error) });
    return [];
  }
}

function parse(json: string): Compliance {
  const parsed = complianceSchema.safeParse(JSON.parse(json));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`no hangar.compliance/1: ${issue?.path.join('.')}: ${issue?.message}`);
}

function newestFirst(one: Compliance, other: Compliance): number {
  return Date.parse(other.at) - Date.parse(one.at) || 0;
}

async function prune(folder: string): Promise<void> {
  const names = await readdir(folder);
  const runs = names
    .filter(name => runName.test(name))
    .toSorted()
    .toReversed();
  const oldest = Date.now() - keep.days * day;
  const forgotten = runs.filter((name, age) => age >= keep.runs || (age >= keep.always && timeOf(name) < oldest));
  await Promise.all([
    ...forgotten.map(name => rm(join(folder, name), { force: true })),
    ...names.filter(name => partName.test(name)).map(name => removeIfLeft(join(folder, name))),
  ]);
}

const day = 86_400_000;

/** A file that a writer left which was ended in the middle: no writer takes a day. */
async function removeIfLeft(path: string): Promise<void> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
  if (mtimeMs < Date.now() - day) await rm(path, { force: true });
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function unwritable(folder: string, cause: unknown): HangarError {
  return new HangarError({
    code: 'HISTORY_UNWRITABLE',
    message: `cannot store the compliance run in "${folder}"`,
    fix: `make room there (df "${folder}"), or name another directory: --state DIR`,
    failure: 'usage',
    cause,
  });
}
