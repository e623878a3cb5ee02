import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HangarError } from '../errors.ts';
import { receivePrivateFile } from '../private-files.ts';
import { quote } from '../quote.ts';
import { asRoot } from '../ssh/as-root.ts';
import type { RemoteCommand } from '../ssh/session.ts';
import type { Machine } from './incident.ts';

export interface FetchedFile {
  /** On the controller. */
  readonly path: string;
  readonly bytes: number;
  /** Lowercase hex. */
  readonly sha256: string;
}

export interface FetchRequest {
  /** Relative to the home directory unless absolute. */
  readonly from: string;
  readonly become: boolean;
  /** Path on the controller. */
  readonly to: string;
}

export interface FetchOptions {
  readonly signal: AbortSignal;
  readonly timeoutSeconds?: number;
}

/** A transfer without a limit of its own step: a day. */
export const transferSeconds = 86_400;

/**
 * Fetches a file into a private one, which gets its name once it is whole and the very file that was asked for.
 * @throws HangarError `FILE_UNREADABLE`, `FILE_CHANGED`, `FILE_UNWRITABLE`, or as `SshSession.run`
 */
export async function fetchFile(machine: Machine, request: FetchRequest, options: FetchOptions): Promise<FetchedFile> {
  const { signal, timeoutSeconds = transferSeconds } = options;
  const limits = { signal, timeoutSeconds };
  const path = resolve(request.to);
  const expected = await askSum(machine, request, limits);
  let bytes = 0;
  let found = '';
  const receive = async (sink: Writable): Promise<void> => {
    const hash = createHash('sha256');
    const through = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        hash.update(chunk);
        done(null, chunk);
      },
    });
    const kept = pipeline(through, sink);
    await Promise.all([machine.shell.stream(catCommand(machine, request), through, limits), kept]);
    found = hash.digest('hex');
  };
  await receivePrivateFile(path, receive, () => {
    if (found !== expected) throw changed(machine, request, expected, found);
  }).catch((error: unknown) => {
    throw isOfSystem(error) ? unwritable(path, error) : error;
  });
  return { path, bytes, sha256: found };
}

/** Where a step keeps a file of that name: hosts and steps of a run share its folder. */
export function keptPath(folder: string, { host }: Machine, key: string, from: string): string {
  const safe = `${host.name}-${key}-${basename(from)}`.replaceAll(/[^\w.@+-]/g, '_');
  return join(folder, safe);
}

/** The commands that a dry run prints. */
export function fetchCommands({ host }: Pick<Machine, 'host'>, from: string, become: boolean): readonly string[] {
  return [`sha256sum ${shown(from)}`, `cat ${shown(from)}`].map(line => (become ? asRoot(host, { line }).line : line));
}

function shown(path: string): string {
  return path.startsWith('<') ? path : quote(path);
}

async function askSum(machine: Machine, request: FetchRequest, limits: FetchOptions): Promise<string> {
  const script = `if [ ! -e "$file" ]; then echo 'why there is no such file'
elif [ ! -f "$file" ]; then echo 'why it is no regular file'
elif sum=$(sha256sum <"$file"); then echo "sum \${sum%% *}"
else echo 'why it cannot be read'; fi
`;
  const { stdout } = await machine.shell.run(command(machine, request, script), limits);
  const text = stdout.toString('utf8');
  const sum = /^sum ([0-9a-f]{64})$/m.exec(text)?.[1];
  if (sum === undefined) throw unreadable(machine, request, /^why (.*)$/m.exec(text)?.[1] ?? 'it cannot be read');
  return sum;
}

function catCommand(machine: Machine, request: FetchRequest): RemoteCommand {
  return command(machine, request, 'cat <"$file"\n');
}

/** The path travels on stdin: it may tell more than a process list should. */
function command({ host }: Machine, { from, become }: FetchRequest, script: string): RemoteCommand {
  const stdin = `file=${quote(from)}\ncd -- "\${HOME:-/}" || exit\n${script}exit\n`;
  const asked = { line: 'sh -s', stdin };
  return become ? asRoot(host, asked) : asked;
}

function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

function unreadable({ host }: Machine, { from, become }: FetchRequest, why: string): HangarError {
  return new HangarError({
    code: 'FILE_UNREADABLE',
    message: `"${host.name}": "${from}" cannot be fetched: ${why}`,
    fix: become ? 'see that it is there, and the path right' : 'see that it is there; `become: true` reads it as root',
    failure: 'step',
  });
}

function changed({ host }: Machine, { from }: FetchRequest, expected: string, found: string): HangarError {
  return new HangarError({
    code: 'FILE_CHANGED',
    message: `"${host.name}": "${from}" changed while it was fetched: expected SHA-256 ${expected}, found ${found}`,
    fix: 'fetch it when nothing writes to it, or a copy of it',
    failure: 'step',
  });
}

function unwritable(path: string, cause: unknown): HangarError {
  return new HangarError({
    code: 'FILE_UNWRITABLE',
    message: `"${path}" cannot be written`,
    fix: 'name a path in a directory that is there and that you may write',
    failure: 'step',
    cause,
  });
}
