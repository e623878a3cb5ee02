import type { Host } from '../fleet/host.ts';
import type { HostProfile } from '../fleet/host-profile.ts';
import type { HostFacts } from '../host/facts.ts';
import { quote } from '../quote.ts';
import type { Judgement } from './judgement.ts';
import type { Keyrings } from './key-expiry.ts';
import { saidText } from './units.ts';

/** All that a host is judged by. */
export interface Situation {
  readonly host: Host;
  /** What it must have. */
  readonly profile: HostProfile;
  readonly facts: HostFacts;
  /** Keys by the path of their keyring (`readKeyrings`). */
  readonly keyrings: Keyrings;
  /** By our clock, when the facts were asked for, and when they had come. */
  readonly sent: Date;
  readonly received: Date;
}

/** The command that mends what this check found. */
export function prepareOnly(situation: Situation, id: string): string {
  return `${prepareAll(situation)} --only ${quote(id)}`;
}

/** The command that gives the host all that its profile asks for. */
export function prepareAll({ host }: Pick<Situation, 'host'>): string {
  return `runbook prepare --host ${quote(host.name)}`;
}

/** What a person has to type on the host. */
export function onHost({ host }: Situation, command: string): string {
  return `on ${host.name}, as root: ${command}`;
}

/** The judgement of what only root sees, where we are not root. */
export function hidden(situation: Situation, expected: string): Judgement {
  return { is: 'unseen', expected, actual: `not seen: ${refusalText(situation)}`, fix: accessFix(situation) };
}

/** The judgement of what the host's answer says nothing of. */
export function untold(situation: Situation, expected: string, what: string): Judgement {
  const gap = situation.facts.gaps.find(each => each.what.includes(what));
  return {
    is: 'unseen',
    expected,
    actual: gap === undefined ? `the host did not tell ${what}` : `not seen: ${saidText(gap.why)}`,
    fix: gap?.fix ?? prepareOnly(situation, 'host-program'),
  };
}

/** Why we are not root. */
export function refusalText({ facts }: Situation): string {
  const { user, refusal } = facts;
  return refusal === undefined ? `"${user}" is not root` : `sudo refuses "${user}": ${saidText(refusal)}`;
}

/** How to become root. */
export function accessFix(situation: Pick<Situation, 'host' | 'facts'>, option = ''): string {
  const { facts } = situation;
  return `in the fleet file name a \`user\` who may become root (\`become: sudo\`, or \`none\` for root) until it is prepared, or give "${facts.user}" full sudo for that; then: ${prepareAll(situation)}${option}`;
}
