import { mkdir } from 'node:fs/promises';
import { HangarError } from '../errors.ts';

/** Makes a directory that nobody else can enter, and what is missing above it. @throws HangarError `STATE_UNWRITABLE` */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new HangarError({
      code: 'STATE_UNWRITABLE',
      message: `cannot make the directory "${path}"`,
      fix: 'name a directory that you may write: --state DIR',
      failure: 'usage',
      cause,
    });
  }
}
