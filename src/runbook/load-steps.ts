import { z } from 'zod';
import type { YamlFile, YamlPath } from '../fleet/yaml-problems.ts';
import { parseDuration } from '../quantity.ts';
import { type CelField, type CelType, celTypeOf } from './cel-type.ts';
import { everyStep } from './every-step.ts';
import { type CheckOptions, checkExpression, type Expression, provenPresent, type Scope } from './expression.ts';
import { includeKind } from './include-kind.ts';
import { isIdentifier, suggestion, whyNoName, withArticle } from './names.ts';
import { declaredOutputs } from './outputs.ts';
import { parseParam } from './params.ts';
import type { AnyStepKind, Foreach, Param, Runbook, Step, StepKinds } from './runbook.ts';
import type { RunbookFile, StepFile } from './schema.ts';
import {
  failureType,
  itemOutputTypeOf,
  noType,
  outputTypeOf,
  paramType,
  scopeOf,
  withName,
  withStep,
} from './scope.ts';
import { checkTemplate, type Template } from './template.ts';

interface Known<Context> {
  readonly kinds: StepKinds<Context>;
  readonly params: ReadonlyMap<string, Param>;
  /** Runbooks by the name under which they are included. */
  readonly included: ReadonlyMap<string, Runbook<Context>>;
}

/** Where a step stands, and what is certain there. */
interface Site {
  readonly path: YamlPath;
  readonly scope: Scope;
  readonly needs: readonly string[];
  /** Steps that have certainly succeeded when this one starts. */
  readonly sure: ReadonlySet<string>;
  /** A step of the main list, where order is free and a host's run may end. */
  readonly isMain: boolean;
}

/** A value under `with`, or beside it. */
interface Input {
  readonly key: string;
  readonly value: unknown;
  readonly at: YamlPath;
}

/** The kind that `run`, `check` and `creates` are short for. */
const shellName = 'shell';
/** Keys of a step that are inputs of its kind. */
const inputKeys = ['run', 'env', 'become', 'outputs'] as const;

/** Turns the steps of a runbook file into checked ones; what is wrong with them is added to the file. */
export class StepLoader<Context> {
  readonly #file: YamlFile;
  readonly #main: readonly StepFile[];
  readonly #known: Known<Context>;
  readonly #outputs: ReadonlyMap<string, CelType>;
  readonly #scope: Scope;

  constructor(file: YamlFile, value: RunbookFile, known: Known<Context>) {
    this.#file = file;
    this.#main = value.steps;
    this.#known = known;
    const outputs = new Map<string, CelType>();
    const lists = [
      ['steps', value.steps],
      ['rescue', value.rescue ?? []],
      ['always', value.always ?? []],
    ] as const;
    for (const [name, steps] of lists) this.#gather(steps, [name], outputs);
    this.#outputs = outputs;
    this.#scope = scopeOf(known.params.values(), outputs);
  }

  /** Steps that start as soon as what they need is done. */
  graph(steps: readonly StepFile[]): readonly Step<Context>[] {
    return steps.map((step, index) => {
      const path = ['steps', index];
      const needs = this.#needs(step, path, index);
      return this.#step(step, { path, scope: this.#scope, needs, sure: this.#sureBefore(step), isMain: true });
    });
  }

