import { createHash } from 'node:crypto';
import type { Host } from '../src/fleet/host.ts';
import type { Answer, Asked, Deviation, Machine } from './readiness.ts';

/** Properties of the command that one host's preparation is. */
export interface Preparation {
  /** Command line of `create` and `update`. */
  readonly line: string;
  readonly stdin: string;
}

/** What prepares a host that answered so; a host that was not asked gets a command that fails, and is never run. */
export function preparation(host: Pick<Host, 'become' | 'user'>, answer: Answer): Preparation {
  switch (answer.status) {
    case 'asked':
      return { line: commandLine(host, tokenOf(answer), answer.deviations), stdin: answer.script };
    case 'unreachable':
      return { line: 'false # not asked', stdin: '' };
    default:
      return answer satisfies never;
  }
}

/**
 * Inputs that may differ from the state without anything being done. `create` differs after each mend, and only `update`
 * is to show. A host that is ready needs nothing, whatever became of keys, paths and the script; of one that was not asked
 * nobody knows what it needs.
 */
export function ignoredInputs(answer: Answer | undefined): readonly string[] {
  if (answer === undefined || (answer.status === 'asked' && answer.deviations.length > 0)) return ['create'];
  return ['addPreviousOutputInEnv', 'connection', 'create', 'logging', 'stdin', 'update'];
}

/**
 * What tells this preparation from the one before it: of a host that is ready the stamp that it has, else something that
 * the next mend changes, so that the same deviation shows again when it comes again. The script leaves it as the stamp.
 */
export function tokenOf({ machine, deviations }: Pick<Asked, 'machine' | 'deviations'>): string {
  const stamp = validStamp(machine);
  if (stamp !== undefined && deviations.length === 0) return stamp;
  const ids = deviations.map(({ id }) => id).sort();
  return createHash('sha256')
    .update(JSON.stringify([stamp ?? [machine.machineId, machine.packagesChangedSeconds], ids]))
    .digest('hex')
    .slice(0, tokenDigits);
}

const tokenDigits = 16;

/** What is written on a host is not to be trusted: it would end in a command line. */
function validStamp({ stamp }: Machine): string | undefined {
  return stamp !== undefined && new RegExp(`^[0-9a-f]{${tokenDigits}}$`).test(stamp) ? stamp : undefined;
}

/** Seconds after which the host itself ends a preparation, and how long it then may take to end. */
const limit = { seconds: 1800, graceSeconds: 10 } as const;

/** What is deviating stands behind the command, for people: a preview shows this line. */
function commandLine(
  { become, user }: Pick<Host, 'become' | 'user'>,
  token: string,
  deviations: readonly Deviation[],
): string {
  const sudo = become === 'none' || user === 'root' ? '' : 'sudo -n ';
  const line = `${sudo}timeout -k ${limit.graceSeconds} ${limit.seconds} sh -eu -s -- ${token}`;
  return deviations.length === 0 ? line : `${line} # ${comment(deviations)}`;
}

/** One line of harmless characters: an end of line would end the comment, and what follows would run. */
function comment(deviations: readonly Deviation[]): string {
  const text = deviations.map(({ words }) => words.replaceAll(/[^A-Za-z0-9 :,.()_=/+-]+/g, ' ').trim()).join(', ');
  return text.length > 600 ? `${text.slice(0, 596)} ...` : text;
}

/** Why the host is not known to be ready, one line for each reason; none where it is. */
export function shortcomings(answer: Answer): readonly string[] {
  switch (answer.status) {
    case 'asked':
      return answer.deviations.map(({ words }) => oneLine(words));
    case 'unreachable':
      return [oneLine(`${answer.error.message}; fix: ${answer.error.fix}`)];
    default:
      return answer satisfies never;
  }
}

export function warnings(answer: Answer): readonly string[] {
  return answer.status === 'asked' ? answer.warnings.map(({ words }) => oneLine(words)) : [];
}

/** A host's words reach a terminal. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ');
}
