import { HangarError, messageOf } from '../errors.ts';
import type { PythonProcess } from './process.ts';

/** What could not be read, by the error that says why. @throws that error when it is not damage but a fault of ours */
export function gapOf(what: string, error: unknown): PythonProcess['gaps'][number] {
  if (!(error instanceof HangarError)) throw error;
  return { what, why: messageOf(error), fix: error.fix };
}
