import { type ASTNode, Environment } from '@marcbachmann/cel-js';
import { HangarError } from '../errors.ts';
import { type CelType, declarationOf, fromCel, toCel } from './cel-type.ts';
import { suggestion } from './names.ts';

/** What expressions may read: each root name and the type of its value. */
export type Scope = CelType & { readonly kind: 'object' };

/** A checked CEL expression. */
export interface Expression {
  readonly text: string;
  /** Paths that it reads: `steps.find.pid`. */
  readonly reads: readonly string[];
  readonly type: CelType;
  /** @throws HangarError `EXPRESSION_FAILED`, e.g. for a value that is absent, or an index that no item has */
  evaluate(values: unknown): unknown;
}

export interface ExpressionProblem {
  /** Characters into the expression's text. */
  readonly offset: number;
  readonly message: string;
}

export type Checked = { readonly expression: Expression } | { readonly problems: readonly ExpressionProblem[] };

export interface CheckOptions {
  readonly scope: Scope;
  /** Why the value at a path may be absent; undefined: it is there. */
  readonly absent: (path: readonly string[]) => string | undefined;
  /** Paths whose presence is known where the expression stands, because a `when` asked. */
  readonly present?: readonly string[];
  /** The whole expression may be absent: a single path then needs no `has()`. */
  readonly mayBeAbsent?: boolean;
}

/** Parses an expression and checks every name and type in it. */
export function checkExpression(text: string, options: CheckOptions): Checked {
  const environment = environmentOf(options.scope);
  try {
    const parsed = environment.parse(text);
    const walk = new Walk(options);
    walk.visit(parsed.ast, new Set(options.present ?? []), options.mayBeAbsent === true && isPath(parsed.ast));
    if (walk.problems.length > 0) return { problems: walk.problems };
    const { valid, type, error } = parsed.check();
    if (!valid) return { problems: [problemOf(error)] };
    const reads = [...walk.reads];
    return {
      expression: {
        text,
        reads,
        type: typeOfPath(parsed.ast, options.scope) ?? namedType(type),
        evaluate: values => evaluated(text, () => parsed(asContext(toCel(picked(values, reads), options.scope)))),
      },
    };
  } catch (error) {
    const { offset, message } = problemOf(error);
    return { problems: [{ offset, message: `${message}${habitOf(text)}` }] };
  }
}

/** What other languages write. */
function habitOf(text: string): string {
  const code = text.replaceAll(/"[^"]*"|'[^']*'/g, '""');
  if (/[^=!<>]=(?!=)/.test(code)) return '; equal is "=="';
  return /\b(and|or|not)\b/.test(code) ? '; and is "&&", or is "||", not is "!"' : '';
}

/** Paths that must be there for the expression to be true: `has(a.b) && …`. */
export function provenPresent(text: string, scope: Scope): readonly string[] {
  try {
    return [...presentIf(environmentOf(scope).parse(text).ast, true)];
  } catch {
    return [];
  }
}

const environments = new WeakMap<Scope, Environment>();

function environmentOf(scope: Scope): Environment {
  const known = environments.get(scope);
  if (known) return known;
  const environment = new Environment({ unlistedVariablesAreDyn: false });
  for (const [name, { type }] of Object.entries(scope.fields)) {
    const declared = declarationOf(type);
    if (typeof declared === 'string') environment.registerVariable(name, declared);
    else environment.registerVariable(name, { schema: declared });
  }
  environments.set(scope, environment);
  return environment;
}

function evaluated(text: string, compute: () => unknown): unknown {
  try {
    return fromCel(compute());
  } catch (cause) {
    throw new HangarError({
      code: 'EXPRESSION_FAILED',
      message: `"${text.trim()}" cannot be evaluated: ${problemOf(cause).message}`,
      fix: 'see what it reads (runbook show RUN), and mend the expression; has() asks whether something is there',
      failure: 'step',
      cause,
    });
  }
}

