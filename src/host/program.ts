import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Where a prepared host has the host program, owned by root. */
export const programPath = '/usr/local/lib/hangar/host';

/** Where a prepared host has the SHA-256 of each command that the host program may run for who has the sudo rule. */
export const commandsPath = '/usr/local/lib/hangar/commands';

/** Text of that file: a service's own `check` and `restart`, as the fleet file has them. */
export function commandsText(commands: readonly string[]): string {
  const sums = commands.map(command => createHash('sha256').update(command).digest('hex'));
  return ['# Commands that the host program may run as root, by their SHA-256.', ...new Set(sums), ''].join('\n');
}

/** What it can do; program.sh documents arguments, output and exit codes of each. */
export type Verb =
  | 'find'
  | 'evidence'
  | 'core'
  | 'core-frame'
  | 'modules'
  | 'module'
  | 'read'
  | 'recover'
  | 'outcome'
  | 'stop'
  | 'clean'
  | 'facts';

/** Text of the host program: POSIX shell, the same for every host. */
export function programText(): string {
  text ??= readFileSync(new URL('program.sh', import.meta.url), 'utf8');
  return text;
}

/** SHA-256 of the text in hex: tells whether a host has this very program. */
export function programSha256(): string {
  return createHash('sha256').update(programText()).digest('hex');
}

let text: string | undefined;
