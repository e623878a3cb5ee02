import type { YamlFile } from '../fleet/yaml-problems.ts';
import { isIdentifier, isReservedParam } from './names.ts';
import { parseParam } from './params.ts';
import { parseDuration, parseSize } from './quantity.ts';
import type { Param } from './runbook.ts';
import type { ParamFile } from './schema.ts';

/** The params of a runbook file; what is wrong with them is added to the file. */
export function loadParams(
  file: YamlFile,
  params: Readonly<Record<string, ParamFile>> = {},
): ReadonlyMap<string, Param> {
  return new Map(Object.entries(params).map(([name, param]) => [name, loadParam(file, name, param)]));
}

function loadParam(file: YamlFile, name: string, written: ParamFile): Param {
  const at = ['params', name];
  if (!isIdentifier(name)) file.add(at, `"${name}" is no name: use camelCase`, { atKey: true });
  if (isReservedParam(name)) file.add(at, `"${name}" is an option of the command line itself`, { atKey: true });
  checkBounds(file, at, written);
  const param = withoutDefault(file, name, written);
  if (written.default === undefined) return param;
  const parsed = parseParam(param, written.default);
  if ('value' in parsed) return { ...param, default: parsed.value };
  file.add([...at, 'default'], parsed.problem);
  return param;
}

const measured = ['integer', 'number', 'duration', 'size'];

/** What the type has no use for is a mistake. */
function checkBounds(
  file: YamlFile,
  at: readonly string[],
  { type, values, min, max, pattern, required, default: preset }: ParamFile,
): void {
  if (type === 'enum' && values === undefined) file.add(at, 'an enum needs values: [a, b]');
  if (type !== 'enum' && values !== undefined)
    file.add([...at, 'values'], `only an enum has values, this is a ${type}`);
  if (pattern !== undefined && type !== 'string' && type !== 'path')
    file.add([...at, 'pattern'], `only a string or a path has a pattern, this is a ${type}`);
  for (const [key, bound] of Object.entries({ min, max }))
    if (bound !== undefined && !measured.includes(type))
      file.add([...at, key], `only ${measured.join(', ')} have "${key}", this is a ${type}`);
    else if (bound !== undefined && boundOf(type, bound) === undefined)
      file.add([...at, key], `expected a ${type}, found ${JSON.stringify(bound)}`);
  const [low, high] = [min, max].map(bound => (bound === undefined ? undefined : boundOf(type, bound)));
  if (low !== undefined && high !== undefined && low > high) file.add([...at, 'min'], `min ${min} is above max ${max}`);
  if (required === true && preset !== undefined)
    file.add([...at, 'required'], 'a param with a default is never missing');
}

function withoutDefault(
  file: YamlFile,
  name: string,
  { type, required = false, values, min, max, pattern, help = '' }: ParamFile,
): Param {
  const [low, high] = [min, max].map(bound => (bound === undefined ? undefined : boundOf(type, bound)));
  return {
    name,
    type,
    required,
    help,
    ...(values && { values }),
    ...(low !== undefined && { min: low }),
    ...(high !== undefined && { max: high }),
    ...(pattern !== undefined && { pattern: checkPattern(file, name, pattern) }),
  };
}

/** Seconds of a duration, bytes of a size. */
function boundOf(type: ParamFile['type'], bound: number | string): number | undefined {
  if (typeof bound === 'number') return bound;
  if (type === 'duration') return parseDuration(bound);
  return type === 'size' ? parseSize(bound) : undefined;
}

function checkPattern(file: YamlFile, name: string, pattern: string): string {
  try {
    return new RegExp(pattern, 'u').source;
  } catch {
    file.add(['params', name, 'pattern'], 'not a regular expression');
    return '';
  }
}
