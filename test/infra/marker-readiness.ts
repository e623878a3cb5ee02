import type { Readiness } from '../../infra/readiness.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import { stampPath } from '../../src/host/facts.ts';
import { openSession } from '../../src/ssh/open-session.ts';

export const wantedFile = '/srv/wanted';
export const nastyFile = '/srv/nasty';
/** Gets a line at each preparation. */
export const preparedLog = '/srv/prepared-log';
/** Where it is, preparing mends nothing. */
export const stubborn = '/srv/stubborn';

/** The least that a host can be asked: whether files are there. */
export function markerReadiness(fleet: Fleet): Readiness {
  return {
    async ask(host, _profile, signal) {
      const session = await openSession(host, { fleet, signal });
      try {
        const { stdout } = await session.run({ line: 'sh', stdin: question }, { signal });
        const [stamp, machineId, ...missing] = stdout.toString().trimEnd().split('\n');
        return {
          machine: { ...(stamp && { stamp }), ...(machineId && { machineId }) },
          deviations: missing
            .filter(line => line.startsWith('/'))
            .map(path => ({ id: `file:${path}`, words: `file:${path}: absent; $(touch /srv/ran)\ntouch /srv/ran` })),
          warnings: missing.includes('warn') ? [{ id: 'clock', words: 'clock: 40 s off, expected at most 30 s' }] : [],
          versions: { wanted: '1' },
          script,
        };
      } finally {
        await session.close();
      }
    },
    async reach(host, signal) {
      await (await openSession(host, { fleet, signal })).close();
    },
  };
}

const question = `
cat ${stampPath} 2>/dev/null; echo
cat /etc/machine-id 2>/dev/null || echo
for f in ${wantedFile} ${nastyFile}; do [ -e $f ] || echo $f; done
[ ! -e /srv/warn ] || echo warn
`;

const script = `
echo what the script "$(echo printed)"
date +%s.%N >>${preparedLog}
[ -e ${stubborn} ] || touch ${wantedFile} ${nastyFile}
mkdir -p "$(dirname ${stampPath})"
printf '%s' "$1" >${stampPath}
`;
