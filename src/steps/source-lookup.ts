import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceLookup, SourceText } from '../report/thread.ts';
import type { SourceRecord } from './case-records.ts';

/** The kernel tells in whole seconds when it was started: a process seems to begin up to a second too early (milliseconds). */
const clockGrain = 1000;

/** Larger ones are data, not sources that a person wrote. */
const maxSourceBytes = 8 * 1024 * 1024;

/** Sources fetched from the host; one changed after the process began is not what runs. */
export function fetchedSources(
  record: SourceRecord,
  startedAt: string | undefined,
  content: (sha256: string) => Buffer | undefined,
): SourceLookup {
  const entries = new Map(record.map(entry => [entry.path, entry]));
  return path => {
    const entry = entries.get(path);
    if (entry === undefined) return undefined;
    const text = entry.sha256 === undefined ? undefined : content(entry.sha256)?.toString('utf8');
    if (text === undefined) return { status: 'absent' };
    const changed =
      startedAt !== undefined &&
      entry.modifiedAt !== undefined &&
      Date.parse(entry.modifiedAt) > Date.parse(startedAt) + clockGrain;
    return { text, status: changed ? 'changed-since' : 'as-run' };
  };
}

/** Sources under a directory: at the whole path of the host, else at the longest tail of it that is there. */
export function directorySources(dir: string): SourceLookup {
  const known = new Map<string, SourceText>();
  return path => {
    const text = known.get(path) ?? readGiven(dir, path);
    known.set(path, text);
    return text;
  };
}

function readGiven(dir: string, path: string): SourceText {
  const parts = path.split('/').filter(part => part !== '' && part !== '.' && part !== '..');
  for (let from = 0; from < parts.length; from++) {
    const candidate = join(dir, ...parts.slice(from));
    if (isReadableSource(candidate)) return { text: readFileSync(candidate, 'utf8'), status: 'given' };
  }
  return { status: 'absent' };
}

function isReadableSource(path: string): boolean {
  if (!existsSync(path)) return false;
  const stat = statSync(path);
  return stat.isFile() && stat.size <= maxSourceBytes;
}