/** The part of the values that is read: to convert all outputs of all steps each time would cost more than the rest. */
function picked(values: unknown, reads: readonly string[]): Readonly<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  const parts = new Map<string, Record<string, unknown>>();
  for (const path of reads) {
    const [root = '', name] = path.split('.');
    const whole = fieldOf(values, root);
    if (name === undefined || typeof whole !== 'object' || whole === null) {
      found[root] = whole;
      parts.delete(root);
    } else if (found[root] === undefined || parts.has(root)) {
      const part = parts.get(root) ?? {};
      part[name] = fieldOf(whole, name);
      parts.set(root, part);
      found[root] = part;
    }
  }
  return found;
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}

function asContext(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function problemOf(error: unknown): ExpressionProblem {
  const range = error instanceof Error && 'range' in error ? error.range : undefined;
  const start = typeof range === 'object' && range !== null && 'start' in range ? Number(range.start) : 0;
  const summary = error instanceof Error && 'summary' in error ? String(error.summary) : String(error);
  return { offset: start, message: summary.charAt(0).toLowerCase() + summary.slice(1) };
}

/** Goes through a syntax tree with what is known to be present at each place. */
class Walk {
  readonly problems: ExpressionProblem[] = [];
  readonly reads = new Set<string>();
  readonly #options: CheckOptions;
  /** Names that stand for the elements of a list: `list.exists(x, …)`. */
  #locals: readonly string[] = [];

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  visit(node: ASTNode, present: ReadonlySet<string>, mayBeAbsent = false): void {
    const path = pathOf(node);
    if (path !== undefined) return this.#read(node, path, present, mayBeAbsent);
    switch (node.op) {
      case 'call':
        return this.#call(node.args, present);
      case 'rcall':
        return this.#method(node.args, present);
      case '&&':
        this.visit(node.args[0], present);
        return this.visit(node.args[1], new Set([...present, ...presentIf(node.args[0], true)]));
      case '||':
        this.visit(node.args[0], present);
        return this.visit(node.args[1], new Set([...present, ...presentIf(node.args[0], false)]));
      case '?:':
        this.visit(node.args[0], present);
        this.visit(node.args[1], new Set([...present, ...presentIf(node.args[0], true)]));
        return this.visit(node.args[2], new Set([...present, ...presentIf(node.args[0], false)]));
      case '==':
      case '!=':
        this.#compare(node.args[0], node.args[1]);
        this.#compare(node.args[1], node.args[0]);
        break;
      default:
    }
    for (const child of childrenOf(node)) this.visit(child, present);
  }

  /** `has(a.b)` asks for the last name only; everything before it is read. */
  #call([name, args]: readonly [string, readonly ASTNode[]], present: ReadonlySet<string>): void {
    const [asked] = args;
    const path = name === 'has' && asked !== undefined ? pathOf(asked) : undefined;
    if (asked === undefined || path === undefined) {
      for (const each of args) this.visit(each, present);
      return;
    }
    this.reads.add(path.join('.'));
    if (!this.#mustExist(asked, path)) return;
    const isStep = path.length === 2 && path[0] === 'steps';
    if (isStep)
      this.problems.push({
        offset: asked.range.start,
        message: `ask for one of its outputs: has(${path.join('.')}.NAME)`,
      });
  }

  /** `list.exists(x, …)` and its like name the elements for what stands behind the name. */
  #method([name, on, args]: readonly [string, ASTNode, readonly ASTNode[]], present: ReadonlySet<string>): void {
    const [local, ...rest] = args;
    this.visit(on, present);
    if (local?.op !== 'id' || !macros.includes(name)) {
      for (const each of args) this.visit(each, present);
      return;
    }
    const before = this.#locals;
    this.#locals = [...before, local.args];
    for (const each of rest) this.visit(each, present);
    this.#locals = before;
  }

  #read(node: ASTNode, path: readonly string[], present: ReadonlySet<string>, mayBeAbsent: boolean): void {
    const [root = ''] = path;
    if (this.#locals.includes(root)) return;
    this.reads.add(path.join('.'));
    if (!this.#mustExist(node, path) || mayBeAbsent) return;
    if (path.length === 1 && (root === 'steps' || root === 'params')) {
      this.problems.push({ offset: node.range.start, message: `read one of them by its name: ${root}.NAME` });
      return;
    }
    for (let length = 1; length <= path.length; length++) {
      const prefix = path.slice(0, length);
      const why = this.#options.absent(prefix);
      // Whoever asked for something below it knows that it is there itself.
      const isKnown = [...present].some(each => each === prefix.join('.') || each.startsWith(`${prefix.join('.')}.`));
      if (why === undefined || isKnown) continue;
      this.problems.push({ offset: node.range.start, message: `${why}: ask has(${path.join('.')}) first` });
      return;
    }
  }

  #mustExist(node: ASTNode, path: readonly string[]): boolean {
    let type: CelType = this.#options.scope;
    for (const [at, name] of path.entries()) {
      if (type.kind !== 'object') return true;
      const field: { readonly type: CelType } | undefined = Object.hasOwn(type.fields, name)
        ? type.fields[name]
        : undefined;
      if (field === undefined) {
        const where = at === 0 ? '' : ` in ${path.slice(0, at).join('.')}`;
        const message = `there is no "${name}"${where}${suggestion(name, Object.keys(type.fields))}`;
        this.problems.push({ offset: node.range.start, message });
        return false;
      }
      type = field.type;
    }
    return true;
  }

  /** A text that the value can never have is a mistake. */
  #compare(side: ASTNode, other: ASTNode): void {
    if (this.#locals.includes(pathOf(side)?.[0] ?? '')) return;
    const type = typeOfPath(side, this.#options.scope);
    if (type?.kind !== 'string' || type.values === undefined || other.op !== 'value') return;
    if (typeof other.args !== 'string' || type.values.includes(other.args)) return;
    const message = `${pathOf(side)?.join('.')} is never "${other.args}"${suggestion(other.args, type.values)}`;
    this.problems.push({ offset: other.range.start, message });
  }
}

/** Paths that are there if the condition is true (or false). */
function presentIf(node: ASTNode, outcome: boolean): ReadonlySet<string> {
  if (node.op === '!_') return presentIf(node.args, !outcome);
  if ((node.op === '&&' && outcome) || (node.op === '||' && !outcome))
    return new Set([...presentIf(node.args[0], outcome), ...presentIf(node.args[1], outcome)]);
  if (node.op !== 'call' || !outcome || node.args[0] !== 'has') return new Set();
  const [asked] = node.args[1];
  const path = asked === undefined ? undefined : pathOf(asked);
  return new Set(path === undefined ? [] : [path.join('.')]);
}

/** Methods whose first argument names the elements. */
const macros: readonly string[] = ['all', 'exists', 'exists_one', 'filter', 'map'];

function isPath(node: ASTNode): boolean {
  return pathOf(node) !== undefined;
}

/** `a.b.c`, `a["b"].c` as names; undefined for anything else. */
function pathOf(node: ASTNode): readonly string[] | undefined {
  if (node.op === 'id') return [node.args];
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const above = pathOf(node.args[0]);
  const name = nameOf(node.args[1]);
  return above && name !== undefined ? [...above, name] : undefined;
}

function nameOf(name: string | ASTNode): string | undefined {
  if (typeof name === 'string') return name;
  return name.op === 'value' && typeof name.args === 'string' ? name.args : undefined;
}

function typeOfPath(node: ASTNode, scope: Scope): CelType | undefined {
  const path = pathOf(node);
  let type: CelType | undefined = path && scope;
  for (const name of path ?? []) type = type?.kind === 'object' ? type.fields[name]?.type : undefined;
  return type;
}

function namedType(name: string | undefined): CelType {
  switch (name) {
    case 'string':
    case 'int':
    case 'double':
    case 'bool':
      return { kind: name };
    default:
      return name?.startsWith('list') === true ? { kind: 'list', of: { kind: 'dyn' } } : { kind: 'dyn' };
  }
}

function childrenOf(node: ASTNode): readonly ASTNode[] {
  return nodesIn(node.args);
}

function nodesIn(value: unknown): readonly ASTNode[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  return isNode(value) ? [value] : [];
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}
