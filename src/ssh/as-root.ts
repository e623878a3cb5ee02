import type { Host } from '../fleet/host.ts';
import type { RemoteCommand } from './session.ts';

/** The same simple command run as root, as the host says how: never with a question (`sudo -n`). */
export function asRoot({ become, user }: Host, command: RemoteCommand): RemoteCommand {
  if (become === 'none' || user === 'root') return command;
  return { ...command, line: `sudo -n -- ${command.line}` };
}
