import type { CelType } from './cel-type.ts';
import { type CheckOptions, checkExpression, type Expression, type ExpressionProblem } from './expression.ts';

/** A value of `with`: as written, or with `${{ … }}` in it. */
export type Template =
  | { readonly kind: 'literal'; readonly value: unknown }
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
    case 'expression':
      return evaluateIfPresent(template.expression, values);
    case 'text':
      return template.parts.map(part => (typeof part === 'string' ? part : textOf(part.evaluate(values)))).join('');
    default:
      return template satisfies never;
  }
}

/** Paths that the value depends on. */
export function readsOf(template: Template): readonly string[] {
  switch (template.kind) {
    case 'literal':
      return [];
    case 'expression':
      return template.expression.reads;
    case 'text':
      return template.parts.flatMap(part => (typeof part === 'string' ? [] : part.reads));
    default:
      return template satisfies never;
  }
}

/** The template with its expressions as `<…>`, for values that are known only later. */
export function placeholder(template: Template): string {
  switch (template.kind) {
    case 'literal':
      return textOf(template.value);
    case 'expression':
      return `<${template.expression.text.trim()}>`;
    case 'text':
      return template.parts.map(part => (typeof part === 'string' ? part : `<${part.text.trim()}>`)).join('');
    default:
      return template satisfies never;
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