  /** Steps that run one after the other, when something failed or ended. */
  sequence(
    steps: readonly StepFile[],
    path: YamlPath,
    when: 'failed' | 'ended',
    sure: ReadonlySet<string> = new Set(),
  ): readonly Step<Context>[] {
    const scope = withName(this.#scope, 'failure', failureType(when === 'failed'));
    const certain = new Set(sure);
    return steps.map((step, index) => {
      const at = [...path, index];
      if (step.needs !== undefined)
        this.#file.add([...at, 'needs'], 'these steps run one after the other: no needs', { atKey: true });
      const loaded = this.#step(step, { path: at, scope, needs: [], sure: new Set(certain), isMain: false });
      // The first of a rescue that fails ends it; what always runs goes on.
      if (when === 'failed' && isCertain(step)) certain.add(step.id);
      return loaded;
    });
  }

  #gather(steps: readonly StepFile[], above: YamlPath, outputs: Map<string, CelType>): void {
    for (const [index, step] of steps.entries()) {
      const at = [...above, index];
      if (!isIdentifier(step.id)) this.#file.add([...at, 'id'], whyNoName(step.id));
      if (outputs.has(step.id)) this.#file.add([...at, 'id'], `there are two steps "${step.id}"`);
      outputs.set(step.id, outputTypeOf(step, this.#known.kinds, this.#includedBy(step)));
      this.#gather(step.rescue ?? [], [...at, 'rescue'], outputs);
      this.#gather(step.always ?? [], [...at, 'always'], outputs);
    }
  }

  #step(file: StepFile, site: Site): Step<Context> {
    const { path, sure } = site;
    const kind = this.#kind(file, path);
    const before = this.#options(site.scope, sure);
    const when = this.#condition(file.when, [...path, 'when'], before);
    const present = when ? provenPresent(when.text, site.scope) : [];
    const foreach = this.#foreach(file, path, { ...before, present });
    const scope = foreach ? withName(site.scope, 'item', elementOf(foreach.items.type)) : site.scope;
    const inner = { ...this.#options(scope, sure), present };
    const include = this.#includedBy(file);
    const sureAfter = new Set([...sure, file.id]);
    const after = { ...this.#options(site.scope, sureAfter), present };
    // Asked behind each item, of what that item gave.
    const one = itemOutputTypeOf(file, this.#known.kinds, include);
    const afterItem = { ...this.#options(withStep(scope, file.id, one), sureAfter), present };
    const finishWhen = this.#condition(file.finishWhen, [...path, 'finishWhen'], after);
    const [failedWhen, changedWhen] = (['failedWhen', 'changedWhen'] as const).map(key =>
      this.#condition(file[key], [...path, key], afterItem),
    );
    if (file.uses === includeKind.name) this.#mustBeInclude(file, path);
    if (file.finishWhen !== undefined && !site.isMain)
      this.#file.add([...path, 'finishWhen'], 'only a step of the main list ends the run', { atKey: true });
    const timeoutSeconds = this.#seconds(file.timeout, [...path, 'timeout']);
    const check = this.#check(file, path, inner);
    return {
      id: file.id,
      kind: kind ?? missingKind(file.uses ?? shellName),
      risk: file.risk ?? (include ? riskOf(include) : (kind?.risk ?? 'write')),
      with: this.#with(file, kind, path, inner),
      needs: site.needs,
      where: file.where ?? 'host',
      once: file.once ?? false,
      continueOnError: this.#continueOnError(file, path, before),
      killAfterSeconds: this.#seconds(file.killAfter, [...path, 'killAfter']) ?? defaultKillAfterSeconds,
      onUnknown: file.onUnknown ?? 'ask',
      rescue: this.sequence(file.rescue ?? [], [...path, 'rescue'], 'failed', sure),
      always: this.sequence(file.always ?? [], [...path, 'always'], 'ended', sure),
      output: this.#outputs.get(file.id) ?? noType,
      ...(when && { when }),
      ...(foreach && { foreach }),
      ...(check && { check }),
      ...(finishWhen && { finishWhen }),
      ...(failedWhen && { failedWhen }),
      ...(changedWhen && { changedWhen }),
      ...(timeoutSeconds !== undefined && { timeoutSeconds }),
      ...(file.retry && { retry: retryOf(file.retry) }),
      ...(include && { include }),
    };
  }

  #kind({ uses, run }: StepFile, path: YamlPath): AnyStepKind<Context> | undefined {
    if (uses === undefined && run === undefined) {
      this.#file.add(path, 'what it does is missing: `uses: KIND`, or `run: |` with shell text');
      return undefined;
    }
    const name = uses ?? shellName;
    const kind = this.#known.kinds.get(name);
    if (!kind)
      this.#file.add([...path, 'uses'], `there is no step kind "${name}"${suggestion(name, this.#known.kinds.keys())}`);
    return kind;
  }

  /** Without `needs` the step before; no circles. */
  #needs(step: StepFile, path: YamlPath, index: number): readonly string[] {
    const steps = this.#main;
    if (step.needs === undefined) return defaultNeeds(steps, index);
    const ids = steps.map(({ id }) => id);
    for (const [at, need] of step.needs.entries()) {
      if (need === step.id) this.#file.add([...path, 'needs', at], `"${need}" cannot need itself`);
      else if (step.needs.indexOf(need) !== at) this.#file.add([...path, 'needs', at], `"${need}" stands here twice`);
      else if (!ids.includes(need) && this.#outputs.has(need))
        this.#file.add([...path, 'needs', at], `"${need}" runs in a rescue or always: no step can need it`);
      else if (!ids.includes(need))
        this.#file.add([...path, 'needs', at], `there is no step "${need}"${suggestion(need, ids)}`);
      else if (ancestors(need, steps).has(step.id))
        this.#file.add([...path, 'needs', at], `"${step.id}" and "${need}" need each other`);
    }
    return step.needs;
  }

  #sureBefore({ id }: StepFile): ReadonlySet<string> {
    const before = ancestors(id, this.#main);
    return new Set(this.#main.filter(step => before.has(step.id) && isCertain(step)).map(step => step.id));
  }

  #options(scope: Scope, sure: ReadonlySet<string>): CheckOptions {
    return { scope, absent: path => this.#whyAbsent(path, scope, sure) };
  }

  #whyAbsent(path: readonly string[], scope: Scope, sure: ReadonlySet<string>): string | undefined {
    const [root, name = ''] = path;
    if (root === 'steps' && path.length === 2 && !sure.has(name)) return `step "${name}" may not have run`;
    if (root === 'params' && path.length === 2) {
      const param = this.#known.params.get(name);
      return param && !param.required && param.default === undefined ? `param "${name}" may not be given` : undefined;
    }
    if (root === 'host' && path.length === 2 && isOptional(scope, path)) return `${path.join('.')} may be absent`;
    if (root === 'failure' && path.length === 2 && isOptional(scope, path)) return 'nothing may have failed';
    if (root === 'steps' && path.length >= 3 && isOptional(scope, path)) return `${path.join('.')} may be absent`;
    return undefined;
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

  #foreach({ foreach, concurrency }: StepFile, path: YamlPath, options: CheckOptions): Foreach | undefined {
    if (concurrency !== undefined && foreach === undefined)
      this.#file.add([...path, 'concurrency'], 'only a step with "foreach" has a concurrency', { atKey: true });
    if (foreach === undefined) return undefined;
    const items = this.#expression(foreach, [...path, 'foreach'], options);
    if (items && !['list', 'dyn'].includes(items.type.kind))
      this.#file.add([...path, 'foreach'], `expected a list, the expression gives ${items.type.kind}`);
    return items && { items, concurrency: concurrency ?? 1 };
  }

  #continueOnError(file: StepFile, path: YamlPath, options: CheckOptions): boolean | Expression {
    if (typeof file.continueOnError !== 'string') return file.continueOnError ?? false;
    return this.#condition(file.continueOnError, [...path, 'continueOnError'], options) ?? false;
  }

  #seconds(text: string | undefined, path: YamlPath): number | undefined {
    const seconds = text === undefined ? undefined : parseDuration(text);
    if (seconds === 0) this.#file.add(path, `"${text}" leaves no time at all`);
    return seconds;
  }

  /** `check` and `creates` are shell text; a path comes to it as a variable. */
  #check({ check, creates, become }: StepFile, path: YamlPath, options: CheckOptions): Step<Context>['check'] {
    if (check === undefined && creates === undefined) return undefined;
    if (check !== undefined && creates !== undefined)
      this.#file.add([...path, 'creates'], 'either "check" or "creates", not both', { atKey: true });
    const kind = this.#known.kinds.get(shellName);
    if (kind === undefined) {
      this.#file.add(path, `"check" and "creates" need the step kind "${shellName}"`);
      return undefined;
    }
    const root = become === undefined ? {} : { become: literal(become) };
    if (check !== undefined) {
      this.#mustBeCode(check, [...path, 'check']);
      return { kind, with: { ...root, run: literal(check) } };
    }
    const target = this.#template(creates, [...path, 'creates'], textField, options);
    return {
      kind,
      with: {
        ...root,
        run: literal('test -e "$CREATES"'),
        env: { kind: 'map', entries: { CREATES: target ?? literal('') } },
      },
    };
  }

  /** Whether it is shell text as it must be. */
  #mustBeCode(value: unknown, path: YamlPath): boolean {
    const at = typeof value === 'string' ? value.indexOf('${{') : -1;
    const message = 'values never enter shell text: name them under `env`, and use "$NAME" here';
    if (at >= 0) this.#file.add(path, message, { within: at });
    return at < 0;
  }

