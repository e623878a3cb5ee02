import { readFileSync } from 'node:fs';
import { HangarError } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import { quote } from '../quote.ts';
import { asRoot } from './as-root.ts';
import type { RunOptions } from './session.ts';
import type { Shell } from './shell.ts';

/** Which work: the same run and key on the same machine, with the same rights, is the same work. */
export interface WorkId {
  readonly run: string;
  /** Idempotency key, 16 hex digits. */
  readonly key: string;
  readonly host: Host;
  /** As root, as the host says how. */
  readonly become: boolean;
}

/** A script to run once, whatever becomes of the connection. */
export interface Work extends WorkId {
  readonly script: string;
  readonly args: readonly string[];
  /** The program, and its options, that the script's path is given to; default `sh`. */
  readonly interpreter?: string;
  /** Held in memory there, never on a disk; may be secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** Longest that it may run, kept by the host itself. */
  readonly limitSeconds: number;
  /** Between TERM and KILL. */
  readonly killAfterSeconds: number;
}

export interface WorkResult {
  /** Exit code of the interpreter; 128 + n when signal n ended it. */
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** UTF-8, at most the last 64 KiB. */
  readonly stderr: string;
  /** How long it ran, by the host's clock. */
  readonly seconds: number;
}

export interface RunWorkOptions extends Pick<RunOptions, 'signal'> {
  /** Told what work that was ended before its time had printed. */
  readonly onEnded?: (printed: Printed) => void;
}

/** What a command printed, or the end of it. */
export interface Printed {
  readonly stdout: Buffer;
  /** UTF-8. */
  readonly stderr: string;
}

/** `lost`: it was started, and nothing there knows how it ended. */
export type WorkState = 'none' | 'running' | 'ended' | 'lost';

const mostBytes = 16 * 1024 * 1024;
/** Work that prints more than this is ended: a host whose disk is full serves nobody. */
const floodBytes = 256 * 1024 * 1024;
/** What a login shell and the answer itself may add. */
const spareBytes = 256 * 1024;
const spareSeconds = 30;

/**
 * Runs the work, or joins it where it was started before, and tells how it ended. It goes on when the connection is
 * lost; an abort ends it there before the signal's reason is thrown.
 * @throws HangarError `WORK_LOST`, `REMOTE_TIMEOUT`, `CANCELLED` (ended by somebody else), `OUTPUT_TOO_LARGE`, `SUDO_REFUSED`, `NOT_OURS`, `TOOL_MISSING`,
 * `DISK_FULL`, `WORK_FAILED`, `ENV_INVALID`, `SCRIPT_INVALID`, or as `SshSession.run`
 */
export async function runWork(
  shell: Shell,
  work: Work,
  { signal, onEnded = () => {} }: RunWorkOptions = {},
): Promise<WorkResult> {
  const text = runText(work);
  const timeoutSeconds = work.limitSeconds + work.killAfterSeconds + spareSeconds;
  const options = { timeoutSeconds, maxOutputBytes: mostBytes + spareBytes, ...(signal && { signal }) };
  signal?.throwIfAborted();
  try {
    return judge(work, await ask(shell, work, text, 'work', options), onEnded);
  } catch (error) {
    if (!signal?.aborted) throw error;
    // Where this fails too, the limit on the host ends it.
    await endWork(shell, work).then(onEnded, () => undefined);
    throw signal.reason;
  }
}

/** Ends the work, tells the end of what it had printed, and sees to it that it never starts where it has not yet. Errors as `runWork`. */
export async function endWork(
  shell: Shell,
  work: WorkId & Pick<Work, 'killAfterSeconds'>,
  { signal }: Pick<RunOptions, 'signal'> = {},
): Promise<Printed> {
  const killAfter = wholeSeconds(work.killAfterSeconds);
  const text = textOf('end_work', { ...placeOf(work), kill_after: killAfter });
  const options = { timeoutSeconds: killAfter + spareSeconds, ...(signal && { signal }) };
  const { words, bytes } = await ask(shell, work, text, 'state', options);
  return printedIn(bytes, Number(words[1] ?? 0));
}

/** What became of the work; changes nothing. Errors as `runWork`. */
export async function probeWork(
  shell: Shell,
  work: WorkId,
  { signal }: Pick<RunOptions, 'signal'> = {},
): Promise<WorkState> {
  const { words } = await ask(shell, work, textOf('probe_work', placeOf(work)), 'state', signal ? { signal } : {});
  const [state = ''] = words;
  if (state === 'none' || state === 'running' || state === 'ended' || state === 'lost') return state;
  throw new Error(`work.sh answered with the state ${JSON.stringify(state)}`);
}

