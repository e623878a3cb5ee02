import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { HangarError } from '../errors.ts';
import { YamlFile, type YamlPath } from '../fleet/yaml-problems.ts';
import { type CelField, type CelType, celTypeOf } from './cel-type.ts';
import { type CheckOptions, checkExpression, type Expression, provenPresent, type Scope } from './expression.ts';
import { isIdentifier, isReservedParam, isReservedRunbook, suggestion } from './names.ts';
import { parseParam } from './params.ts';
import { parseDuration, parseSize } from './quantity.ts';
import type { Amount, Param, Runbook, Step, StepKinds } from './runbook.ts';
import { type ParamFile, type RunbookFile, runbookSchema, type StepFile, unsupportedKeys } from './schema.ts';
import { checkTemplate, type Template } from './template.ts';

/**
 * Reads a runbook and checks it whole: names, types, order, expressions.
 * @throws HangarError `NO_SUCH_RUNBOOK`, `INVALID_RUNBOOK` with every problem and its place
 */
export async function loadRunbook<Context>(path: string, kinds: StepKinds<Context>): Promise<Runbook<Context>> {
  const text = await read(path);
  const file = new YamlFile(path, text);
  const value = file.check(runbookSchema);
  if (value === undefined) tellUnsupported(file);
  const runbook = value && new Loader(file, value, kinds).load(path, text);
  file.failIfWrong('INVALID_RUNBOOK', 'the runbook');
  if (runbook === undefined) throw new TypeError('a runbook that has another shape has a problem');
  return runbook;
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new HangarError({
      code: 'NO_SUCH_RUNBOOK',
      message: `the runbook "${path}" cannot be read`,
      fix: 'see which there are: runbook list',
      failure: 'usage',
      cause,
    });
  }
}

/** A key of the language that is to come is named as such. */
function tellUnsupported(file: YamlFile): void {
  for (const list of ['steps', 'always'])
    for (let index = 0; file.document.hasIn([list, index]); index++)
      for (const key of unsupportedKeys)
        if (file.document.hasIn([list, index, key]))
          file.add([list, index, key], `"${key}" is not supported by this version`, { atKey: true });
}

const noType: CelType = { kind: 'dyn' };

class Loader<Context> {
  readonly #file: YamlFile;
  readonly #value: RunbookFile;
  readonly #kinds: StepKinds<Context>;
  readonly #params = new Map<string, Param>();

  constructor(file: YamlFile, value: RunbookFile, kinds: StepKinds<Context>) {
    this.#file = file;
    this.#value = value;
    this.#kinds = kinds;
  }

