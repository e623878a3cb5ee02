import { HangarError } from '../errors.ts';
import type { Fleet } from './fleet.ts';
import type { Host } from './host.ts';

export interface Selection {
  /** `web3`, `web*`, `role=web`, `all`; without an inventory ssh destinations. */
  readonly host: readonly string[];
  /** Left out again; the same forms. */
  readonly except: readonly string[];
}

/**
 * The hosts that are meant, each once, in the order of the fleet file.
 * @throws HangarError `UNKNOWN_HOST`, `EMPTY_SELECTION`
 */
export function selectHosts(fleet: Fleet | undefined, { host, except }: Selection): readonly Host[] {
  const selected = fleet === undefined ? destinations(host) : [...fleet.hosts.values()].filter(meant(fleet, host));
  const isLeftOut = fleet === undefined ? byName(except) : meant(fleet, except);
  const hosts = selected.filter(each => !isLeftOut(each));
  if (hosts.length > 0) return hosts;
  throw new HangarError({
    code: 'EMPTY_SELECTION',
    message: host.length === 0 ? 'no host is named' : `no host is selected by ${described({ host, except })}`,
    fix:
      fleet === undefined
        ? 'name one: --host user@host'
        : 'name one: --host NAME, web*, role=web or all; see which there are: runbook hosts',
    failure: 'usage',
  });
}

type Test = (host: Host) => boolean;

/** Every selector that is a plain name must name a host. */
function meant(fleet: Fleet, selectors: readonly string[]): Test {
  const unknown = selectors.filter(text => isPlain(text) && !fleet.hosts.has(text));
  if (unknown.length > 0) throw unknownHosts(unknown, fleet);
  const tests = selectors.map(selectorTest);
  return host => tests.some(test => test(host));
}

function isPlain(selector: string): boolean {
  return selector !== 'all' && !/[*?=]/.test(selector);
}

function selectorTest(selector: string): Test {
  if (selector === 'all') return () => true;
  const [label, value] = selector.split(/=(.*)/s);
  if (label !== undefined && value !== undefined) {
    const matches = glob(value);
    return ({ labels }) => matches(labels[label] ?? '') && label in labels;
  }
  const matches = glob(selector);
  return ({ name }) => matches(name);
}

/** `*` any text, `?` one character. */
function glob(pattern: string): (text: string) => boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const expression = new RegExp(`^${source}$`, 's');
  return text => expression.test(text);
}

function byName(names: readonly string[]): Test {
  return ({ name }) => names.some(each => glob(each)(name));
}

/** ssh destinations as ssh(1) takes them: `[user@]host`, `ssh://[user@]host[:port]`. */
function destinations(selectors: readonly string[]): readonly Host[] {
  return [...new Set(selectors)].map(destination);
}

function destination(text: string): Host {
  const found = /^(?:ssh:\/\/)?(?:([^@\s/]+)@)?(\[[^\]\s]+\]|[^\s:@/=*?]+)(?::(\d+))?\/?$/.exec(text);
  if (found === null || text.startsWith('-') || text === 'all') throw notADestination(text);
  const [, user, , port] = found;
  return {
    // No address: ssh_config may have one for this name.
    name: text,
    become: user === 'root' ? 'none' : 'sudo',
    labels: {},
    services: [],
    ...(user !== undefined && { user }),
    ...(port !== undefined && { port: Number(port) }),
  };
}

function notADestination(text: string): HangarError {
  return new HangarError({
    code: 'UNKNOWN_HOST',
    message: `"${text}" is not an ssh destination, and there is no fleet file that could explain it`,
    fix: 'name one (--host user@host), or the inventory (--fleet FILE)',
    failure: 'usage',
  });
}

function unknownHosts(names: readonly string[], fleet: Fleet): HangarError {
  const known = [...fleet.hosts.keys()];
  const shown = known.length > 12 ? `${known.slice(0, 12).join(', ')}, …` : known.join(', ');
  return new HangarError({
    code: 'UNKNOWN_HOST',
    message: `${names.map(name => `"${name}"`).join(', ')}: no such host in "${fleet.path}", which has ${shown}`,
    fix: 'name one of them, a pattern (web*), a label (role=web), or all',
    failure: 'usage',
  });
}

function described({ host, except }: Selection): string {
  const named = host.length === 0 ? 'nothing' : host.map(text => `"${text}"`).join(', ');
  return except.length === 0 ? named : `${named} except ${except.map(text => `"${text}"`).join(', ')}`;
}