/** Ends what still runs of a run and removes all of it, with what others left behind a week ago. Errors as `runWork`. */
export async function removeWork(
  shell: Shell,
  work: Omit<WorkId, 'key'>,
  { signal }: Pick<RunOptions, 'signal'> = {},
): Promise<void> {
  const text = textOf('remove_work', { ...userOf(work), run: checkedRun(work), kill_after: 2 });
  await ask(shell, { ...work, key: work.run }, text, 'removed', signal ? { signal } : {});
}

/** What a dry run prints: variables, then the script under the line that runs it where that is not plain `sh`. */
export function workLines({
  host,
  become,
  script,
  args,
  interpreter = 'sh',
  env,
}: Pick<Work, 'host' | 'become' | 'script' | 'args' | 'interpreter' | 'env'>): readonly string[] {
  const { line } = asRootIf(become, host, [interpreter, ...args.map(quote)].join(' '));
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return [...(line === 'sh' ? [] : [line]), ...variables, ...script.replace(/\n+$/, '').split('\n')];
}

/** Shell text that sets and exports variables. @throws HangarError `ENV_INVALID` */
export function exportLines(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .map(([name, value]) => `${checkedName(name)}=${quote(checkedValue(name, value))}; export ${name}\n`)
    .join('');
}

/** A command line for `sh -s` and the like, as root where that is wanted. */
function asRootIf(become: boolean, host: Host, line: string, stdin?: string) {
  const command = { line, ...(stdin !== undefined && { stdin }) };
  return become ? asRoot(host, command) : command;
}

function runText(work: Work): string {
  const { script, args, interpreter = 'sh', env } = work;
  const words = [...interpreter.trim().split(/\s+/).map(quote), '"$work_directory/script"', ...args.map(quote)];
  const begin = `work_begin() {\nset -- "$@" ${words.join(' ')}\n${exportLines(env)}exec "$@"\n}`;
  if ([script, ...args].some(text => text.includes('\0'))) throw withNul();
  return textOf(
    'run_work',
    {
      ...placeOf(work),
      kill_after: wholeSeconds(work.killAfterSeconds),
      limit: wholeSeconds(work.limitSeconds),
      most_bytes: mostBytes,
      flood_bytes: floodBytes,
      script,
    },
    begin,
  );
}

/** All of it is read before anything happens: a connection that is lost in between starts nothing. */
function textOf(verb: string, values: Readonly<Record<string, string | number>>, begin = ''): string {
  return [
    ...Object.entries(values).map(([name, value]) => `work_${name}=${quote(String(value))}`),
    begin,
    `work_program=${quote(programText())}`,
    'eval "$work_program"',
    `${verb} </dev/null`,
    'exit',
    '',
  ].join('\n');
}

/** Who we are on a machine, with and without root's rights, once it has said so: then it need not look again. */
const users = new WeakMap<Host, Map<boolean, string>>();

function placeOf(work: WorkId): Readonly<Record<string, string>> {
  if (!/^[0-9a-f]{16}$/.test(work.key)) throw new Error(`work key ${JSON.stringify(work.key)} is not 16 hex digits`);
  return { ...userOf(work), run: checkedRun(work), key: work.key };
}

function userOf({ host, become }: Pick<WorkId, 'host' | 'become'>): Readonly<Record<string, string>> {
  const me = users.get(host)?.get(become);
  return me === undefined ? {} : { me };
}

function checkedRun({ run }: Pick<WorkId, 'run'>): string {
  if (!/^\w[\w.-]*$/.test(run)) throw new Error(`run id ${JSON.stringify(run)} is no file name`);
  return run;
}

/** To timeout(1) 0 means no limit at all, and not every one takes fractions. */
function wholeSeconds(seconds: number): number {
  return Math.max(1, Math.ceil(seconds));
}

function programText(): string {
  program ??= readFileSync(new URL('work.sh', import.meta.url), 'utf8');
  return program;
}

let program: string | undefined;

interface Answer {
  /** Of the line `KIND KEY …`, those behind the key. */
  readonly words: readonly string[];
  /** What follows that line. */
  readonly bytes: Buffer;
}

/** Sends the text and finds the answer, whatever a login shell printed before it. */
async function ask(shell: Shell, work: WorkId, text: string, kind: string, options: RunOptions): Promise<Answer> {
  const result = await shell.run(asRootIf(work.become, work.host, 'sh -s', text), options);
  const { stdout, stderr, exitCode } = result;
  const mark = `${kind} ${work.key}`;
  const start = [0, ...(stdout.includes(`\n${mark}`) ? [stdout.indexOf(`\n${mark}`) + 1] : [])].find(at =>
    stdout.subarray(at, at + mark.length).equals(Buffer.from(mark)),
  );
  if (exitCode !== 0 || start === undefined) throw failed(work, exitCode, stderr);
  const end = stdout.indexOf('\n', start);
  const line = stdout.subarray(start + mark.length, end).toString('latin1');
  return { words: line.trim().split(' '), bytes: stdout.subarray(end + 1) };
}

