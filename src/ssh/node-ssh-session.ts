import { constants } from 'node:os';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Client, ClientChannel } from 'ssh2';
import { HangarError } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import type { RemoteCommand, RemoteResult, RunOptions, SshSession } from './session.ts';

const defaultSeconds = 60;
const defaultOutputBytes = 16 * 1024 * 1024;
const stderrBytes = 64 * 1024;

type Ended = Pick<RemoteResult, 'exitCode' | 'signal'>;

interface OpenChannel {
  readonly channel: ClientChannel;
  /** How the command ended; undefined until the host says so. */
  readonly ended: () => Ended | undefined;
}

/** The session port over a connection that node-ssh made. */
export class NodeSshSession implements SshSession {
  readonly host: Host;
  readonly #client: Client;
  readonly #jump: NodeSshSession | undefined;
  #lost: Error | undefined;
  readonly #onLost = new Set<() => void>();

  constructor(host: Host, client: Client, jump?: NodeSshSession) {
    this.host = host;
    this.#client = client;
    this.#jump = jump;
    const lose = (cause: Error): void => {
      this.#lost ??= cause;
      for (const tell of this.#onLost) tell();
    };
    client.on('error', lose);
    client.on('end', () => lose(new Error('the host ended the connection')));
    client.on('close', () => lose(new Error('the connection closed')));
  }

  async run(command: RemoteCommand, options: RunOptions = {}): Promise<RemoteResult> {
    const limit = options.maxOutputBytes ?? defaultOutputBytes;
    const chunks: Buffer[] = [];
    let bytes = 0;
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.length;
        if (bytes <= limit) chunks.push(chunk);
        done(bytes > limit ? this.#tooLarge(command, limit) : null);
      },
    });
    const result = await this.stream(command, sink, options);
    return { ...result, stdout: Buffer.concat(chunks) };
  }

  async stream(command: RemoteCommand, sink: Writable, options: RunOptions = {}): Promise<RemoteResult> {
    // What ends the sink is told by the rejection of this call.
    sink.on('error', () => undefined);
    try {
      return await this.#execute(command, sink, options);
    } catch (error) {
      sink.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#lost === undefined) {
      const closed = new Promise<void>(resolve => this.#client.once('close', () => resolve()));
      this.#client.end();
      const timer = setTimeout(() => this.#client.destroy(), 2000);
      await closed;
      clearTimeout(timer);
    }
    await this.#jump?.close();
  }

  /** A stream to a port that this host reaches. @throws HangarError `UNREACHABLE` */
  forward(address: string, port: number): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      this.#client.forwardOut('127.0.0.1', 0, address, port, (cause, channel) => {
        if (cause === undefined) resolve(channel);
        else reject(this.#notForwarded(address, port, cause));
      });
    });
  }

  async #execute(command: RemoteCommand, sink: Writable, options: RunOptions): Promise<RemoteResult> {
    options.signal?.throwIfAborted();
    const { channel, ended } = await this.#openChannel(command);
    const seconds = options.timeoutSeconds ?? defaultSeconds;
    const stderr = keepTail(channel.stderr);
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => settle(options.signal?.reason ?? this.#cancelled());
      const lost = (): void => settle(this.#connectionLost());
      const timer = setTimeout(() => settle(this.#timedOut(command, seconds)), seconds * 1000);
      const settle = (error?: unknown): void => {
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', abort);
        this.#onLost.delete(lost);
        if (error === undefined) resolve();
        else {
          // OpenSSH from 7.9 on; older servers go on, and what runs there has limits of its own.
          channel.signal('KILL');
          channel.close();
          reject(error instanceof Error ? error : new Error('the call failed', { cause: error }));
        }
      };
      options.signal?.addEventListener('abort', abort, { once: true });
      this.#onLost.add(lost);
      if (this.#lost !== undefined) lost();
      pour(channel, sink, settle);
      channel.once('error', settle);
      // A connection that breaks closes its channels just before it says so itself.
      channel.once('close', () =>
        setImmediate(() => settle(ended() === undefined ? this.#connectionLost() : undefined)),
      );
      channel.end(command.stdin);
    });
    const exit = ended();
    if (this.#lost !== undefined || exit === undefined) throw this.#connectionLost();
    sink.end();
    await finished(sink, { readable: false });
    return { ...exit, stdout: Buffer.alloc(0), stderr: stderr() };
  }

  #openChannel({ line }: RemoteCommand): Promise<OpenChannel> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) return reject(this.#connectionLost());
      const lost = (): void => reject(this.#connectionLost());
      this.#onLost.add(lost);
      this.#client.exec(line, (cause, channel) => {
        this.#onLost.delete(lost);
        // At once: the end of a short command may come in the same packet as the channel.
        if (cause === undefined) resolve({ channel, ended: listenForExit(channel) });
        else reject(this.#lost === undefined ? this.#noChannel(cause) : this.#connectionLost());
      });
    });
  }

  #connectionLost(): HangarError {
    return new HangarError({
      code: 'CONNECTION_LOST',
      message: `the connection to "${this.host.name}" was lost`,
      fix: 'run the command again; what was secured is kept',
      failure: 'unreachable',
      ...(this.#lost && { cause: this.#lost }),
    });
  }

  #noChannel(cause: Error): HangarError {
    return new HangarError({
      code: 'CHANNEL_REFUSED',
      message: `"${this.host.name}" refuses to run one more command on this connection`,
      fix: 'allow more sessions there (sshd_config: MaxSessions), or try again when less runs',
      failure: 'unreachable',
      cause,
    });
  }

  #notForwarded(address: string, port: number, cause: Error): HangarError {
    return new HangarError({
      code: 'UNREACHABLE',
      message: `the jump host "${this.host.name}" does not lead to ${address} port ${port}`,
      fix: `see whether it can: ssh -W ${address}:${port} ${this.host.name}`,
      failure: 'unreachable',
      cause,
    });
  }

  #timedOut({ line }: RemoteCommand, seconds: number): HangarError {
    return new HangarError({
      code: 'REMOTE_TIMEOUT',
      message: `"${this.host.name}" did not end ${JSON.stringify(shorten(line))} within ${seconds} s`,
      fix: 'see what keeps the host busy, then run the command again',
      failure: 'cancelled',
    });
  }

  #tooLarge({ line }: RemoteCommand, limit: number): HangarError {
    return new HangarError({
      code: 'OUTPUT_TOO_LARGE',
      message: `"${this.host.name}" printed more than ${limit} bytes for ${JSON.stringify(shorten(line))}`,
      fix: 'run that command there by hand and see why',
      failure: 'step',
    });
  }

  #cancelled(): HangarError {
    return new HangarError({
      code: 'CANCELLED',
      message: `cancelled while "${this.host.name}" was at work`,
      fix: 'run the command again',
      failure: 'cancelled',
    });
  }
}

function listenForExit(channel: ClientChannel): () => Ended | undefined {
  let ended: Ended | undefined;
  channel.once('exit', (code: number | null, signal?: string) => {
    ended = code === null ? signalled(signal ?? 'KILL') : { exitCode: code };
  });
  return () => ended;
}

/** Moves stdout into the sink no faster than that takes it. */
function pour(channel: ClientChannel, sink: Writable, fail: (error: Error) => void): void {
  sink.once('error', fail);
  sink.on('drain', () => channel.resume());
  channel.on('data', (chunk: Buffer) => {
    if (!sink.destroyed && !sink.write(chunk)) channel.pause();
  });
}

/** The end of stderr, as text; the stream is read to its end whatever its length. */
function keepTail(stderr: NodeJS.ReadableStream): () => string {
  let tail = Buffer.alloc(0);
  stderr.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-stderrBytes);
  });
  return () => tail.toString('utf8');
}

function signalled(text: string): Ended {
  const name = text.replace(/^SIG/, '');
  const [, number] = Object.entries(constants.signals).find(([each]) => each === `SIG${name}`) ?? [];
  return { exitCode: 128 + (number ?? 0), signal: name };
}

function shorten(line: string): string {
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
