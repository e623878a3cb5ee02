import { programPath } from './program.ts';

/** Text of the sudoers file (sudoers(5)) of a prepared host: that user may run the host program as root, nothing else. */
export function sudoRule(user: string): string {
  return [
    '# Hangar: the host program alone, as root, without a password.',
    `${escaped(user)} ALL=(root) NOPASSWD: ${programPath}`,
    `Defaults!${programPath} ${settings.join(', ')}`,
    '',
  ].join('\n');
}

/** Nothing of the caller's reaches the program, and no log of sudo's (sudoers(5), `log_output`) holds a core. */
const settings = [
  'env_reset',
  '!setenv',
  'secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"',
  '!requiretty',
  '!use_pty',
  '!log_input',
  '!log_output',
] as const;

/** Characters that mean something else in a user name there, `@` of a directory's users among them. */
function escaped(user: string): string {
  return user.replaceAll(/[^A-Za-z0-9_.-]/g, String.raw`\$&`);
}
