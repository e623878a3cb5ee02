import { access, readFile } from 'node:fs/promises';
import { HangarError } from '../errors.ts';
import { besideFleet } from '../fleet/beside-fleet.ts';
import { defined } from '../fleet/defined.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { HostName } from '../fleet/host.ts';
import { selectHosts } from '../fleet/select-hosts.ts';
import { YamlFile, type YamlPath } from '../fleet/yaml-problems.ts';
import { parseDuration } from '../quantity.ts';
import { isBuiltIn } from './built-in-checks.ts';
import { type CheckYaml, checksSchema, kindNames, type WaiverYaml } from './checks-schema.ts';
import { expression, type Matcher } from './matcher.ts';
import type { OwnCheck, OwnQuestion } from './own-check.ts';
import type { Waiver } from './waive.ts';
import { fits } from './wildcards.ts';
import { parseZonedTime } from './zoned-time.ts';

/** What users add to the checks, and what they take upon themselves. */
export interface ChecksFile {
  readonly path: string;
  readonly checks: readonly OwnCheck[];
  readonly waivers: readonly Waiver[];
}

/** `checks.yaml` beside the fleet file, where there is one. */
export async function findChecksFile(fleet: Pick<Fleet, 'path'>): Promise<string | undefined> {
  const path = besideFleet('checks.yaml', fleet.path);
  try {
    await access(path);
    return path;
  } catch {
    return undefined;
  }
}

/** Reads a checks file whole. @throws HangarError `NO_CHECKS_FILE`, `INVALID_CHECKS` with every problem and its place */
export async function loadChecks(path: string, fleet: Fleet | undefined): Promise<ChecksFile> {
  const file = new YamlFile(path, await read(path));
  const value = file.check(checksSchema);
  const loader = new Loader(file, fleet);
  const checks = (value?.checks ?? []).flatMap((each, index) => loader.check(each, ['checks', index]) ?? []);
  const waivers = (value?.waivers ?? []).flatMap((each, index) => loader.waiver(each, ['waivers', index]) ?? []);
  file.failIfWrong('INVALID_CHECKS', 'the checks file');
  return { path, checks, waivers };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new HangarError({
      code: 'NO_CHECKS_FILE',
      message: `the checks file "${path}" cannot be read`,
      fix: 'name one that can be read, or put checks.yaml beside the fleet file',
      failure: 'usage',
      cause,
    });
  }
}

/** Values of a file that has the right shape; what else is wrong with them is added to its problems. */
class Loader {
  readonly #file: YamlFile;
  readonly #fleet: Fleet | undefined;
  readonly #ids = new Set<string>();

  constructor(file: YamlFile, fleet: Fleet | undefined) {
    this.#file = file;
    this.#fleet = fleet;
  }

  check(written: CheckYaml, at: YamlPath): OwnCheck | undefined {
    const { id, severity = 'error', why, fix, title, host = 'all' } = written;
    if (isBuiltIn(id)) this.#file.add([...at, 'id'], `"${id}" is a check of our own: name yours otherwise`);
    if (this.#ids.has(id)) this.#file.add([...at, 'id'], `there are two checks "${id}"`);
    this.#ids.add(id);
    const selectors = typeof host === 'string' ? [host] : host;
    const tests = selectors.map((each, index) =>
      this.#hosts(each, [...at, 'host', ...(typeof host === 'string' ? [] : [index])]),
    );
    const asks = this.#question(written, at);
    if (asks === undefined) return undefined;
    const isFor = (name: HostName): boolean => tests.some(test => test(name));
    return { id, severity, why, fix, origin: 'own', isFor, asks, ...(title !== undefined && { title }) };
  }

  waiver(written: WaiverYaml, at: YamlPath): Waiver | undefined {
    const { check, host, reason, owner, expires, timezone } = written;
    const isFor = this.#hosts(host, [...at, 'host']);
    const time = parseZonedTime(expires, timezone);
    if ('at' in time) return { check, host, isFor, reason, owner, expires: time.at, expiresText: time.text };
    this.#file.add([...at, time.of === 'time' ? 'expires' : 'timezone'], time.problem);
    return undefined;
  }

  #question(written: CheckYaml, at: YamlPath): OwnQuestion | undefined {
    const given = kindNames.filter(name => Object.hasOwn(written, name));
    if (given.length !== 1) {
      const found = given.length === 0 ? 'none' : given.join(' and ');
      this.#file.add(given.length === 0 ? at : [...at, given[1] ?? ''], oneKind(found), { atKey: given.length > 0 });
      return undefined;
    }
    const { command, file, package: packaged, service, sysctl, port } = written;
    if (command !== undefined) return this.#command(command, [...at, 'command']);
    if (file !== undefined) return this.#fileQuestion(file, [...at, 'file']);
    if (packaged !== undefined) return this.#packageQuestion(packaged, [...at, 'package']);
    if (service !== undefined) {
      const { running = service.enabled === undefined ? true : undefined, ...rest } = service;
      return { kind: 'service', name: rest.name, ...defined({ running, enabled: rest.enabled }) };
    }
    if (sysctl !== undefined) return { kind: 'sysctl', name: sysctl.name, value: String(sysctl.value) };
    if (port === undefined) return undefined;
    const { listening = true, ...rest } = port;
    return { kind: 'port', port: rest.port, listening, ...defined({ address: rest.address }) };
  }

