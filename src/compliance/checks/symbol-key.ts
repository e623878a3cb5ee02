import { createHash } from 'node:crypto';
import type { RepositoryFact } from '../../host/facts.ts';
import type { Judgement } from '../judgement.ts';
import type { SigningKey } from '../key-expiry.ts';
import { onHost, prepareOnly, type Situation, untold } from '../situation.ts';
import { dateText, durationText, saidText } from '../units.ts';
import { judgeFile } from './judge-file.ts';
import { ofKind, type RequirementOf } from './requirement-of.ts';

/** How long before its end a key is told. */
const soonSeconds = 30 * 86_400;

/** apt has the key of the symbol repository, it signs it, and does so for a while yet. */
export function judgeSymbolKey(requirement: RequirementOf<'symbol-key'>, situation: Situation): Judgement {
  const { path, from } = requirement;
  const expected = `${path} ${'package' in from ? 'holds the key' : "is the profile's key"} that signs the symbol repository`;
  const file = judgeFile(
    {
      path,
      expected,
      kind: 'file',
      // Debian's names of its keyrings with `.gpg` are links to those with `.pgp` since Debian 13.
      mayBeLink: 'package' in from,
      ...('base64' in from && { sha256: createHash('sha256').update(from.base64, 'base64').digest('hex') }),
      fix: prepareOnly(situation, requirement.id),
    },
    situation,
  );
  if (file.is !== 'met') return file;
  const repositories = repositoriesOf(requirement, situation);
  return (
    judgeSignature(requirement, situation, expected, repositories) ??
    judgeKeys(requirement, situation, expected, repositories)
  );
}

/** Those whose signature this keyring checks. */
function repositoriesOf({ path }: RequirementOf<'symbol-key'>, situation: Situation): readonly RepositoryFact[] {
  const isOnly = ofKind(situation.profile.requirements, 'symbol-key').length === 1;
  return situation.facts.repositories.filter(
    ({ role, keyring }) => role === 'symbols' && (keyring === undefined ? isOnly : keyring.path === path),
  );
}

function judgeSignature(
  requirement: RequirementOf<'symbol-key'>,
  situation: Situation,
  expected: string,
  repositories: readonly RepositoryFact[],
): Judgement | undefined {
  const wrong = repositories.find(({ signature }) => signature === 'invalid');
  if (wrong === undefined) return undefined;
  return {
    is: 'deviating',
    expected,
    actual: `the signature of ${wrong.url} ${wrong.suite} is not valid by it: ${saidText(wrong.said)}`,
    fix: newKeyFix(requirement, situation),
  };
}

function judgeKeys(
  requirement: RequirementOf<'symbol-key'>,
  situation: Situation,
  expected: string,
  repositories: readonly RepositoryFact[],
): Judgement {
  const keyring = situation.keyrings.get(requirement.path);
  if (keyring === undefined) return untold(situation, expected, requirement.path);
  const newKey = newKeyFix(requirement, situation);
  const deviating = (actual: string, fix = newKey): Judgement => ({ is: 'deviating', expected, actual, fix });
  if (keyring.status === 'unreadable')
    return deviating(
      `${requirement.path} holds no usable OpenPGP key: ${saidText(keyring.why)}`,
      prepareOnly(situation, requirement.id),
    );
  const end = lastEnd(signersOf(keyring.keys, repositories));
  if (end === 'revoked')
    return deviating(`${requirement.path} holds no key that may sign: all are revoked or not valid`);
  if (end === 'never') return { is: 'met', expected, actual: 'it does; the key does not expire' };
  const left = (end.getTime() - situation.received.getTime()) / 1000;
  if (left <= 0) return deviating(`the key expired on ${dateText(end)}`);
  if (left < soonSeconds) {
    const actual = `the key expires on ${dateText(end)}, in ${durationText(left)}`;
    return { is: 'deviating', severity: 'warning', expected, actual, fix: newKey };
  }
  return { is: 'met', expected, actual: `it does; the key expires on ${dateText(end)}` };
}

/** The keys that the check of the signature named; where it named none, all that may sign. */
function signersOf(keys: readonly SigningKey[], repositories: readonly RepositoryFact[]): readonly SigningKey[] {
  const named = repositories
    .flatMap(({ said }) => said.match(/\b(?:[0-9A-F]{64}|[0-9A-F]{40}|[0-9A-F]{16})\b/gi) ?? [])
    .map(hex => hex.toLowerCase());
  const signing = keys.filter(({ fingerprint }) => named.some(hex => fingerprint.endsWith(hex)));
  return signing.length > 0 ? signing : keys;
}

/** One valid signature is enough for apt: the key that lasts longest counts. */
function lastEnd(keys: readonly SigningKey[]): Date | 'never' | 'revoked' {
  const usable = keys.filter(({ isUsable }) => isUsable);
  if (usable.length === 0) return 'revoked';
  const ends = usable.flatMap(({ expires }) => (expires === undefined ? [] : [expires.getTime()]));
  return ends.length < usable.length ? 'never' : new Date(Math.max(...ends));
}

function newKeyFix({ id, from }: RequirementOf<'symbol-key'>, situation: Situation): string {
  return 'package' in from
    ? onHost(situation, `apt-get update && apt-get install --reinstall ${from.package}`)
    : `put the repository's present key into the file that \`key\` of the profile's symbolSources names, then: ${prepareOnly(situation, id)}`;
}