  load(path: string, text: string): Runbook<Context> {
    const { name, summary, steps, always = [] } = this.#value;
    this.#checkName(name);
    for (const [key, param] of Object.entries(this.#value.params ?? {})) this.#addParam(key, param);
    this.#checkIds();
    const scope = this.#scope();
    return {
      path,
      text,
      name,
      summary,
      params: this.#params,
      fanout: this.#fanout(),
      steps: steps.map((step, index) => this.#step(step, ['steps', index], scope)),
      always: always.map((step, index) => this.#step(step, ['always', index], scope)),
    };
  }

  #checkName(name: string): void {
    if (!/^[a-z][a-z0-9-]*$/.test(name)) this.#file.add(['name'], `"${name}" is no name: use lower case, digits, "-"`);
    else if (isReservedRunbook(name)) this.#file.add(['name'], `"${name}" is a command of the command line`);
  }

  #addParam(name: string, file: ParamFile): void {
    const at = ['params', name];
    if (!isIdentifier(name)) this.#file.add(at, `"${name}" is no name: use camelCase`, { atKey: true });
    if (isReservedParam(name)) this.#file.add(at, `"${name}" is an option of the command line itself`, { atKey: true });
    if (file.type === 'secret') this.#file.add([...at, 'type'], '"secret" is not supported by this version');
    if (file.type === 'enum' && file.values === undefined) this.#file.add(at, 'an enum needs values: [a, b]');
    if (file.required === true && file.default !== undefined)
      this.#file.add([...at, 'required'], 'a param with a default is never missing');
    const param = this.#param(name, file);
    this.#params.set(name, param);
    if (file.default === undefined) return;
    const parsed = parseParam(param, file.default);
    if ('problem' in parsed) this.#file.add([...at, 'default'], parsed.problem);
    else this.#params.set(name, { ...param, default: parsed.value });
  }

  #param(name: string, { type, required: isRequired, values, min, max, pattern, help = '' }: ParamFile): Param {
    const bound = (value: number | string | undefined): number | undefined =>
      typeof value === 'string' ? (type === 'duration' ? parseDuration(value) : parseSize(value)) : value;
    const [low, high] = [bound(min), bound(max)];
    return {
      name,
      type,
      required: isRequired ?? false,
      help,
      ...(values && { values }),
      ...(low !== undefined && { min: low }),
      ...(high !== undefined && { max: high }),
      ...(pattern !== undefined && { pattern: this.#pattern(name, pattern) }),
    };
  }

  #pattern(name: string, pattern: string): string {
    try {
      return new RegExp(pattern, 'u').source;
    } catch {
      this.#file.add(['params', name, 'pattern'], 'not a regular expression');
      return '';
    }
  }

  #checkIds(): void {
    const seen = new Set<string>();
    for (const [path, { id }] of this.#entries()) {
      if (!isIdentifier(id)) this.#file.add([...path, 'id'], `"${id}" is no name: use camelCase`);
      if (seen.has(id)) this.#file.add([...path, 'id'], `there are two steps "${id}"`);
      seen.add(id);
    }
  }

  #entries(): readonly (readonly [YamlPath, StepFile])[] {
    return [...entriesOf('steps', this.#value.steps), ...entriesOf('always', this.#value.always ?? [])];
  }

  /** All that an expression may name. */
  #scope(): Scope {
    const params = [...this.#params.values()].map(param => [param.name, paramField(param)] as const);
    const steps = this.#entries().map(([, { id, uses }]) => {
      const kind = this.#kinds.get(uses);
      const field: CelField = { type: kind ? celTypeOf(kind.output, 'output') : noType, optional: true };
      return [id, field] as const;
    });
    return {
      kind: 'object',
      fields: {
        params: required(object(Object.fromEntries(params))),
        steps: required(object(Object.fromEntries(steps))),
        host: required(
          object({
            name: required({ kind: 'string' }),
            address: optional({ kind: 'string' }),
            labels: required({ kind: 'map' }),
          }),
        ),
        run: required(object({ id: required({ kind: 'string' }) })),
      },
    };
  }

