import type { HostProfile, Requirement } from '../fleet/host-profile.ts';
import { commandsPath, commandsText, programPath } from '../host/program.ts';
import { sudoRule } from '../host/sudo-rule.ts';

/** A call of a function of prepare.sh: its name and arguments, not yet quoted. */
export type Call = readonly [name: string, ...args: readonly string[]];

/** What is called for one requirement; each stage runs for all of them before the next begins. */
export interface Piece {
  readonly stage: Stage;
  readonly call: Call;
}

/** Keys before the sources that they sign, those before the packages; the disk is judged once all is written. */
export const stages = ['room', 'key', 'source', 'package', 'rest', 'end'] as const;
export type Stage = (typeof stages)[number];

/** How one requirement of the profile is met. `isNamed`: the operator asked for this very one. */
export function piecesOf(requirement: Requirement, profile: HostProfile, isNamed: boolean): readonly Piece[] {
  switch (requirement.kind) {
    case 'package':
      return [{ stage: 'package', call: packageCall(requirement) }];
    case 'symbol-key':
      return [{ stage: 'key', call: keyCall(requirement) }];
    case 'symbol-source':
      return [{ stage: 'source', call: sourceCall(requirement) }];
    case 'symbol-repository':
      return [];
    case 'sysctl':
      return [{ stage: 'rest', call: sysctlCall('have_sysctl', requirement) }];
    case 'core-directory':
      return coreDirectoryPieces(requirement, profile);
    case 'host-program':
      return [
        { stage: 'rest', call: ['have_host_program', programPath, commandsPath, commandsText(requirement.commands)] },
      ];
    case 'sudo-rule':
      return [{ stage: 'rest', call: sudoCall(requirement) }];
    case 'free-disk':
      return diskPieces(requirement);
    case 'left-over-cores':
      return leftOverPieces(requirement);
    case 'replaced-programs':
      if (!requirement.restart && !isNamed) return [];
      return [{ stage: 'end', call: ['have_current_programs', ...requirement.services] }];
    default:
      return requirement satisfies never;
  }
}

/** The file of kernel settings holds all of the profile's, also where only one of them is asked for. */
export function sysctlFileCalls(profile: HostProfile): readonly Call[] {
  const calls = profile.requirements.flatMap(each => (each.kind === 'sysctl' ? [sysctlCall('persist', each)] : []));
  return [...calls, ['persist_all']];
}

type RequirementOf<Kind extends Requirement['kind']> = Extract<Requirement, { readonly kind: Kind }>;

function packageCall({ name, versionOf, ifOffered }: RequirementOf<'package'>): Call {
  const wrong = [name, ...versionOf].find(each => !isPackageName(each));
  if (wrong !== undefined) return ['cannot', `'${wrong}' is not a package name`];
  return ['want_package', name, yesNo(ifOffered), ...versionOf];
}

/** deb-control(5), "Package". */
function isPackageName(text: string): boolean {
  return /^[a-z0-9][a-z0-9.+-]+$/.test(text);
}

function keyCall({ path, from }: RequirementOf<'symbol-key'>): Call {
  if (!isPlainPath(path)) return notPlain(path);
  if ('base64' in from) return ['have_symbol_key', path, from.base64];
  if (!isPackageName(from.package)) return ['cannot', `'${from.package}' is not a package name`];
  return ['have_key_package', path, from.package];
}

function sourceCall({ path, text, obsolete }: RequirementOf<'symbol-source'>): Call {
  const wrong = [path, ...obsolete].find(each => !isPlainPath(each));
  return wrong === undefined ? ['have_symbol_source', path, text, ...obsolete] : notPlain(wrong);
}

function sysctlCall(call: 'have_sysctl' | 'persist', { name, value, orLess }: RequirementOf<'sysctl'>): Call {
  return [call, name, value, yesNo(orLess)];
}

function sudoCall({ path, user }: RequirementOf<'sudo-rule'>): Call {
  if (!isPlainPath(path)) return notPlain(path);
  // sudoers(5): in capitals it is an alias, ALL everybody; other marks make it a group, a number or a netgroup.
  if (/^[A-Z][A-Z0-9_]*$/.test(user) || !/^[\w.@\\-]+\$?$/.test(user))
    return ['cannot', `sudoers(5) has no way to name the user '${user}'`];
  return ['have_sudo_rule', path, sudoRule(user)];
}

function coreDirectoryPieces({ path }: RequirementOf<'core-directory'>, profile: HostProfile): readonly Piece[] {
  if (!isPlainPath(path)) return [{ stage: 'rest', call: notPlain(path) }];
  const expires = profile.requirements.some(each => each.kind === 'left-over-cores' && each.path === path);
  return [
    { stage: 'rest', call: ['have_core_directory', path] },
    // /var/tmp is cleaned after 30 days by systemd's own rule; a line of its own takes a path out of that.
    ...(expires ? [] : [{ stage: 'rest', call: ['keep_cores', `${tmpfilesHead}x ${path}\n`] } as const]),
  ];
}

const tmpfilesHead = '# Written by Hangar (runbook prepare): cores that nobody fetched.\n';

function leftOverPieces({ path, keepSeconds }: RequirementOf<'left-over-cores'>): readonly Piece[] {
  if (!isPlainPath(path)) return [{ stage: 'rest', call: notPlain(path) }];
  const seconds = `${Math.ceil(keepSeconds)}`;
  return [
    { stage: 'rest', call: ['have_no_left_over_cores', path, seconds] },
    { stage: 'rest', call: ['keep_cores', `${tmpfilesHead}e ${path} - - - ${seconds}s\n`] },
  ];
}

function diskPieces({ path, minBytes, cores }: RequirementOf<'free-disk'>): readonly Piece[] {
  if (!isPlainPath(path)) return [{ stage: 'end', call: notPlain(path) }];
  const args = [path, `${minBytes}`, `${cores}`];
  return [
    { stage: 'room', call: ['make_room', ...args] },
    { stage: 'end', call: ['have_free_disk', ...args] },
  ];
}

/** Absolute, below some directory, and of characters that no file that we write gives a meaning of its own. */
function isPlainPath(path: string): boolean {
  return /^(\/[\w+][\w.+-]*|\/\.[\w+-][\w.+-]*)+$/.test(path);
}

function notPlain(path: string): Call {
  return ['cannot', `'${path}' is not an absolute path of letters, digits, "/", ".", "_", "+" and "-"`];
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}
