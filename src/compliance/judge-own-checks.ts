import type { Host } from '../fleet/host.ts';
import type { OwnAnswers } from './ask-own-checks.ts';
import { type Judgement, toResult } from './judgement.ts';
import { isMatch, matcherText } from './matcher.ts';
import type { OwnAnswer, OwnCheck, OwnQuestion } from './own-check.ts';
import type { CheckResult } from './schema.ts';
import { listText, saidText } from './units.ts';

/** A result of each of the user's checks that are for the host. Pure. */
export function judgeOwnChecks(
  { host, at }: { readonly host: Pick<Host, 'name'>; readonly at: Date },
  checks: readonly OwnCheck[],
  answers: OwnAnswers,
): readonly CheckResult[] {
  return checks
    .filter(({ isFor }) => isFor(host.name))
    .map(check => {
      const { title } = check;
      const result = toResult(check, judge(check, answers.get(check.id)), at);
      return title === undefined ? result : { ...result, title };
    });
}

interface Compared {
  readonly actual: string;
  readonly isMet: boolean;
}

function judge({ asks, fix }: OwnCheck, answer: OwnAnswer | undefined): Judgement {
  const expected = expectedOf(asks);
  const unseen = (why: string, how: string): Judgement => ({
    is: 'unseen',
    expected,
    actual: `not seen: ${why}`,
    fix: how,
  });
  if (answer === undefined) return unseen('the host was not asked', 'run the check again');
  if (answer.kind === 'unseen')
    return unseen(saidText(answer.why), answer.needsRoot ? rootFix : 'see the host, and run the check again');
  const compared = compare(asks, answer);
  if (compared === undefined) return unseen('the answer is of another kind', 'run the check again');
  if (typeof compared === 'string') return unseen(compared, 'mend the check in the checks file');
  const { actual, isMet } = compared;
  return isMet ? { is: 'met', expected, actual } : { is: 'deviating', expected, actual, fix };
}

const rootFix =
  'it needs root: give the user that logs in full sudo, or log in as root (`user`, `become` in the fleet file)';

function expectedOf(asks: OwnQuestion): string {
  switch (asks.kind) {
    case 'command':
      return [`exit code ${asks.exitCode}`, ...(asks.stdout ? [`its output ${matcherText(asks.stdout)}`] : [])].join(
        ', ',
      );
    case 'file':
      return asks.exists ? [`${asks.path} is there`, ...fileWords(asks)].join(', ') : `${asks.path} is not there`;
    case 'package':
      if (!asks.installed) return `${asks.name} is not installed`;
      return asks.version ? `${asks.name}: its version ${matcherText(asks.version)}` : `${asks.name} is installed`;
    case 'service':
      return `${asks.name} ${serviceWords(asks.running, asks.enabled)}`;
    case 'sysctl':
      return `${asks.name} = ${asks.value}`;
    case 'port':
      return `${portText(asks)} is ${asks.listening ? '' : 'not '}listened at`;
    default:
      return asks satisfies never;
  }
}

function fileWords({
  mode,
  owner,
  group,
  sha256,
  contains,
}: Extract<OwnQuestion, { kind: 'file' }>): readonly string[] {
  return [
    ...(mode === undefined ? [] : [`mode ${mode}`]),
    ...(owner === undefined ? [] : [`owner ${owner}`]),
    ...(group === undefined ? [] : [`group ${group}`]),
    ...(sha256 === undefined ? [] : [`SHA-256 ${sha256.slice(0, 12)}…`]),
    ...(contains === undefined ? [] : [`its text ${matcherText(contains)}`]),
  ];
}

function serviceWords(running: boolean | undefined, enabled: boolean | undefined): string {
  return [
    ...(running === undefined ? [] : [running ? 'is running' : 'is not running']),
    ...(enabled === undefined ? [] : [enabled ? 'starts with the host' : 'does not start with the host']),
  ].join(' and ');
}

function portText({ port, address }: Extract<OwnQuestion, { kind: 'port' }>): string {
  return `TCP port ${port}${address === undefined ? '' : ` of ${address}`}`;
}

/** Undefined: the answer is to another question; a text: why it cannot be judged. */
function compare(asks: OwnQuestion, answer: OwnAnswer): Compared | string | undefined {
  switch (asks.kind) {
    case 'command':
      return answer.kind === asks.kind ? compareCommand(asks, answer) : undefined;
    case 'file':
      return answer.kind === asks.kind ? compareFile(asks, answer) : undefined;
    case 'package':
      return answer.kind === asks.kind ? comparePackage(asks, answer) : undefined;
    case 'service':
      return answer.kind === asks.kind ? compareService(asks, answer) : undefined;
    case 'sysctl':
      return answer.kind === asks.kind ? compareSysctl(asks, answer) : undefined;
    case 'port':
      return answer.kind === asks.kind ? comparePort(asks, answer) : undefined;
    default:
      return asks satisfies never;
  }
}

