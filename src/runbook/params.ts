import { HangarError } from '../errors.ts';
import { parseDuration, parseSize } from '../quantity.ts';
import { kebabCase } from './names.ts';
import type { Param, ParamValue, ParamValues, Runbook } from './runbook.ts';

/** A param as an option of the command line. */
export interface ParamOption {
  readonly name: string;
  /** `--on-capture-failure` */
  readonly option: string;
  readonly param: Param;
}

export function paramOptions<Context>({ params }: Runbook<Context>): readonly ParamOption[] {
  return [...params.values()].map(param => ({ name: param.name, option: `--${kebabCase(param.name)}`, param }));
}

/** What was given on the command line, by param name. */
export type GivenParams = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/**
 * Values of all params, defaults included; an optional one that was not given has none.
 * @throws HangarError `INVALID_PARAMS` with every problem
 */
export function parseParams<Context>(runbook: Runbook<Context>, given: GivenParams): ParamValues {
  const problems: string[] = [];
  const values: Record<string, ParamValue> = {};
  for (const { name, option, param } of paramOptions(runbook)) {
    const text = given[name];
    if (text === undefined) {
      if (param.default !== undefined) values[name] = param.default;
      else if (param.required) problems.push(`${option} is missing: ${param.help || param.type}`);
      continue;
    }
    const parsed = parseParam(param, text);
    if ('problem' in parsed) problems.push(`${option}: ${parsed.problem}`);
    else values[name] = parsed.value;
  }
  if (problems.length === 0) return values;
  throw new HangarError({
    code: 'INVALID_PARAMS',
    message: problems.join('\n'),
    fix: `see what it takes: runbook ${runbook.name} --help`,
    failure: 'usage',
  });
}

export type ParsedParam = { readonly value: ParamValue } | { readonly problem: string };

/** One value in the param's type and within its bounds. */
export function parseParam(param: Param, given: ParamValue): ParsedParam {
  const parsed = convert(param, given);
  if ('problem' in parsed) return parsed;
  const { value } = parsed;
  const { min, max, pattern } = param;
  if (typeof value === 'number' && min !== undefined && value < min)
    return { problem: `expected at least ${min}, found ${value}` };
  if (typeof value === 'number' && max !== undefined && value > max)
    return { problem: `expected at most ${max}, found ${value}` };
  if (typeof value === 'string' && pattern !== undefined && !new RegExp(`^(?:${pattern})$`, 'u').test(value))
    return { problem: `expected text that matches ${pattern}, found ${JSON.stringify(value)}` };
  return parsed;
}

function convert({ type, values }: Param, given: ParamValue): ParsedParam {
  const expected = (what: string): ParsedParam => ({ problem: `expected ${what}, found ${JSON.stringify(given)}` });
  switch (type) {
    case 'secret':
      // Never quoted: what stands here by mistake is the secret itself.
      return isReference(given)
        ? { value: given }
        : { problem: 'a secret is given by reference: env:NAME, file:PATH or cmd:COMMAND' };
    case 'string':
    case 'path':
      return typeof given === 'string' && given !== '' ? { value: given } : expected('a text');
    case 'enum': {
      const isKnown = typeof given === 'string' && values?.includes(given) === true;
      return isKnown ? { value: given } : expected(`one of ${values?.join(', ')}`);
    }
    case 'integer': {
      const number = numberOf(given);
      return number !== undefined && Number.isSafeInteger(number) ? { value: number } : expected('a whole number');
    }
    case 'number': {
      const number = numberOf(given);
      return number === undefined ? expected('a number') : { value: number };
    }
    case 'boolean':
      if (typeof given === 'boolean') return { value: given };
      return given === 'true' || given === 'false' ? { value: given === 'true' } : expected('true or false');
    case 'duration': {
      const seconds = typeof given === 'string' ? parseDuration(given) : undefined;
      return seconds === undefined ? expected('a duration like 30s or 5m') : { value: seconds };
    }
    case 'size': {
      const bytes = parseSize(String(given));
      return bytes === undefined ? expected('a size like 4GiB') : { value: bytes };
    }
    case 'list':
      return { value: Array.isArray(given) ? given.map(String) : String(given).split(',') };
    default:
      return type satisfies never;
  }
}

function isReference(given: ParamValue): given is string {
  return typeof given === 'string' && /^(env:[A-Za-z_]\w*|(file|cmd):.*\S.*)$/s.test(given);
}

function numberOf(given: ParamValue): number | undefined {
  if (typeof given === 'number') return given;
  return typeof given === 'string' && /^-?\d+(\.\d+)?$/.test(given) ? Number(given) : undefined;
}
