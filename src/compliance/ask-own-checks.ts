import type { Host } from '../fleet/host.ts';
import { readSockets } from '../host/sockets.ts';
import type { SshSession } from '../ssh/session.ts';
import type { OwnAnswer, OwnCheck } from './own-check.ts';
import { contentBytes, outputBytes, ownChecksScript, ownSeconds } from './own-checks-script.ts';

export type OwnAnswers = ReadonlyMap<OwnCheck['id'], OwnAnswer>;

/**
 * Asks a host, in one round trip, the user's checks that are for it.
 * @throws HangarError as `SshSession.run`
 */
export async function askOwnChecks(
  session: Pick<SshSession, 'run'> & { readonly host: Host },
  checks: readonly OwnCheck[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<OwnAnswers> {
  const mine = checks.filter(({ isFor }) => isFor(session.host.name));
  if (mine.length === 0) return new Map();
  const script = ownChecksScript(mine, session.host);
  const timeoutSeconds = 30 + mine.reduce((sum, { asks }) => sum + secondsOf(asks), 0);
  const { stdout } = await session.run({ line: 'sh -s', stdin: script }, { ...options, timeoutSeconds });
  return readOwnAnswers(stdout.toString('utf8'), mine);
}

/** At most; a command that is ended has 2 s for that. */
function secondsOf(asks: OwnCheck['asks']): number {
  return asks.kind === 'command' ? asks.timeoutSeconds + 3 : 2 * ownSeconds;
}

/** What the script printed, by the id of the check. */
export function readOwnAnswers(printed: string, checks: readonly OwnCheck[]): OwnAnswers {
  const sections = new Map<number, readonly string[]>();
  for (const [, index, lines = ''] of printed.matchAll(/^check (\d+)\n([^]*?)^end$/gm))
    sections.set(
      Number(index),
      lines.split('\n').filter(line => line !== ''),
    );
  return new Map(checks.map(({ id, asks }, index) => [id, readAnswer(asks.kind, sections.get(index))] as const));
}

function readAnswer(kind: OwnCheck['asks']['kind'], lines: readonly string[] | undefined): OwnAnswer {
  if (lines === undefined) return unseen('the host did not answer it');
  const refused = valueOf(lines, 'unseen');
  if (refused !== undefined) {
    const [needsRoot, why = ''] = refused.split(' ');
    return { ...unseen(decoded(why).toString('utf8').trim()), needsRoot: needsRoot === 'root' };
  }
  switch (kind) {
    case 'command':
      return readCommand(lines);
    case 'file':
      return readFile(lines);
    case 'package':
      return readPackage(lines);
    case 'service':
      return { kind, isRunning: lines.includes('running'), isEnabled: lines.includes('enabled') };
    case 'sysctl': {
      const value = valueOf(lines, 'text');
      return { kind, value: value === undefined ? undefined : decoded(value).toString('utf8').trim() };
    }
    case 'port': {
      const sockets = readSockets(lines.filter(line => line.startsWith('net ')));
      const locals = [...sockets.values()].flatMap(({ local }) => (local === undefined ? [] : [local]));
      return {
        kind,
        addresses: [...new Set(locals.map(local => local.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '')))],
      };
    }
    default:
      return kind satisfies never;
  }
}

function readCommand(lines: readonly string[]): OwnAnswer {
  const [text, code] = [valueOf(lines, 'text'), valueOf(lines, 'exit')];
  if (code === undefined || !/^\d+$/.test(code)) return unseen('the host did not say how the command ended');
  const bytes = decoded(text ?? '');
  return {
    kind: 'command',
    exitCode: Number(code),
    stdout: bytes.subarray(0, outputBytes).toString('utf8'),
    isCut: bytes.length > outputBytes,
  };
}

function readFile(lines: readonly string[]): OwnAnswer {
  if (lines.includes('absent')) return { kind: 'file', status: 'absent' };
  const [mode, owner, group] = valueOf(lines, 'file')?.split(' ') ?? [];
  if (mode === undefined || owner === undefined || group === undefined)
    return unseen('the host did not describe the file');
  const [hash, text] = [valueOf(lines, 'hash'), valueOf(lines, 'text')];
  const bytes = text === undefined ? undefined : decoded(text);
  return {
    kind: 'file',
    status: 'present',
    mode: mode.padStart(4, '0'),
    owner,
    group,
    isCut: (bytes?.length ?? 0) > contentBytes,
    ...(hash !== undefined && hash !== '' && { sha256: hash }),
    ...(bytes !== undefined && { content: bytes.subarray(0, contentBytes).toString('utf8') }),
  };
}

/** Of several architectures one that is installed counts (dpkg-query(1), `db:Status-Abbrev`: wanted, status, error). */
function readPackage(lines: readonly string[]): OwnAnswer {
  const found = lines.flatMap(line => {
    const match = /^package (.)(.).*?\|(.*)$/.exec(line);
    return match === null ? [] : [{ state: match[2] ?? 'n', version: match[3] ?? '' }];
  });
  const installed = found.find(({ state }) => state === 'i');
  if (installed !== undefined) return { kind: 'package', status: 'installed', version: installed.version };
  const isHalf = found.some(({ state }) => !'nc'.includes(state));
  return { kind: 'package', status: isHalf ? 'half' : 'absent' };
}

/** The rest of the line that begins with the key. */
function valueOf(lines: readonly string[], key: string): string | undefined {
  const line = lines.find(each => each === key || each.startsWith(`${key} `));
  return line?.slice(key.length + 1);
}

function decoded(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}

function unseen(why: string): Extract<OwnAnswer, { kind: 'unseen' }> {
  return { kind: 'unseen', why, needsRoot: false };
}
