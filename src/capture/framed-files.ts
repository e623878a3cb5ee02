import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';

/** One file of a reply of the host program's `module` or `read`. */
export type FramedFile =
  | {
      readonly status: 'sent';
      readonly key: string;
      readonly bytes: number;
      /** By the host, of the file's content. */
      readonly sha256: string;
      /** Seconds since 1970. */
      readonly modifiedAt: number;
      /** To be read before the next file is asked for; what is left is skipped. */
      readonly content: AsyncIterable<Buffer>;
    }
  | { readonly status: 'missing'; readonly key: string; readonly why: string };

/**
 * The files of a reply, in order: `file KEY BYTES SHA256 MTIME` and the bytes, or `miss KEY WHY`, at last `end`; all of
 * it compressed with zstd or gzip. Holds one chunk in memory, however large the files.
 * @throws Error when the reply breaks off or is no such reply
 */
export async function* readFramedFiles(reply: Readable): AsyncGenerator<FramedFile> {
  const input = new Input(decompress(reply));
  for (;;) {
    const line = await input.line();
    if (line === 'end') return;
    const [word, key = '', ...rest] = line.split(' ');
    if (word === 'miss') {
      yield { status: 'missing', key, why: rest.join(' ') };
      continue;
    }
    const [bytes, sha256 = '', modifiedAt] = [Number(rest[0]), rest[1], Number(rest[2])];
    if (word !== 'file' || !Number.isSafeInteger(bytes))
      throw new Error(`unexpected line ${JSON.stringify(line.slice(0, 80))}`);
    const content = input.take(bytes);
    yield { status: 'sent', key, bytes, sha256, modifiedAt, content };
    for await (const _ of content);
    await input.line();
  }
}

/** By the first byte: 0x28 begins a zstd frame (RFC 8878), 0x1f a gzip member (RFC 1952). */
async function* decompress(reply: Readable): AsyncGenerator<Buffer> {
  const chunks: AsyncIterator<Buffer> = reply[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done === true) return;
  const decoder = first.value[0] === 0x28 ? createZstdDecompress() : createGunzip();
  // A failure of the source destroys the decoder, and is thrown where that is read.
  const fed = pipeline(Readable.from(prepend(first.value, chunks)), decoder).catch(() => undefined);
  for await (const chunk of decoder) yield Buffer.from(chunk);
  await fed;
}

async function* prepend(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/** Lines and counted bytes from a sequence of chunks. */
class Input {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncGenerator<Buffer>) {
    this.#source = source;
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      if (end >= 0) return this.#cut(end + 1).toString('utf8', 0, end);
      if (this.#rest.length > 65_536) throw new Error('a line without end');
      await this.#more();
    }
  }

  /** May be iterated twice: the second time gives what the first left. */
  take(bytes: number): AsyncIterable<Buffer> {
    let left = bytes;
    const next = async (): Promise<IteratorResult<Buffer>> => {
      if (left === 0) return { done: true, value: undefined };
      if (this.#rest.length === 0) await this.#more();
      const chunk = this.#cut(Math.min(left, this.#rest.length));
      left -= chunk.length;
      return { done: false, value: chunk };
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  #cut(bytes: number): Buffer {
    const cut = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    return cut;
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#source.next();
    if (done === true) throw new Error('the reply breaks off');
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
  }
}
