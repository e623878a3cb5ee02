import { checkHost } from '../src/compliance/check-host.ts';
import type { CheckResult } from '../src/compliance/schema.ts';
import type { Fleet } from '../src/fleet/fleet.ts';
import type { Host } from '../src/fleet/host.ts';
import type { HostProfile } from '../src/fleet/host-profile.ts';
import type { HostFacts } from '../src/host/facts.ts';
import { prepareScript } from '../src/prepare/prepare-script.ts';
import { openSession } from '../src/ssh/open-session.ts';
import type { SshSession } from '../src/ssh/session.ts';
import type { Asked, Deviation, Readiness } from './readiness.ts';

/** Asks hosts over our own SSH what compliance asks; what is lacking and what mends it follow from one profile. */
export function sshReadiness(fleet?: Fleet): Readiness {
  return {
    async ask(host, profile, signal) {
      return withSession(host, signal, async session => {
        const checked = await checkHost(session, profile, { signal });
        return {
          machine: checked.facts,
          ...sorted(checked.checks),
          versions: versionsOf(checked.facts, checked.profile),
          script: prepareScript(checked.profile),
        };
      });
    },
    reach: (host, signal) => withSession(host, signal, async () => undefined),
  };

  async function withSession<T>(host: Host, signal: AbortSignal, act: (session: SshSession) => Promise<T>): Promise<T> {
    const session = await openSession(host, { ...(fleet && { fleet }), signal });
    try {
      return await act(session);
    } finally {
      await session.close();
    }
  }
}

/** What could not be judged (`error`) is not known to be in order: it weighs as much as what is not. */
function sorted(checks: readonly CheckResult[]): Pick<Asked, 'deviations' | 'warnings'> {
  const wrong = checks.filter(({ state }) => state === 'fail' || state === 'warn' || state === 'error');
  return {
    deviations: wrong.filter(each => !isWarning(each)).map(inWords),
    warnings: wrong.filter(isWarning).map(inWords),
  };
}

function isWarning({ state, severity }: CheckResult): boolean {
  return state === 'warn' || severity === 'warning';
}

function inWords({ id, actual, expected }: CheckResult): Deviation {
  return { id, words: `${id}: ${actual}, expected ${expected}` };
}

function versionsOf({ packages }: HostFacts, { requirements }: HostProfile): Asked['versions'] {
  const versions = requirements.flatMap(each => {
    const version = each.kind === 'package' ? packages.get(each.name)?.version : undefined;
    return each.kind !== 'package' || version === undefined ? [] : [[each.name, version] as const];
  });
  return Object.fromEntries(versions);
}
