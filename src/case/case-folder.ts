import { existsSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { HangarError } from '../errors.ts';
import { isNotFound, makePrivateDirectory, readIfThere, writePrivateFile } from '../private-files.ts';
import { type CoreShape, type CoreWriter, openCoreWriter } from './core-writer.ts';

/** `case.json`: what the folder of one incident holds (contract, `State lives under`). */
const manifestSchema = z.looseObject({
  schema: z.literal('hangar.case/1'),
  id: z.string(),
  host: z.string(),
  run: z.string(),
  createdAt: z.string(),
  core: z
    .looseObject({
      coreBytes: z.number(),
      storedBytes: z.number(),
      frameBytes: z.number(),
      complete: z.boolean(),
      frames: z.array(
        z.object({
          index: z.int(),
          bytes: z.number(),
          offset: z.number(),
          storedBytes: z.number(),
          sha256: z.string(),
        }),
      ),
    })
    .optional(),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** The folder of one incident: records, evidence, core. Everything in it is private. */
export class CaseFolder {
  readonly path: string;
  #manifest: Manifest;

  constructor(path: string, manifest: Manifest) {
    this.path = path;
    this.#manifest = manifest;
  }

  get id(): string {
    return this.#manifest.id;
  }

  get host(): string {
    return this.#manifest.host;
  }

  get run(): string {
    return this.#manifest.run;
  }

  /** ISO 8601 UTC. */
  get createdAt(): string {
    return this.#manifest.createdAt;
  }

  /** The core, once it is here whole. */
  get core(): Manifest['core'] {
    return this.#manifest.core;
  }

  /** Where the core lies, or will: a concatenation of independent zstd frames. */
  get corePath(): string {
    return join(this.path, 'core.zst');
  }

  /** Writes `NAME.json`; a former record of that name is replaced. */
  async writeRecord(name: string, value: unknown): Promise<void> {
    await writePrivateFile(join(this.path, `${name}.json`), `${JSON.stringify(value, null, 2)}\n`);
  }

  /** Undefined where there is none. @throws HangarError `CASE_DAMAGED` */
  async readRecord<T>(name: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const path = join(this.path, `${name}.json`);
    const text = await readIfThere(path);
    return text === undefined ? undefined : parseJson(path, text, schema);
  }

  async writeText(name: string, text: string): Promise<void> {
    await writePrivateFile(join(this.path, name), text);
  }

  async readText(name: string): Promise<string | undefined> {
    return readIfThere(join(this.path, name));
  }

  /** Takes the frames of the core; those that an earlier attempt brought are not asked for again. */
  async beginCore(shape: CoreShape): Promise<CoreWriter> {
    return openCoreWriter(join(this.path, 'core.frames'), this.corePath, shape, async core => {
      const storedBytes = core.frames.reduce((sum, frame) => sum + frame.storedBytes, 0);
      this.#manifest = { ...this.#manifest, core: { ...core, frames: [...core.frames], storedBytes, complete: true } };
      await this.writeRecord('case', this.#manifest);
    });
  }
}

/** Makes the folder of a new incident below `STATE/cases`. @throws HangarError `STATE_UNWRITABLE` */
export async function createCase(
  state: string,
  { host, run }: { readonly host: string; readonly run: string },
): Promise<CaseFolder> {
  const cases = join(state, 'cases');
  await makePrivateDirectory(state);
  await makePrivateDirectory(cases);
  const createdAt = new Date().toISOString();
  const id = await takeId(
    cases,
    `${createdAt.replaceAll(/[-:]|\.\d+/g, '')}-${host.replaceAll(/[^A-Za-z0-9._-]/g, '-')}`,
  );
  const manifest: Manifest = { schema: 'hangar.case/1', id, host, run, createdAt };
  const folder = new CaseFolder(join(cases, id), manifest);
  await folder.writeRecord('case', manifest);
  return folder;
}

/** Opens a case by its id or by the path of its folder. @throws HangarError `NO_SUCH_CASE`, `CASE_DAMAGED` */
export async function openCase(state: string, idOrPath: string): Promise<CaseFolder> {
  const path = isPath(idOrPath) ? resolve(idOrPath) : join(state, 'cases', idOrPath);
  const text = await readIfThere(join(path, 'case.json'));
  if (text === undefined) throw await noSuchCase(state, idOrPath);
  return new CaseFolder(path, parseJson(join(path, 'case.json'), text, manifestSchema));
}

/** The case that a run has for a host; undefined where there is none. */
export async function findCase(
  state: string,
  { host, run }: { readonly host: string; readonly run: string },
): Promise<CaseFolder | undefined> {
  return (await listCases(state)).find(each => each.run === run && each.host === host);
}

/** Every case of this controller, the newest first; damaged ones are left out. */
export async function listCases(state: string): Promise<readonly CaseFolder[]> {
  const folders = await Promise.all(
    (await namesOf(join(state, 'cases'))).map(name => openCase(state, name).catch(() => undefined)),
  );
  return folders.filter(folder => folder !== undefined).sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
}

/** mkdir(2) decides who has an id: two incidents of one second get two folders. */
async function takeId(cases: string, wanted: string): Promise<string> {
  for (let number = 1; ; number++) {
    const id = number === 1 ? wanted : `${wanted}-${number}`;
    try {
      await mkdir(join(cases, id), { mode: 0o700 });
      return id;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
}

function isPath(text: string): boolean {
  return isAbsolute(text) || text.includes('/') || existsSync(join(text, 'case.json'));
}

function parseJson<T>(path: string, text: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new HangarError({
      code: 'CASE_DAMAGED',
      message: `"${basename(path)}" of case "${basename(dirname(path))}" cannot be read`,
      fix: `look at it: less ${path}`,
      failure: 'step',
      cause,
    });
  }
}

async function noSuchCase(state: string, asked: string): Promise<HangarError> {
  const isThere = await stat(resolve(asked)).then(
    () => true,
    () => false,
  );
  const names = (await namesOf(join(state, 'cases'))).slice(-3);
  return new HangarError({
    code: 'NO_SUCH_CASE',
    message: isThere ? `"${asked}" is no case folder: it has no case.json` : `there is no core and no case "${asked}"`,
    fix:
      names.length === 0 ? 'name a core file, or see: runbook runs' : `name a core file or a case: ${names.join(', ')}`,
    failure: 'usage',
  });
}

async function namesOf(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch((error: unknown) => {
    if (isNotFound(error)) return [];
    throw error;
  });
}
