import { randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { makePrivateDirectory, readIfThere, writePrivateFile } from '../private-files.ts';

/** What lets a reader of reports in, kept in `STATE/serve/token` (0600): who can read that file can read the reports. */
export async function accessToken(state: string): Promise<string> {
  const path = join(state, 'serve', 'token');
  const known = (await readIfThere(path))?.trim();
  if (known !== undefined && /^[\w-]{32,}$/.test(known)) return known;
  const token = randomBytes(24).toString('base64url');
  await makePrivateDirectory(join(state, 'serve'));
  await writePrivateFile(path, `${token}\n`);
  return token;
}

/** In a time that says nothing of where they differ. */
export function isToken(given: string | undefined, token: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
