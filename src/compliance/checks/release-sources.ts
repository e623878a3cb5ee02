import type { RepositoryFact } from '../../host/facts.ts';
import { quote } from '../../quote.ts';
import type { Judgement } from '../judgement.ts';
import { findRelease } from '../release-table.ts';
import { onHost, type Situation, untold } from '../situation.ts';
import { listText, saidText } from '../units.ts';

/** The host's apt sources answer, also where support of its release is over. */
export function judgeReleaseSources(situation: Situation): Judgement {
  const { os, aptVersion, repositories } = situation.facts;
  const expected = `the apt sources of ${os.name} answer`;
  if (aptVersion === undefined) return { is: 'not-applicable', expected, actual: 'there is no apt' };
  const release = findRelease(os);
  if (release === undefined) return unknownRelease(situation);
  const today = situation.received.toISOString().slice(0, 10);
  const isOver = release.supportEnds !== undefined && release.supportEnds < today;
  const support =
    release.supportEnds === undefined
      ? 'no end of support is set'
      : `support ${isOver ? 'ended' : 'ends'} on ${release.supportEnds}`;
  const asked = repositories.filter(({ role }) => role === 'release');
  if (asked.length === 0) return untold(situation, expected, 'which apt sources it has');
  const silent = asked.filter(({ isReachable }) => !isReachable);
  if (silent.length === 0) return { is: 'met', expected, actual: `they answer; ${support}` };
  const said = silent.map(({ url, suite, said: words }) => `${url} ${suite}: ${saidText(words)}`);
  return {
    is: 'deviating',
    severity: isOver ? 'error' : 'warning',
    expected,
    actual: `no answer from ${listText(said)}; ${support}`,
    fix: isOver
      ? archiveFix(situation, silent)
      : `see that the host may reach them: ${onHost(situation, 'apt-get update')}`,
  };
}

function unknownRelease({ facts: { os } }: Situation): Judgement {
  return {
    is: 'deviating',
    severity: 'warning',
    expected: 'a release whose end of support is known',
    actual: `"${os.name}" (${os.id} ${os.versionId} ${os.codename}) is not known here`,
    fix: 'see with its maker until when it is supported, and waive this check until then (`waivers` of the checks file)',
  };
}

/** Where the releases lie whose support is over. */
function archiveFix(situation: Situation, silent: readonly RepositoryFact[]): string {
  const urls = [...new Set(silent.map(({ url }) => url))];
  const edits = urls.map(url => `s#${escaped(url)}/?( |$)#${archiveOf(url, situation.facts.os.id)}\\1#`);
  const files = '$(find /etc/apt/sources.list /etc/apt/sources.list.d -type f)';
  const isDated = situation.facts.os.id === 'debian';
  return [
    'point apt at the archive',
    onHost(situation, `sed -Ei ${quote(edits.join(';'))} ${files}`),
    // The dates in the Release files of the archive are over.
    ...(isDated ? [`echo 'Acquire::Check-Valid-Until "false";' > /etc/apt/apt.conf.d/90archived`] : []),
    'apt-get update',
  ]
    .join(' && ')
    .replace(' && ', ': ');
}

function archiveOf(url: string, distribution: string): string {
  if (distribution === 'ubuntu') return 'http://old-releases.ubuntu.com/ubuntu';
  return url.includes('security') ? 'http://archive.debian.org/debian-security' : 'http://archive.debian.org/debian';
}

/** In an extended regular expression between `#`. */
function escaped(url: string): string {
  return url.replaceAll(/[.+*?()[\]{}^$|\\#]/g, String.raw`\$&`);
}
