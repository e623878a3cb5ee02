import { isMap, isScalar } from 'yaml';
import type { YamlFile } from '../fleet/yaml-problems.ts';
import { parseDuration, parseSize } from '../quantity.ts';
import { isIdentifier, isReservedParam, whyNoName, withArticle } from './names.ts';
import { parseParam } from './params.ts';
import type { Param } from './runbook.ts';
import type { ParamFile } from './schema.ts';

/** The params of a runbook file; what is wrong with them is added to the file. */
export function loadParams(
  file: YamlFile,
  params: Readonly<Record<string, ParamFile>> = {},
): ReadonlyMap<string, Param> {
  return new Map(Object.entries(params).map(([name, param]) => [name, loadParam(file, name, param)]));
}

/** What stands in place of a reference to a secret is the secret itself: no message about the file shows it. */
export function concealSecrets(file: YamlFile): void {
  const params = file.document.getIn(['params'], true);
  for (const { key, value } of isMap(params) ? params.items : [])
    if (isScalar(key) && isMap(value) && value.get('type') === 'secret')
      file.conceal(['params', String(key.value), 'default']);
}

function loadParam(file: YamlFile, name: string, written: ParamFile): Param {
  const at = ['params', name];
  if (!isIdentifier(name)) file.add(at, whyNoName(name), { atKey: true });
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
    file.add([...at, 'values'], `only an enum has values, this is ${withArticle(type)}`);
  for (const [index, value] of (values ?? []).entries())
    if (values?.indexOf(value) !== index) file.add([...at, 'values', index], `"${value}" stands here twice`);
  if (pattern !== undefined && type !== 'string' && type !== 'path')
    file.add([...at, 'pattern'], `only a string or a path has a pattern, this is ${withArticle(type)}`);
  for (const [key, bound] of Object.entries({ min, max }))
    if (bound !== undefined && !measured.includes(type))
      file.add([...at, key], `only ${measured.join(', ')} have "${key}", this is ${withArticle(type)}`);
    else if (bound !== undefined && boundOf(type, bound) === undefined)
      file.add([...at, key], `expected ${withArticle(type)}, found ${JSON.stringify(bound)}`);
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

/** Seconds of a duration, bytes of a size; undefined where it is none. */
function boundOf(type: ParamFile['type'], bound: number | string): number | undefined {
  switch (type) {
    case 'duration':
      return typeof bound === 'string' ? parseDuration(bound) : undefined;
    case 'size':
      return parseSize(String(bound));
    case 'integer':
      return Number.isSafeInteger(bound) ? Number(bound) : undefined;
    default:
      return typeof bound === 'number' ? bound : undefined;
  }
}

function checkPattern(file: YamlFile, name: string, pattern: string): string {
  try {
    return new RegExp(pattern, 'u').source;
  } catch {
    file.add(['params', name, 'pattern'], 'not a regular expression');
    return '';
  }
}