function judge(work: Work, { words, bytes }: Answer, onEnded: (printed: Printed) => void): WorkResult {
  remember(work, words[5]);
  const [code, centiseconds, why, outBytes = 0, errBytes = 0] = words.map((word, at) =>
    at === 2 ? word : Number(word),
  );
  const seconds = Number(centiseconds) / 100;
  const [out, err] = [Number(outBytes), Number(errBytes)];
  if (why === 'timeout' || (why === 'stopped' && code !== 0)) {
    onEnded(printedIn(bytes, out));
    throw why === 'timeout' ? timedOut(work) : stopped(work);
  }
  if (why === 'flood' || out > mostBytes) throw tooLarge(work);
  if (bytes.length !== out + err) throw failed(work, 0, `expected ${out + err} bytes of output, found ${bytes.length}`);
  return {
    exitCode: Number(code),
    ...printedIn(bytes, out),
    seconds,
  };
}

function printedIn(bytes: Buffer, outBytes: number): Printed {
  return { stdout: bytes.subarray(0, outBytes), stderr: bytes.subarray(outBytes).toString('utf8') };
}

function remember({ host, become }: WorkId, user: string | undefined): void {
  if (user === undefined || !/^\d+$/.test(user)) return;
  users.set(host, new Map([...(users.get(host) ?? []), [become, user]]));
}

/** Names that a shell has for itself, and refuses to change or changes under way. */
const shellNames = ['_', 'PPID', 'UID', 'EUID', 'OPTIND', 'SHELLOPTS', 'BASHOPTS', 'PWD', 'OLDPWD'];

function checkedName(name: string): string {
  if (/^[A-Za-z_]\w*$/.test(name) && !shellNames.includes(name)) return name;
  throw new HangarError({
    code: 'ENV_INVALID',
    message: `"${name}" cannot be the name of an environment variable`,
    fix: 'use letters, digits and _, and no name that the shell has for itself',
    failure: 'usage',
  });
}

function checkedValue(name: string, value: string): string {
  if (!value.includes('\0')) return value;
  throw new HangarError({
    code: 'ENV_INVALID',
    message: `the value of "${name}" has a NUL character, which no environment can hold`,
    fix: 'give it as text, for example in base64',
    failure: 'usage',
  });
}

function withNul(): HangarError {
  return new HangarError({
    code: 'SCRIPT_INVALID',
    message: 'the script, or an argument of it, has a NUL character: expected text',
    fix: 'copy the program to the host and run it from there',
    failure: 'usage',
  });
}

function timedOut({ host, limitSeconds }: Work): HangarError {
  return new HangarError({
    code: 'REMOTE_TIMEOUT',
    message: `"${host.name}" ended the command after its limit of ${wholeSeconds(limitSeconds)} s`,
    fix: 'see what keeps the host busy; `timeout` of the step gives it more time',
    failure: 'cancelled',
  });
}

function stopped({ host }: Work): HangarError {
  return new HangarError({
    code: 'CANCELLED',
    message: `"${host.name}" ended the command, as it was asked to`,
    fix: 'run the runbook again',
    failure: 'cancelled',
  });
}

function tooLarge({ host }: Work): HangarError {
  return new HangarError({
    code: 'OUTPUT_TOO_LARGE',
    message: `"${host.name}" printed more than ${mostBytes} bytes for one command`,
    fix: 'let the command write into a file there, and fetch that',
    failure: 'step',
  });
}

function failed({ host, key }: WorkId, exitCode: number, stderr: string): HangarError {
  const [, code, text] = /^error ([A-Z_]+) (.*)$/m.exec(stderr) ?? [];
  if (code !== undefined)
    return new HangarError({ code, message: `"${host.name}": ${text}`, fix: fixOf(code, key), failure: 'step' });
  const last = stderr.trim().split('\n').at(-1) ?? '';
  if (/sudo|password/i.test(stderr))
    return new HangarError({
      code: 'SUDO_REFUSED',
      message: `"${host.name}": sudo refused to run a shell: ${last}`,
      fix: `allow "${host.user ?? 'the user'}" sudo without a password there, or take \`become\` out of the step`,
      failure: 'step',
    });
  return new HangarError({
    code: 'WORK_FAILED',
    message: `"${host.name}": the shell that runs commands ended with ${exitCode}: ${last}`,
    fix: 'see that a login there runs `sh -s` and prints what that prints',
    failure: 'step',
  });
}

function fixOf(code: string, key: string): string {
  switch (code) {
    case 'WORK_LOST':
      return `see on the host whether it had its effect (ls /var/tmp/hangar-work-*/*/${key}), then run the runbook again`;
    case 'TOOL_MISSING':
      return 'install it there: apt-get install coreutils util-linux';
    case 'DISK_FULL':
      return 'make room in /var/tmp there: df -h /var/tmp';
    default:
      return 'see who made it there: ls -ld /var/tmp/hangar-work-*';
  }
}