  #step(file: StepFile, path: YamlPath, scope: Scope): Step<Context> {
    const kind = this.#kinds.get(file.uses);
    if (!kind)
      this.#file.add(
        [...path, 'uses'],
        `there is no step kind "${file.uses}"${suggestion(file.uses, this.#kinds.keys())}`,
      );
    const needs = this.#needs(file, path);
    const before: CheckOptions = { scope, absent: at => this.#whyAbsent(at, this.#sureBefore(file, path)) };
    const after: CheckOptions = {
      scope,
      absent: at => this.#whyAbsent(at, new Set([...this.#sureBefore(file, path), file.id])),
    };
    const when = this.#condition(file.when, [...path, 'when'], before);
    const present = when ? provenPresent(when.text, scope) : [];
    const [finishWhen, failedWhen] = [
      this.#condition(file.finishWhen, [...path, 'finishWhen'], { ...after, present }),
      this.#condition(file.failedWhen, [...path, 'failedWhen'], { ...after, present }),
    ];
    const timeoutSeconds = file.timeout === undefined ? undefined : parseDuration(file.timeout);
    return {
      id: file.id,
      kind: kind ?? missingKind(file.uses),
      risk: file.risk ?? kind?.risk ?? 'write',
      with: this.#with(file, path, { ...before, present }),
      needs,
      where: file.where ?? 'host',
      continueOnError: this.#continueOnError(file, path, before),
      output: kind ? celTypeOf(kind.output, 'output') : noType,
      ...(when && { when }),
      ...(finishWhen && { finishWhen }),
      ...(failedWhen && { failedWhen }),
      ...(timeoutSeconds !== undefined && { timeoutSeconds }),
      ...(file.retry && { retry: retryOf(file.retry) }),
    };
  }

  /** Without `needs` the step before; no circles. */
  #needs(file: StepFile, path: YamlPath): readonly string[] {
    const [list, index] = path;
    const steps = list === 'always' ? (this.#value.always ?? []) : this.#value.steps;
    if (list === 'always' && file.needs !== undefined)
      this.#file.add([...path, 'needs'], 'steps of "always" run one after the other, whatever happened: no needs');
    if (file.needs === undefined || list === 'always') return defaultNeeds(steps, Number(index));
    for (const [at, need] of file.needs.entries()) {
      const ids = steps.map(({ id }) => id);
      if (need === file.id) this.#file.add([...path, 'needs', at], `"${need}" cannot need itself`);
      else if (!ids.includes(need))
        this.#file.add([...path, 'needs', at], `there is no step "${need}"${suggestion(need, ids)}`);
      else if (ancestors(need, steps).has(file.id))
        this.#file.add([...path, 'needs', at], `"${file.id}" and "${need}" need each other`);
    }
    return file.needs;
  }

  /** Steps that have certainly succeeded when this one starts. */
  #sureBefore(file: StepFile, [list]: YamlPath): ReadonlySet<string> {
    if (list === 'always') return new Set();
    const before = ancestors(file.id, this.#value.steps);
    const sure = this.#value.steps.filter(
      ({ id, when, continueOnError }) => before.has(id) && when === undefined && (continueOnError ?? false) === false,
    );
    return new Set(sure.map(({ id }) => id));
  }

  #whyAbsent(path: readonly string[], sure: ReadonlySet<string>): string | undefined {
    const [root, name = '', field] = path;
    if (root === 'steps' && path.length === 2 && !sure.has(name)) return `step "${name}" may not have run`;
    if (root === 'params' && path.length === 2) {
      const param = this.#params.get(name);
      return param && !param.required && param.default === undefined ? `param "${name}" may not be given` : undefined;
    }
    if (root === 'steps' && path.length === 3 && field !== undefined && this.#isOptionalOutput(name, field))
      return `${path.join('.')} may be absent`;
    return undefined;
  }

  #isOptionalOutput(step: string, field: string): boolean {
    const entry = this.#entries().find(([, { id }]) => id === step)?.[1];
    const kind = entry && this.#kinds.get(entry.uses);
    const type = kind && celTypeOf(kind.output, 'output');
    return type?.kind === 'object' && type.fields[field]?.optional === true;
  }

  #condition(text: string | boolean | undefined, path: YamlPath, options: CheckOptions): Expression | undefined {
    if (text === undefined) return undefined;
    const checked = this.#expression(String(text), path, options);
    if (checked && !['bool', 'dyn'].includes(checked.type.kind))
      this.#file.add(path, `expected true or false, the expression gives ${checked.type.kind}`);
    return checked;
  }

  #expression(text: string, path: YamlPath, options: CheckOptions): Expression | undefined {
    if (text.includes('${{')) {
      this.#file.add(path, 'a bare expression stands here: no ${{ }}');
      return undefined;
    }
    const checked = checkExpression(text, options);
    if ('expression' in checked) return checked.expression;
    for (const { offset, message } of checked.problems) this.#file.add(path, message, { within: offset });
    return undefined;
  }

  #continueOnError(file: StepFile, path: YamlPath, options: CheckOptions): boolean | Expression {
    if (typeof file.continueOnError !== 'string') return file.continueOnError ?? false;
    return this.#condition(file.continueOnError, [...path, 'continueOnError'], options) ?? false;
  }

  #with(file: StepFile, path: YamlPath, options: CheckOptions): Step<Context>['with'] {
    const kind = this.#kinds.get(file.uses);
    const input = kind && celTypeOf(kind.input, 'input');
    const fields = input?.kind === 'object' ? input.fields : {};
    const templates: Record<string, Template> = {};
    for (const [key, value] of Object.entries(file.with ?? {})) {
      const field = fields[key];
      if (kind && field === undefined)
        this.#file.add(
          [...path, 'with', key],
          `"${key}" is no input of ${file.uses}${suggestion(key, Object.keys(fields))}`,
          { atKey: true },
        );
      const template = this.#template(value, [...path, 'with', key], field, options);
      if (template) templates[key] = template;
    }
    for (const [key, { optional: mayLack }] of Object.entries(fields))
      if (!mayLack && !(key in (file.with ?? {}))) this.#file.add(path, `${file.uses} needs the input "${key}"`);
    return templates;
  }

  #template(value: unknown, path: YamlPath, field: CelField | undefined, options: CheckOptions): Template | undefined {
    if (typeof value !== 'string' || !value.includes('${{')) {
      const problem = field && literalProblem(value, field.type);
      if (problem !== undefined) this.#file.add(path, problem);
      return { kind: 'literal', value };
    }
    const absent = (at: readonly string[]): string | undefined =>
      // An optional that is absent leaves its key out; a step that did not run is no optional.
      at[0] === 'steps' && at.length === 2
        ? options.absent(at)
        : field?.optional === true
          ? undefined
          : options.absent(at);
    const checked = checkTemplate(value, { ...options, absent });
    if ('problems' in checked) {
      for (const { offset, message } of checked.problems) this.#file.add(path, message, { within: offset });
      return undefined;
    }
    if (field && !fits(checked.type, field.type))
      this.#file.add(path, `expected ${field.type.kind}, the expression gives ${checked.type.kind}`);
    return checked.template;
  }

  #fanout(): Runbook<Context>['fanout'] {
    const { concurrency = 10, serial = '100%', maxFailures } = this.#value.fanout ?? {};
    const amounts = Array.isArray(serial) ? serial : [serial];
    return {
      concurrency,
      serial: amounts.map(amountOf),
      ...(maxFailures !== undefined && { maxFailures: amountOf(maxFailures) }),
    };
  }
}