  /** An include stands for the steps of another runbook, which say themselves how each of them runs. */
  #mustBeInclude(file: StepFile, path: YamlPath): void {
    for (const key of ofSingleSteps)
      if (file[key] !== undefined)
        this.#file.add([...path, key], `a step that includes a runbook has no "${key}": its steps have their own`, {
          atKey: true,
        });
  }

  #with(
    file: StepFile,
    kind: AnyStepKind<Context> | undefined,
    path: YamlPath,
    options: CheckOptions,
  ): Step<Context>['with'] {
    const input = kind && celTypeOf(kind.input, 'input');
    const fields: Readonly<Record<string, CelField>> = input?.kind === 'object' ? input.fields : {};
    const before = this.#file.problemCount;
    const given = this.#inputs(file, path);
    const templates: Record<string, Template> = {};
    for (const { key, value, at } of given) {
      if (kind && !Object.hasOwn(fields, key)) {
        this.#unknownInput(file, kind, key, at, fields);
        continue;
      }
      const template = this.#input(file, kind, { key, value, at, field: kind && fields[key] }, options);
      if (template) templates[key] = template;
    }
    const missing = Object.entries(fields).filter(
      ([key, field]) => !field.optional && !given.some(each => each.key === key),
    );
    for (const [key] of missing) this.#file.add(path, `${kind?.name} needs the input "${key}"`);
    const include = this.#includedBy(file);
    if (include && !given.some(({ key }) => key === 'params')) this.#checkGiven(include, [], path);
    // What its inputs say of each other.
    if (
      kind &&
      missing.length === 0 &&
      !given.some(({ value }) => hasExpression(value)) &&
      before === this.#file.problemCount
    )
      this.#file.checkValue(kind.input, Object.fromEntries(given.map(({ key, value }) => [key, value])), path);
    return templates;
  }

  #input(
    file: StepFile,
    kind: AnyStepKind<Context> | undefined,
    { key, value, at, field }: Input & { readonly field: CelField | undefined },
    options: CheckOptions,
  ): Template | undefined {
    if (kind?.name === includeKind.name) return this.#includeInput(file, key, value, at, options);
    if (kind?.literal?.includes(key)) {
      if (this.#mustBeCode(value, at)) this.#checkLiteral(kind, key, value, at, field);
      return literal(value);
    }
    if (key === 'outputs') {
      if (this.#checkOutputs(value, at)) this.#checkLiteral(kind, key, value, at, field);
      return literal(value);
    }
    if (hasExpression(value))
      return key === 'env' ? this.#env(value, at, options) : this.#template(value, at, field, options);
    this.#checkLiteral(kind, key, value, at, field);
    return literal(value);
  }

  /** A value without expressions, against the schema of its input. */
  #checkLiteral(
    kind: AnyStepKind<Context> | undefined,
    key: string,
    value: unknown,
    at: YamlPath,
    field: CelField | undefined,
  ): void {
    const schema: z.ZodType | undefined = kind?.input instanceof z.ZodObject ? kind.input.shape[key] : undefined;
    const problem = field && literalProblem(value, field.type);
    if (problem !== undefined) this.#file.add(at, problem);
    else if (schema) this.#file.checkValue(schema, value, at);
  }

  /** Variables are single values. */
  #env(value: unknown, path: YamlPath, options: CheckOptions): Template | undefined {
    const template = this.#template(value, path, undefined, options);
    for (const [name, each] of template?.kind === 'map' ? Object.entries(template.entries) : []) {
      const type = each.kind === 'expression' ? each.expression.type.kind : 'string';
      if (['list', 'map', 'object'].includes(type))
        this.#file.add([...path, name], `expected a text, a number, true, or false, the expression gives ${type}`);
    }
    return template;
  }

  /** What stands under `with`, and the keys beside it that belong there. */
  #inputs(file: StepFile, path: YamlPath): readonly Input[] {
    const beside = inputKeys.flatMap(key =>
      file[key] === undefined ? [] : [{ key, value: file[key], at: [...path, key] }],
    );
    const below = Object.entries(file.with ?? {}).map(([key, value]) => ({ key, value, at: [...path, 'with', key] }));
    for (const { key, at } of below)
      if (beside.some(each => each.key === key))
        this.#file.add(at, `"${key}" stands beside "with" too`, { atKey: true });
    return [...beside, ...below.filter(({ key }) => !beside.some(each => each.key === key))];
  }

  #unknownInput(
    file: StepFile,
    kind: AnyStepKind<Context>,
    key: string,
    at: YamlPath,
    fields: Readonly<Record<string, CelField>>,
  ): void {
    const isBeside = at.at(-2) !== 'with';
    const message = isBeside
      ? key === 'run'
        ? `"run" is short for \`uses: shell\`, this step uses ${kind.name}`
        : `a step that uses ${file.uses ?? kind.name} has no "${key}"`
      : `"${key}" is no input of ${kind.name}${suggestion(key, Object.keys(fields))}`;
    this.#file.add(at, message, { atKey: true });
  }

  /** Whether they are declared as outputs are. */
  #checkOutputs(value: unknown, at: YamlPath): boolean {
    if (hasExpression(value)) {
      this.#file.add(at, 'which outputs there are is known when the file is loaded: no ${{ }}');
      return false;
    }
    const issues = declaredOutputs.safeParse(value).error?.issues ?? [];
    for (const issue of issues) {
      const place = [...at, ...issue.path.filter(part => typeof part !== 'symbol')];
      if (issue.code === 'invalid_union') this.#file.add(place, 'expected text, json, { regex } or { file }');
      else if (issue.code === 'invalid_key')
        this.#file.add(place, issue.issues[0]?.message ?? issue.message, { atKey: true });
      else if (issue.code === 'invalid_type' && issue.path.length === 0)
        this.#file.add(place, 'expected a map of outputs');
      else this.#file.add(place, issue.message);
    }
    return issues.length === 0;
  }

  #literal(value: unknown, path: YamlPath, field: CelField | undefined): Template {
    const problem = field && literalProblem(value, field.type);
    if (problem !== undefined) this.#file.add(path, problem);
    return literal(value);
  }

  #template(value: unknown, path: YamlPath, field: CelField | undefined, options: CheckOptions): Template | undefined {
    if (Array.isArray(value) && hasExpression(value)) {
      const of: CelField | undefined =
        field?.type.kind === 'list' ? { type: field.type.of, optional: true } : undefined;
      const items = value.map((item, index) => this.#template(item, [...path, index], of, options) ?? literal(item));
      return { kind: 'list', items };
    }
    if (isRecord(value) && hasExpression(value)) {
      const entries = Object.entries(value).map(
        ([key, each]) => [key, this.#template(each, [...path, key], entryField, options) ?? literal(each)] as const,
      );
      return { kind: 'map', entries: Object.fromEntries(entries) };
    }
    if (typeof value !== 'string' || !value.includes('${{')) return this.#literal(value, path, field);
    const open = value.lastIndexOf('${{');
    if (!value.includes('}}', open)) {
      this.#file.add(path, 'this ${{ has no }}', { within: open });
      return undefined;
    }
    return this.#expressionTemplate(value, path, field, options);
  }

  #expressionTemplate(
    value: string,
    path: YamlPath,
    field: CelField | undefined,
    options: CheckOptions,
  ): Template | undefined {
    // A name alone: an optional that is absent leaves its key out; a step that did not run is no optional.
    const mayLeaveOut = field?.optional === true && /^\$\{\{\s*[\w.]+\s*\}\}$/.test(value);
    const absent = (at: readonly string[]): string | undefined =>
      mayLeaveOut && !(at[0] === 'steps' && at.length === 2) ? undefined : options.absent(at);
    const checked = checkTemplate(value, { ...options, absent });
    if ('problems' in checked) {
      for (const { offset, message } of checked.problems) this.#file.add(path, message, { within: offset });
      return undefined;
    }
    if (field && !fits(checked.type, field.type))
      this.#file.add(path, `expected ${field.type.kind}, the expression gives ${checked.type.kind}`);
    const [never] = field ? valuesBeyond(checked.type, field.type) : [];
    if (never !== undefined) this.#file.add(path, `it may be "${never}", which is not taken here`);
    return checked.template;
  }

  #includedBy({ uses, with: input }: StepFile): Runbook<Context> | undefined {
    const name = input?.['runbook'];
    return uses === includeKind.name && typeof name === 'string' ? this.#known.included.get(name) : undefined;
  }

  /** The params of an included runbook, each in its type. */
  #includeInput(
    file: StepFile,
    key: string,
    value: unknown,
    path: YamlPath,
    options: CheckOptions,
  ): Template | undefined {
    if (key !== 'params') {
      if (!hasExpression(value)) return this.#literal(value, path, textField);
      this.#file.add(path, 'which runbook is included is known when the file is loaded: no ${{ }}');
      return undefined;
    }
    const runbook = this.#includedBy(file);
    if (!isRecord(value)) {
      this.#file.add(path, 'expected a map of params');
      return undefined;
    }
    if (runbook === undefined) return undefined;
    const entries: Record<string, Template> = {};
    for (const [name, given] of Object.entries(value)) {
      const template = this.#includeParam(runbook, name, given, [...path, name], options);
      if (template) entries[name] = template;
    }
    this.#checkGiven(runbook, Object.keys(value), path);
    return { kind: 'map', entries };
  }

  #includeParam(
    runbook: Runbook<Context>,
    name: string,
    given: unknown,
    path: YamlPath,
    options: CheckOptions,
  ): Template | undefined {
    const param = runbook.params.get(name);
    if (param === undefined) {
      const message = `"${name}" is no param of ${runbook.name}${suggestion(name, runbook.params.keys())}`;
      this.#file.add(path, message, { atKey: true });
      return undefined;
    }
    const field = { type: paramType(param), optional: !param.required };
    if (param.type === 'secret' && !this.#isOwnSecret(given)) {
      this.#file.conceal(path);
      this.#file.add(path, 'a secret is passed on from a param that is one: ${{ params.NAME }}');
      return undefined;
    }
    if (hasExpression(given)) return this.#template(given, path, field, options);
    const value =
      typeof given === 'string' || typeof given === 'number' || typeof given === 'boolean' ? given : undefined;
    const parsed = Array.isArray(given)
      ? parseParam(param, given.map(String))
      : value === undefined
        ? ({ problem: `expected ${withArticle(param.type)}, found ${given === null ? 'nothing' : 'a map'}` } as const)
        : parseParam(param, value);
    if ('value' in parsed) return literal(parsed.value);
    this.#file.add(path, parsed.problem);
    return undefined;
  }

  #isOwnSecret(given: unknown): boolean {
    const name = typeof given === 'string' ? /^\$\{\{\s*params\.(\w+)\s*\}\}$/.exec(given)?.[1] : undefined;
    return name !== undefined && this.#known.params.get(name)?.type === 'secret';
  }

  #checkGiven({ name, params }: Runbook<Context>, given: readonly string[], path: YamlPath): void {
    for (const param of params.values()) {
      const isNeeded = param.required || (param.type === 'secret' && param.default !== undefined);
      if (isNeeded && !given.includes(param.name)) this.#file.add(path, `${name} needs the param "${param.name}"`);
    }
  }
}

