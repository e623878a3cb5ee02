import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip, zstdCompress } from 'node:zlib';
import { HangarError } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import { readSentFrame, type SentFrame } from '../host/captured.ts';
import type { SshSession } from '../ssh/session.ts';
import type { CallOptions } from './host-program.ts';
import { brokenReply, hostLine, streamFromHost } from './host-program.ts';

/** Bytes of core in each piece (contract, `State lives under`). */
export const frameBytes = 64 * 1024 * 1024;

/** Pieces under way at a time: one channel is limited by the round trip, and sshd allows ten a connection. */
const channels = 4;

/** Where the pieces of one core are kept. */
export interface CoreSink {
  /** Numbers of those that are still to come. */
  missing(): readonly number[];
  /** Keeps a zstd frame that holds `bytes` bytes of core. */
  writeFrame(
    index: number,
    stored: Buffer,
    expected: { readonly bytes: number; readonly sha256: string },
  ): Promise<void>;
  finish(): Promise<void>;
}

export interface PullCoreOptions extends CallOptions {
  /** Called with the number of pieces that are here and that there are. */
  readonly progress?: (here: number, all: number) => void;
}

/**
 * Fetches a core in compressed pieces, each verified by its hash; those that are here already are not asked for again,
 * so that a transfer that broke off goes on where it was. No second copy is made on the host's disk.
 * @throws HangarError `FRAME_DAMAGED`, `FILE_UNREADABLE`, `NOT_OURS`, or as `streamFromHost`
 */
export async function pullCore(
  session: SshSession,
  { remotePath, coreBytes }: { readonly remotePath: string; readonly coreBytes: number },
  sink: CoreSink,
  { signal, progress = () => {} }: PullCoreOptions = {},
): Promise<{ readonly sentBytes: number }> {
  const queue = [...sink.missing()];
  const all = Math.max(1, Math.ceil(coreBytes / frameBytes));
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  let sentBytes = 0;
  const work = async (): Promise<void> => {
    for (let index = queue.shift(); index !== undefined; index = queue.shift()) {
      const sent = await pullFrame(session, remotePath, index, sink, stop);
      sentBytes += sent;
      progress(all - sink.missing().length, all);
    }
  };
  const workers = Array.from({ length: channels }, () =>
    work().catch((error: unknown) => {
      // The first failure ends the others at once; what they had begun is asked for again next time.
      failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(workers);
  await Promise.all(workers);
  await sink.finish();
  return { sentBytes };
}

/** The commands that `pullCore` runs. */
export function pullCoreCommands(host: Host): readonly string[] {
  return [hostLine(host, 'core-frame', { core: '<core>', index: '<0, 1, …>', bytes: frameBytes })];
}

async function pullFrame(
  session: SshSession,
  remotePath: string,
  index: number,
  sink: CoreSink,
  signal: AbortSignal,
): Promise<number> {
  const chunks: Buffer[] = [];
  const collect = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  const args = { core: remotePath, index, bytes: frameBytes };
  const { stderr } = await streamFromHost(session, 'core-frame', args, collect, { signal, timeoutSeconds: 1800 });
  const told = readSentFrame(stderr);
  if (told === undefined) throw brokenReply(session.host, 'core-frame');
  const sent = Buffer.concat(chunks);
  mustBeAsSent(session.host, sent, told);
  const stored = told.format === 'zstd' ? sent : await recompress(sent);
  await sink.writeFrame(index, stored, { bytes: told.bytes, sha256: sha256Of(stored) });
  return sent.length;
}

function mustBeAsSent({ name }: Host, sent: Buffer, { index, storedBytes, sha256 }: SentFrame): void {
  if (sent.length === storedBytes && sha256Of(sent) === sha256) return;
  throw new HangarError({
    code: 'FRAME_DAMAGED',
    message: `${name}: piece ${index} of the core arrived damaged: ${sent.length} bytes of ${storedBytes}`,
    fix: 'fetch it again; the core is still on the host',
    failure: 'step',
  });
}

/** A host without zstd sends gzip; what we keep is zstd. */
async function recompress(sent: Buffer): Promise<Buffer> {
  return promisify(zstdCompress)(await promisify(gunzip)(sent, { maxOutputLength: frameBytes }));
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