type Asked<Kind extends OwnQuestion['kind']> = Extract<OwnQuestion, { kind: Kind }>;
type Answered<Kind extends OwnAnswer['kind']> = Extract<OwnAnswer, { kind: Kind }>;

function compareCommand(asks: Asked<'command'>, { exitCode, stdout, isCut }: Answered<'command'>): Compared | string {
  // timeout(1): 124 by TERM, 137 by KILL.
  if ((exitCode === 124 || exitCode === 137) && exitCode !== asks.exitCode)
    return `the command did not end within ${asks.timeoutSeconds} s (\`timeout\`)`;
  const said = saidText(stdout, 120);
  const actual = [`exit code ${exitCode}`, ...(said === '' ? [] : [`it printed "${said}"`])].join(', ');
  if (exitCode !== asks.exitCode) return { actual, isMet: false };
  if (asks.stdout === undefined) return { actual, isMet: true };
  const isMet = isMatch(asks.stdout, stdout);
  if (!isMet && isCut) return 'the command printed more than 4 KiB, and its beginning does not match';
  return { actual, isMet };
}

/** The text of a file is not shown: it may hold secrets. */
function compareFile(asks: Asked<'file'>, answer: Answered<'file'>): Compared | string {
  const { path } = asks;
  if (answer.status === 'absent') return { actual: `${path} is not there`, isMet: !asks.exists };
  if (!asks.exists) return { actual: `${path} is there`, isMet: false };
  if (asks.sha256 !== undefined && answer.sha256 === undefined) return 'its bytes could not be read';
  const { content } = answer;
  if (asks.contains !== undefined && content === undefined) return 'its text could not be read';
  const isTextMet = asks.contains === undefined || isMatch(asks.contains, content ?? '');
  if (!isTextMet && answer.isCut)
    return `${path} has more than 64 KiB, and its beginning does not match (use a command)`;
  const faults = [
    ...unlike('mode', asks.mode, answer.mode),
    ...unlike('owner', asks.owner, answer.owner),
    ...unlike('group', asks.group, answer.group),
    ...(asks.sha256 === undefined || asks.sha256 === answer.sha256 ? [] : ['other bytes']),
    ...(isTextMet ? [] : ['its text does not match']),
  ];
  return { actual: faults.length === 0 ? 'it is so' : `${path}: ${faults.join(', ')}`, isMet: faults.length === 0 };
}

function unlike(name: string, wanted: string | undefined, found: string): readonly string[] {
  return wanted === undefined || wanted === found ? [] : [`${name} ${found}`];
}

function comparePackage({ name, installed, version }: Asked<'package'>, answer: Answered<'package'>): Compared {
  if (answer.status === 'absent') return { actual: `${name} is not installed`, isMet: !installed };
  if (answer.status === 'half') return { actual: `${name} is not wholly installed`, isMet: false };
  const found = answer.version ?? '';
  return { actual: `${name} ${found}`, isMet: installed && (version === undefined || isMatch(version, found)) };
}

function compareService({ name, running, enabled }: Asked<'service'>, answer: Answered<'service'>): Compared {
  const { isRunning, isEnabled } = answer;
  const words = serviceWords(
    running === undefined ? undefined : isRunning,
    enabled === undefined ? undefined : isEnabled,
  );
  const isMet = (running ?? isRunning) === isRunning && (enabled ?? isEnabled) === isEnabled;
  return { actual: `${name} ${words}`, isMet };
}

function compareSysctl({ name, value }: Asked<'sysctl'>, { value: found }: Answered<'sysctl'>): Compared {
  if (found === undefined) return { actual: `this kernel has no ${name}`, isMet: false };
  const [wanted, is] = [value, found].map(text => text.trim().split(/\s+/).join(' '));
  return { actual: `${name} = ${saidText(found)}`, isMet: wanted === is };
}

function comparePort(asks: Asked<'port'>, { addresses }: Answered<'port'>): Compared {
  const isListening = asks.address === undefined ? addresses.length > 0 : addresses.includes(asks.address);
  const actual = addresses.length === 0 ? 'nothing listens' : `listened at ${listText(addresses, ', ')}`;
  return { actual, isMet: isListening === asks.listening };
}