/** Keys of a step that say nothing of several ones. */
const ofSingleSteps = [
  'where',
  'risk',
  'check',
  'creates',
  'failedWhen',
  'timeout',
  'killAfter',
  'retry',
  'onUnknown',
] as const;

const anything = z.unknown();

/** After a request to end, a command has this long before it is killed. */
const defaultKillAfterSeconds = 10;

/** Of a map whose keys are free, `env` say. */
const entryField: CelField = { type: noType, optional: true };
const textField: CelField = { type: { kind: 'string' }, optional: false };

function literal(value: unknown): Template {
  return { kind: 'literal', value };
}

/** A step that has succeeded, with outputs, once those that need it start. */
function isCertain({ when, continueOnError, rescue, check, creates, onUnknown }: StepFile): boolean {
  const mayLack = [when, rescue, check, creates].some(each => each !== undefined) || onUnknown === 'skip';
  return !mayLack && (continueOnError ?? false) === false;
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

/** The most that any of its steps may do. */
function riskOf<Context>(runbook: Runbook<Context>): Step<Context>['risk'] {
  const risks = everyStep(runbook).map(({ risk }) => risk);
  return (['disruptive', 'write'] as const).find(risk => risks.includes(risk)) ?? 'read';
}

function isOptional(scope: Scope, path: readonly string[]): boolean {
  let type: CelType = scope;
  let field: CelField | undefined;
  for (const name of path) {
    if (type.kind !== 'object') return false;
    field = type.fields[name];
    if (field === undefined) return false;
    type = field.type;
  }
  return field?.optional === true;
}

function elementOf(type: CelType): CelType {
  return type.kind === 'list' ? type.of : noType;
}

function hasExpression(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('${{');
  if (Array.isArray(value)) return value.some(hasExpression);
  return isRecord(value) && Object.values(value).some(hasExpression);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fits(given: CelType, wanted: CelType): boolean {
  if (given.kind === 'dyn' || wanted.kind === 'dyn') return true;
  return given.kind === wanted.kind || (given.kind === 'int' && wanted.kind === 'double');
}

/** Values that may be given and are not wanted. */
function valuesBeyond(given: CelType, wanted: CelType): readonly string[] {
  if (given.kind !== 'string' || wanted.kind !== 'string' || wanted.values === undefined) return [];
  const taken = new Set(wanted.values);
  return (given.values ?? []).filter(value => !taken.has(value));
}

function literalProblem(value: unknown, type: CelType): string | undefined {
  const shown = value === null ? 'nothing' : JSON.stringify(value);
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
    case 'map':
      return isRecord(value) ? undefined : `expected a map, found ${shown}`;
    case 'object':
    case 'dyn':
      return undefined;
    default:
      return type satisfies never;
  }
}

function retryOf({
  attempts,
  delay = '1s',
  backoff = 1,
  jitter = 0,
  on,
}: NonNullable<StepFile['retry']>): NonNullable<Step<unknown>['retry']> {
  return { attempts, delaySeconds: parseDuration(delay) ?? 1, backoff, jitter, ...(on && { on: [...on] }) };
}

/** Stands in for a kind that does not exist, until the file is refused for it. */
function missingKind<Context>(name: string): AnyStepKind<Context> {
  const refuse = (): Promise<never> => Promise.reject(new TypeError(`there is no step kind "${name}"`));
  return {
    name,
    summary: '',
    risk: 'write',
    // Anything goes: what is wrong has been told already.
    input: anything,
    output: anything,
    commands: () => [],
    run: refuse,
  };
}
