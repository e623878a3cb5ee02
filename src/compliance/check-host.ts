import type { Host } from '../fleet/host.ts';
import { type HostProfile, resolveProfile } from '../fleet/host-profile.ts';
import type { Profile } from '../fleet/profile.ts';
import type { HostFacts } from '../host/facts.ts';
import type { SshSession } from '../ssh/session.ts';
import { askFacts, factsCommand } from './ask-facts.ts';
import { askOwnChecks } from './ask-own-checks.ts';
import type { ChecksFile } from './checks-file.ts';
import { factsRequest } from './facts-request.ts';
import { judgeHost } from './judge-host.ts';
import { judgeOwnChecks } from './judge-own-checks.ts';
import { readKeyrings } from './key-expiry.ts';
import { ownChecksScript } from './own-checks-script.ts';
import type { CheckResult } from './schema.ts';

export interface CheckedHost {
  readonly facts: HostFacts;
  /** What the profile means on this host. */
  readonly profile: HostProfile;
  readonly checks: readonly CheckResult[];
  /** ISO 8601 UTC. */
  readonly checkedAt: string;
}

export interface CheckHostOptions {
  /** The user's own checks, asked in a second round trip. */
  readonly own?: ChecksFile['checks'];
  readonly signal?: AbortSignal;
  readonly timeoutSeconds?: number;
}

type HostSession = Pick<SshSession, 'run'> & { readonly host: Host };

/** Asks a host whether it has what its profile says. Changes nothing there. Errors as `askFacts`. */
export async function checkHost(
  session: HostSession,
  profile: Profile,
  { own = [], ...options }: CheckHostOptions = {},
): Promise<CheckedHost> {
  const { host } = session;
  const sent = new Date();
  const facts = await askFacts(session, factsRequest(profile, host.services), options);
  const received = new Date();
  const resolved = resolveProfile(profile, facts, host);
  const keyrings = await readKeyrings(resolved, facts);
  const answers = await askOwnChecks(session, own, options);
  const checks = [
    ...judgeHost({ host, profile: resolved, facts, keyrings, sent, received }),
    ...judgeOwnChecks({ host, at: received }, own, answers),
  ];
  return { facts, profile: resolved, checks, checkedAt: received.toISOString() };
}

/** The commands that `checkHost` runs. */
export function checkHostCommands(host: Host, profile: Profile, own: ChecksFile['checks'] = []): readonly string[] {
  const mine = own.filter(({ isFor }) => isFor(host.name));
  return [
    factsCommand(host, factsRequest(profile, host.services)).line,
    ...(mine.length === 0 ? [] : ['sh -s', ...ownChecksScript(mine, host).trimEnd().split('\n')]),
  ];
}
