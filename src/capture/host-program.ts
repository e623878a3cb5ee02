import type { Writable } from 'node:stream';
import { HangarError, messageOf } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import { readHostError } from '../host/host-error.ts';
import type { Verb } from '../host/program.ts';
import { programPath, programSha256, programText } from '../host/program.ts';
import { quote } from '../quote.ts';
import { asRoot } from '../ssh/as-root.ts';
import type { RemoteCommand, RemoteResult, RunOptions, SshSession } from '../ssh/session.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Arguments of a verb by name; absent ones are left out, a list gives one argument for each value. */
export type Arguments = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/**
 * Runs a verb of the host program as root and gives back what it printed.
 * @throws HangarError with the code the program gave, `NOT_PREPARED`, `HOST_PROGRAM_FAILED`, or as `SshSession.run`
 */
export async function callHost(
  session: SshSession,
  verb: Verb,
  args: Arguments,
  options: RunOptions = {},
): Promise<RemoteResult> {
  const run = async (command: RemoteCommand): Promise<RemoteResult> =>
    succeeded(session.host, verb, await session.run(command, options));
  return orWithFullRights(session, verb, args, run);
}

/** As `callHost`, with stdout streamed into `sink`. */
export async function streamFromHost(
  session: SshSession,
  verb: Verb,
  args: Arguments,
  sink: Writable,
  options: RunOptions = {},
): Promise<RemoteResult> {
  return succeeded(session.host, verb, await session.stream(await hostCommand(session, verb, args), sink, options));
}

/** A command that the prepared host does not know yet: who may do anything there need not prepare it first. */
async function orWithFullRights(
  session: SshSession,
  verb: Verb,
  args: Arguments,
  run: (command: RemoteCommand) => Promise<RemoteResult>,
): Promise<RemoteResult> {
  try {
    return await run(await hostCommand(session, verb, args));
  } catch (error) {
    if (!(error instanceof HangarError) || error.code !== 'NOT_PERMITTED') throw error;
    return run(textCommand(session.host, verb, args)).catch((refusal: unknown) => {
      throw refusal instanceof HangarError && refusal.code === 'SUDO_REFUSED' ? error : refusal;
    });
  }
}

/** The command line that a dry run prints. */
export function hostLine(host: Host, verb: Verb, args: Arguments): string {
  return asRoot(host, { line: lineOf(programPath, verb, args) }).line;
}

async function hostCommand(session: SshSession, verb: Verb, args: Arguments): Promise<RemoteCommand> {
  if (await isInstalled(session)) return asRoot(session.host, { line: lineOf(programPath, verb, args) });
  return textCommand(session.host, verb, args);
}

function textCommand(host: Host, verb: Verb, args: Arguments): RemoteCommand {
  return asRoot(host, { line: lineOf('sh -s --', verb, args), stdin: programText() });
}

function lineOf(program: string, verb: Verb, args: Arguments): string {
  const words = Object.entries(args).flatMap(([name, value]) =>
    value === undefined ? [] : (Array.isArray(value) ? value : [value]).map(one => quote(`${name}=${one}`)),
  );
  return [program, verb, ...words].join(' ');
}

const installed = new WeakMap<SshSession, Promise<boolean>>();

/** Whether the host has this very program; another version of it would answer in another way. Asked once a session. */
function isInstalled(session: SshSession): Promise<boolean> {
  const known = installed.get(session);
  if (known !== undefined) return known;
  const asked = session
    .run({ line: `sha256sum ${programPath} 2>/dev/null || :` })
    .then(({ stdout }) => stdout.toString('latin1').startsWith(programSha256()));
  installed.set(session, asked);
  asked.catch(() => installed.delete(session));
  return asked;
}

function succeeded(host: Host, verb: Verb, result: RemoteResult): RemoteResult {
  if (result.exitCode === 0) return result;
  throw failure(host, verb, result);
}

function failure(host: Host, verb: Verb, { exitCode, stderr }: RemoteResult): HangarError {
  const said = readHostError(stderr);
  if (said !== undefined)
    return new HangarError({
      code: said.code === 'USAGE' ? 'HOST_PROGRAM_FAILED' : said.code,
      message: `${host.name}: ${said.text}`,
      fix: fixOf(said.code, host),
      failure: 'step',
    });
  if (/sudo|password/i.test(stderr))
    return new HangarError({
      code: 'SUDO_REFUSED',
      message: `${host.name}: sudo refused to run the host program: ${lastLine(stderr)}`,
      fix: `prepare the host: runbook prepare --host ${host.name} (or allow "${host.user ?? 'the user'}" sudo without a password)`,
      failure: 'step',
    });
  return new HangarError({
    code: 'HOST_PROGRAM_FAILED',
    message: `${host.name}: the host program's "${verb}" ended with ${exitCode}: ${lastLine(stderr)}`,
    fix: 'run the command again with --verbose',
    failure: 'step',
  });
}

/** What to do about each failure that the host program reports. */
function fixOf(code: string, { name }: Host): string {
  switch (code) {
    case 'PROCESS_GONE':
      return `look again: runbook hang --host ${name}`;
    case 'GDB_MISSING':
      return `prepare the host: runbook prepare --host ${name} (or there: sudo apt-get install gdb)`;
    case 'TOOL_MISSING':
      return `prepare the host: runbook prepare --host ${name}`;
    case 'DISK_TOO_SMALL':
      return 'free space there, or name a directory on a larger disk';
    case 'GCORE_TIMEOUT':
      return 'give the step more time (timeout), or capture when the host has less to do';
    case 'GCORE_FAILED':
    case 'CORE_INCOMPLETE':
      return `try again: runbook capture --host ${name}; the process was left running`;
    case 'TARGET_UNINTERRUPTIBLE':
      return `see to what the kernel waits for there (storage, file server); to restart the service without a core: runbook hang --host ${name} --on-capture-failure recover`;
    case 'SERVICE_NOT_RUNNING':
      return 'start the service, or name another one with --service, or a process with --pid';
    case 'NO_PYTHON_PROCESS':
      return `name another service with --service, or a process with --pid; services of the host: runbook hosts`;
    case 'TARGET_STOPPED':
      return `wake it on the host: sudo kill -CONT PID`;
    case 'RECOVER_FAILED':
    case 'RECOVER_NO_ANSWER':
      return `look at the service on the host; its restart command can be given in the fleet file (services: restart)`;
    case 'NOT_PERMITTED':
      return `let the host know the fleet file's commands: runbook prepare --host ${name} --only host-program`;
    case 'STILL_RUNNING':
      return 'let it end, then run the command again';
    case 'NOT_OURS':
      return 'name another directory, owned by root and writable by nobody else';
    default:
      return 'run the command again with --verbose';
  }
}

function lastLine(text: string): string {
  return JSON.stringify(text.trimEnd().split('\n').at(-1) ?? '');
}

/** A reply of the host program that breaks off: it was cut, or the program there is another one. */
export function brokenReply(host: Host, verb: Verb, cause?: unknown): HangarError {
  return new HangarError({
    code: 'HOST_PROGRAM_FAILED',
    message: `${host.name}: the reply to "${verb}" breaks off${cause === undefined ? '' : `: ${messageOf(cause)}`}`,
    fix: 'run the command again',
    failure: 'step',
    ...(cause !== undefined && { cause }),
  });
}
