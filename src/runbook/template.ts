import type { CelType } from './cel-type.ts';
import { type CheckOptions, checkExpression, type Expression, type ExpressionProblem } from './expression.ts';

/** A value of `with`: as written, or with `${{ … }}` in it, or a list or map in which some value has one. */
export type Template =
  | { readonly kind: 'literal'; readonly value: unknown }
  | { readonly kind: 'list'; readonly items: readonly Template[] }
  | { readonly kind: 'map'; readonly entries: Readonly<Record<string, Template>> }
  /** Alone it keeps its type; absent, it leaves its key out. */
  | { readonly kind: 'expression'; readonly expression: Expression }
  | { readonly kind: 'text'; readonly parts: readonly (string | Expression)[] };

export type CheckedTemplate =
  | { readonly template: Template; readonly type: CelType }
  | { readonly problems: readonly ExpressionProblem[] };

/** Checks what stands in a text. */
export function checkTemplate(text: string, options: CheckOptions): CheckedTemplate {
  const pieces = piecesOf(text);
  if (pieces.every(piece => piece.kind === 'plain'))
    return { template: { kind: 'literal', value: text }, type: { kind: 'string' } };
  const isAlone = pieces.length === 1;
  const problems: ExpressionProblem[] = [];
  const parts: (string | Expression)[] = [];
  for (const piece of pieces) {
    if (piece.kind === 'plain') {
      parts.push(piece.text);
      continue;
    }
    const checked = checkExpression(piece.text, { ...options, mayBeAbsent: isAlone && options.mayBeAbsent === true });
    if ('expression' in checked) parts.push(checked.expression);
    else problems.push(...checked.problems.map(each => ({ ...each, offset: each.offset + piece.offset })));
  }
  if (problems.length > 0) return { problems };
  const [first] = parts;
  if (isAlone && first !== undefined && typeof first !== 'string')
    return { template: { kind: 'expression', expression: first }, type: first.type };
  return { template: { kind: 'text', parts }, type: { kind: 'string' } };
}

/** The value of a template; undefined where it is absent. */
export function fill(template: Template, values: unknown): unknown {
  switch (template.kind) {
    case 'literal':
      return template.value;
    case 'list':
      return template.items.map(item => fill(item, values)).filter(value => value !== undefined);
    case 'map':
      return fillAll(template.entries, values);
    case 'expression':
      return evaluateIfPresent(template.expression, values);
    case 'text':
      return template.parts.map(part => (typeof part === 'string' ? part : textOf(part.evaluate(values)))).join('');
    default:
      return template satisfies never;
  }
}

/** Values by name; an absent optional leaves its key out. */
export function fillAll(templates: Readonly<Record<string, Template>>, values: unknown): Record<string, unknown> {
  const filled = Object.entries(templates).map(([key, template]) => [key, fill(template, values)] as const);
  return Object.fromEntries(filled.filter(([, value]) => value !== undefined));
}

/** Paths that the value depends on. */
export function readsOf(template: Template): readonly string[] {
  switch (template.kind) {
    case 'literal':
      return [];
    case 'list':
      return template.items.flatMap(readsOf);
    case 'map':
      return Object.values(template.entries).flatMap(readsOf);
    case 'expression':
      return template.expression.reads;
    case 'text':
      return template.parts.flatMap(part => (typeof part === 'string' ? [] : part.reads));
    default:
      return template satisfies never;
  }
}

/**
 * The value as far as it is known now; `<…>` stands for what is known only later. Undefined where it is absent.
 * `isLater` says which paths are.
 */
export function fillKnown(template: Template, values: unknown, isLater: (path: string) => boolean): unknown {
  switch (template.kind) {
    case 'literal':
      return template.value;
    case 'list':
      return template.items.map(item => fillKnown(item, values, isLater)).filter(value => value !== undefined);
    case 'map':
      return fillAllKnown(template.entries, values, isLater);
    case 'expression':
      return valueKnown(template.expression, isLater, () => evaluateIfPresent(template.expression, values));
    case 'text':
      return template.parts.map(part => textKnown(part, values, isLater)).join('');
    default:
      return template satisfies never;
  }
}

export function fillAllKnown(
  templates: Readonly<Record<string, Template>>,
  values: unknown,
  isLater: (path: string) => boolean,
): Record<string, unknown> {
  const filled = Object.entries(templates).map(([key, each]) => [key, fillKnown(each, values, isLater)] as const);
  return Object.fromEntries(filled.filter(([, value]) => value !== undefined));
}

function textKnown(part: string | Expression, values: unknown, isLater: (path: string) => boolean): unknown {
  return typeof part === 'string' ? part : valueKnown(part, isLater, () => textOf(part.evaluate(values)));
}

/** `<…>` too where it cannot be had: the run will say why. */
function valueKnown({ reads, text }: Expression, isLater: (path: string) => boolean, evaluate: () => unknown): unknown {
  if (reads.some(isLater)) return `<${text.trim()}>`;
  try {
    return evaluate();
  } catch {
    return `<${text.trim()}>`;
  }
}

/** A single path reads as absent; any other expression that fails is an error. */
function evaluateIfPresent(expression: Expression, values: unknown): unknown {
  if (!/^[\w.\s]+$/.test(expression.text)) return expression.evaluate(values);
  return expression.text
    .trim()
    .split('.')
    .reduce<unknown>((value, name) => fieldOf(value, name), values);
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([each]) => each === name)?.[1];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

type Piece =
  | { readonly kind: 'plain'; readonly text: string }
  | { readonly kind: 'expression'; readonly text: string; readonly offset: number };

function piecesOf(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const found of text.matchAll(/\$\{\{(.*?)\}\}/gs)) {
    if (found.index > from) pieces.push({ kind: 'plain', text: text.slice(from, found.index) });
    pieces.push({ kind: 'expression', text: found[1] ?? '', offset: found.index + 3 });
    from = found.index + found[0].length;
  }
  if (from < text.length || pieces.length === 0) pieces.push({ kind: 'plain', text: text.slice(from) });
  return pieces;
}