  #command(written: NonNullable<CheckYaml['command']>, at: YamlPath): OwnQuestion {
    const { run, exitCode = 0, stdout, become = false, timeout = '10s' } = written;
    const timeoutSeconds = parseDuration(timeout) ?? 0;
    if (timeoutSeconds <= 0 || timeoutSeconds > 300)
      this.#file.add(
        [...at, 'timeout'],
        `expected a duration of at most 5m, like 10s, found ${JSON.stringify(timeout)}`,
      );
    this.#matcher(stdout, [...at, 'stdout']);
    return { kind: 'command', run, exitCode, become, timeoutSeconds, ...defined({ stdout }) };
  }

  #fileQuestion(written: NonNullable<CheckYaml['file']>, at: YamlPath): OwnQuestion {
    const { path, exists = true, mode, sha256, ...rest } = written;
    this.#matcher(rest.contains, [...at, 'contains']);
    for (const key of ['mode', 'owner', 'group', 'sha256', 'contains'] as const)
      if (!exists && written[key] !== undefined)
        this.#file.add([...at, key], `a file that must not exist has no "${key}"`, { atKey: true });
    return {
      kind: 'file',
      path,
      exists,
      ...defined({ ...rest, mode: mode?.padStart(4, '0'), sha256: sha256?.toLowerCase() }),
    };
  }

  #packageQuestion(written: NonNullable<CheckYaml['package']>, at: YamlPath): OwnQuestion {
    const { name, installed = true, version } = written;
    this.#matcher(version, [...at, 'version']);
    if (!installed && version !== undefined)
      this.#file.add([...at, 'version'], 'a package that must not be installed has no "version"', { atKey: true });
    return { kind: 'package', name, installed, ...defined({ version }) };
  }

  #matcher(matcher: Matcher | undefined, at: YamlPath): void {
    if (matcher?.matches === undefined) return;
    try {
      expression(matcher.matches);
    } catch (error) {
      const why = error instanceof Error ? error.message.replace(/^.*: (?=[^:]*$)/s, '') : String(error);
      this.#file.add([...at, 'matches'], `not a regular expression: ${why.charAt(0).toLowerCase()}${why.slice(1)}`);
    }
  }

  /** Whether a host is meant; without an inventory by its name alone. */
  #hosts(selector: string, at: YamlPath): (host: HostName) => boolean {
    if (this.#fleet === undefined) {
      if (selector.includes('=')) this.#file.add(at, `"${selector}" selects by label, and there is no fleet file`);
      return name => selector === 'all' || fits(selector, name);
    }
    try {
      const names = new Set(selectHosts(this.#fleet, { host: [selector], except: [] }).map(({ name }) => name));
      return name => names.has(name);
    } catch (error) {
      if (!(error instanceof HangarError)) throw error;
      this.#file.add(at, error.message);
      return () => false;
    }
  }
}

function oneKind(found: string): string {
  return `a check has exactly one of ${kindNames.join(', ')}; this one has ${found}`;
}