function entriesOf(list: string, steps: readonly StepFile[]) {
  return steps.map((step, index) => [[list, index], step] as const);
}

function defaultNeeds(steps: readonly StepFile[], index: number): readonly string[] {
  const before = steps[index - 1];
  return before === undefined ? [] : [before.id];
}

/** Everything that a step waits for, directly or not. */
function ancestors(id: string, steps: readonly StepFile[]): ReadonlySet<string> {
  const found = new Set<string>();
  const pending = [id];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const index = steps.findIndex(step => step.id === next);
    const step = steps[index];
    for (const need of step?.needs ?? defaultNeeds(steps, index))
      if (!found.has(need)) {
        found.add(need);
        pending.push(need);
      }
  }
  return found;
}

function required(type: CelType): CelField {
  return { type, optional: false };
}

function optional(type: CelType): CelField {
  return { type, optional: true };
}

function object(fields: Readonly<Record<string, CelField>>): CelType {
  return { kind: 'object', fields };
}

function paramField(param: Param): CelField {
  return { type: paramType(param), optional: !param.required && param.default === undefined };
}

function paramType({ type, values }: Param): CelType {
  switch (type) {
    case 'integer':
    case 'size':
      return { kind: 'int' };
    case 'number':
    case 'duration':
      return { kind: 'double' };
    case 'boolean':
      return { kind: 'bool' };
    case 'list':
      return { kind: 'list', of: { kind: 'string' } };
    case 'enum':
      return { kind: 'string', ...(values && { values }) };
    case 'string':
    case 'path':
    case 'secret':
      return { kind: 'string' };
    default:
      return type satisfies never;
  }
}

function fits(given: CelType, wanted: CelType): boolean {
  if (given.kind === 'dyn' || wanted.kind === 'dyn') return true;
  return given.kind === wanted.kind || (given.kind === 'int' && wanted.kind === 'double');
}

function literalProblem(value: unknown, type: CelType): string | undefined {
  const shown = JSON.stringify(value);
  switch (type.kind) {
    case 'string':
      if (typeof value !== 'string') return `expected a text, found ${shown}`;
      return type.values && !type.values.includes(value)
        ? `expected one of ${type.values.join(', ')}, found ${shown}`
        : undefined;
    case 'int':
      return Number.isInteger(value) ? undefined : `expected a whole number, found ${shown}`;
    case 'double':
      return typeof value === 'number' ? undefined : `expected a number, found ${shown}`;
    case 'bool':
      return typeof value === 'boolean' ? undefined : `expected true or false, found ${shown}`;
    case 'list':
      return Array.isArray(value) ? undefined : `expected a list, found ${shown}`;
    case 'object':
    case 'map':
    case 'dyn':
      return undefined;
    default:
      return type satisfies never;
  }
}

function amountOf(amount: number | string): Amount {
  return typeof amount === 'number' ? { count: amount } : { percent: Number(amount.replace('%', '')) };
}

function retryOf({
  attempts,
  delay = '1s',
  backoff = 1,
  jitter = 0,
  on,
}: NonNullable<StepFile['retry']>): NonNullable<Step<unknown>['retry']> {
  return { attempts, delaySeconds: parseDuration(delay) ?? 1, backoff, jitter, ...(on && { on }) };
}

/** Stands in for a kind that does not exist, until the file is refused for it. */
function missingKind(name: string): Step<unknown>['kind'] {
  const refuse = (): Promise<never> => Promise.reject(new TypeError(`there is no step kind "${name}"`));
  return { name, summary: '', risk: 'write', input: z.unknown(), output: z.unknown(), commands: () => [], run: refuse };
}
