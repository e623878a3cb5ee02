import type { HostProfile, Requirement } from '../fleet/host-profile.ts';
import { stampPath } from '../host/facts.ts';
import { quote } from '../quote.ts';
import { library, measures, programFunction, whole } from './library.ts';
import { type Call, type Piece, piecesOf, stages, sysctlFileCalls } from './pieces.ts';

export interface PrepareOptions {
  /** Ids of the requirements to meet; absent: all. One that the profile does not have is passed over. */
  readonly only?: readonly string[];
}

/**
 * What makes a host meet its profile, as one script for `sh -eu -s -- [TOKEN]` on stdin, as root. It changes only what
 * differs; a second run changes nothing. With TOKEN, that is what the stamp says once all errors are mended
 * (`stampPath`). Output and exit codes: common.sh, `readPrepared`. Pure: the same profile gives the same text.
 */
export function prepareScript(profile: HostProfile, { only }: PrepareOptions = {}): string {
  const wanted = profile.requirements.filter(({ id }) => only === undefined || only.includes(id));
  return [
    library('prepare'),
    measures(),
    programFunction(),
    `allow_upgrades=${profile.allowUpgrades ? 'yes' : 'no'}`,
    '',
    'meet_profile() {',
    '  begin_lists',
    ...callsOf(profile, wanted, only).map(call => `  ${call.map(quote).join(' ')}`),
    `  leave_stamp "$1" ${quote(stampPath)}`,
    '}',
    '',
    ...whole('run_alone meet_profile "${1:-}"'),
  ].join('\n');
}

function callsOf(
  profile: HostProfile,
  wanted: readonly Requirement[],
  only: readonly string[] | undefined,
): readonly Call[] {
  const pieces = wanted.flatMap(each =>
    piecesOf(each, profile, only?.includes(each.id) === true).map(piece => ({ ...piece, requirement: each })),
  );
  return stages.flatMap(stage => {
    const calls = pieces.filter(piece => piece.stage === stage).map(callFor);
    if (stage === 'package') return [...calls, ['install_wanted']];
    if (stage === 'rest' && wanted.some(({ kind }) => kind === 'sysctl'))
      return [...sysctlFileCalls(profile), ...calls];
    return calls;
  });
}

function callFor({ call, requirement }: Piece & { readonly requirement: Requirement }): Call {
  return ['requirement', requirement.id, requirement.severity, ...call];
}
