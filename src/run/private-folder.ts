import { mkdir } from 'node:fs/promises';
import { stateUnwritable } from '../errors.ts';

/** Makes a directory that nobody else can enter, and what is missing above it. @throws HangarError `STATE_UNWRITABLE` */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw stateUnwritable(path, cause);
  }
}
