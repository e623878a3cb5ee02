import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import { HangarError } from '../errors.ts';
import type { RunOptions, SshSession } from '../ssh/session.ts';
import { type FramedFile, readFramedFiles } from './framed-files.ts';
import { type Arguments, brokenReply, streamFromHost } from './host-program.ts';

/**
 * Runs a verb that sends files and hands each of them to `take` as it comes; resolves with the bytes that were sent.
 * @throws HangarError as `streamFromHost`, `HOST_PROGRAM_FAILED` when the reply breaks off, or what `take` throws
 */
export async function receiveFiles(
  session: SshSession,
  verb: 'module' | 'read',
  args: Arguments,
  take: (file: FramedFile) => Promise<void>,
  options: RunOptions,
): Promise<number> {
  let sentBytes = 0;
  const reply = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sentBytes += chunk.length;
      done(null, chunk);
    },
  });
  const consuming = consume(session, verb, reply, take);
  consuming.catch((error: unknown) => reply.destroy(error instanceof Error ? error : undefined));
  await streamFromHost(session, verb, args, reply, options);
  await consuming;
  return sentBytes;
}

async function consume(
  session: SshSession,
  verb: 'module' | 'read',
  reply: Transform,
  take: (file: FramedFile) => Promise<void>,
): Promise<void> {
  try {
    for await (const file of readFramedFiles(reply)) await take(file);
  } catch (error) {
    throw error instanceof HangarError ? error : brokenReply(session.host, verb, error);
  }
}

/** The chunks of a file, with an error at the end where they are not what the host read. */
export async function* verified(file: FramedFile & { readonly status: 'sent' }): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of file.content) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') !== file.sha256) throw new DamagedFile(file.key);
}

/** One file arrived other than it was sent, or changed while it was read. */
export class DamagedFile extends Error {
  constructor(key: string) {
    super(`${key} is not the file whose hash the host told`);
  }
}
