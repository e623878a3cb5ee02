import type { HostProfile } from '../fleet/host-profile.ts';
import { stampPath } from '../host/facts.ts';
import { commandsPath, programPath } from '../host/program.ts';
import { quote } from '../quote.ts';
import { library, whole } from './library.ts';

/**
 * What takes back what preparations added to a host, as one script for `sh -eu -s` on stdin, as root: packages that were
 * absent before, files (those that were there before are put back), the core directory once it is empty. The host's own
 * record says which; the profile adds what is ours by its name where that record is gone. Output: `readPrepared`.
 */
export function removeScript({ requirements }: HostProfile): string {
  const rules = requirements.flatMap(each => (each.kind === 'sudo-rule' ? [each.path] : []));
  const words = ['run_alone', 'take_back', stampPath, programPath, commandsPath, ...rules];
  return [library('remove'), ...whole(words.map(quote).join(' '))].join('\n');
}
