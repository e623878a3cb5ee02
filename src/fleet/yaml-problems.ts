import { type Document, isCollection, isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { HangarError } from '../errors.ts';

/** Something wrong in a file, at a place. */
export interface Problem {
  /** Character offset into the text. */
  readonly offset: number;
  readonly message: string;
}

export type YamlPath = readonly (string | number)[];

/** A YAML file that is being read: gathers what is wrong with it, and fails once. */
export class YamlFile {
  readonly path: string;
  readonly text: string;
  readonly document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #problems: Problem[] = [];

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    this.document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: true });
    for (const { pos, message } of [...this.document.errors, ...this.document.warnings])
      this.#problems.push({ offset: pos[0], message: message.replace(/\.$/, '') });
  }

  get hasProblems(): boolean {
    return this.#problems.length > 0;
  }

  /** Adds a problem with the value (or, with `atKey`, the key) at `path`; the nearest place that exists counts. */
  add(path: YamlPath, message: string, { atKey = false, within = 0 } = {}): void {
    this.#problems.push({
      offset: this.offsetOf(path, atKey) + (within > 0 ? within + this.#quote(path) : 0),
      message,
    });
  }

  /** The file's value in the shape of `schema`; undefined when it has another, which is then told. */
  check<T>(schema: z.ZodType<T>): T | undefined {
    if (this.document.errors.length > 0) return undefined;
    const parsed = schema.safeParse(this.document.toJS() ?? {});
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) this.#addIssue(issue, []);
    return undefined;
  }

  /** A quoted text begins one character behind its value. */
  #quote(path: YamlPath): number {
    const value = this.document.getIn(path, true);
    return isScalar(value) && (value.type === 'QUOTE_DOUBLE' || value.type === 'QUOTE_SINGLE') ? 1 : 0;
  }

  /** Where the value at `path` begins, or its key. */
  offsetOf(path: YamlPath, atKey = false): number {
    for (let length = path.length; length > 0; length--) {
      const key = keyNode(this.document, path.slice(0, length));
      const value = this.document.getIn(path.slice(0, length), true);
      const wanted = (atKey && length === path.length ? key : undefined) ?? (isNode(value) ? value : key);
      if (wanted?.range) return wanted.range[0];
    }
    return isNode(this.document.contents) ? (this.document.contents.range?.[0] ?? 0) : 0;
  }

  /** @throws HangarError `code` that lists every problem, in the order of the file */
  failIfWrong(code: string, what: string): void {
    if (this.#problems.length === 0) return;
    const sorted = [...this.#problems].sort((a, b) => a.offset - b.offset);
    const count = sorted.length === 1 ? '1 problem' : `${sorted.length} problems`;
    throw new HangarError({
      code,
      message: [`${what} "${this.path}" has ${count}`, ...sorted.map(problem => this.#describe(problem))].join('\n'),
      fix: `mend it, then: runbook validate ${this.path}`,
      failure: 'usage',
    });
  }

  #describe({ offset, message }: Problem): string {
    const { line, col } = this.#lines.linePos(offset);
    const text = this.text.split(/\r?\n/)[line - 1] ?? '';
    return `${this.path}:${line}:${col}: ${message}\n    ${text.trimEnd()}\n    ${' '.repeat(Math.max(0, col - 1))}^`;
  }

  #addIssue(issue: z.core.$ZodIssue, above: YamlPath): void {
    const path = [...above, ...issue.path.filter(part => typeof part !== 'symbol')];
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys) this.add([...path, key], `"${key}" is not known here`, { atKey: true });
    else if (issue.code === 'invalid_union') this.#addUnion(issue, path);
    else if (issue.code === 'invalid_key')
      for (const each of issue.issues) this.add(path, `"${String(path.at(-1))}": ${each.message}`, { atKey: true });
    else if (issue.code === 'invalid_type') this.add(path, missingOr(issue, path, this.document));
    else this.add(path, lowerFirst(issue.message));
  }

  #addUnion(issue: z.core.$ZodIssueInvalidUnion, path: YamlPath): void {
    const nearest = nearestBranch(issue.errors, this.document.getIn(path, true));
    for (const each of nearest) this.#addIssue(each, path);
    if (nearest.length === 0) this.add(path, lowerFirst(issue.message));
  }
}

/** Of a union the branch that fits the kind of the value that is there (a map: the object's, else the scalar's). */
function nearestBranch(branches: readonly z.core.$ZodIssue[][], value: unknown): readonly z.core.$ZodIssue[] {
  const deep = branches.filter(issues => !issues.some(each => each.code === 'invalid_type' && each.path.length === 0));
  const fitting = isCollection(value) ? deep : branches;
  return [...fitting].sort((a, b) => a.length - b.length)[0] ?? [];
}

function missingOr(issue: z.core.$ZodIssueInvalidType, path: YamlPath, document: Document.Parsed): string {
  if (path.length > 0 && !document.hasIn(path)) return `"${String(path.at(-1))}" is missing`;
  const value = document.getIn(path, true);
  return `expected ${issue.expected}, found ${kindOf(value)}`;
}

function kindOf(value: unknown): string {
  if (isMap(value)) return 'a map';
  if (isCollection(value)) return 'a list';
  if (isScalar(value)) return value.value === null ? 'nothing' : JSON.stringify(value.value);
  return 'nothing';
}

function keyNode(document: Document.Parsed, path: YamlPath) {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(
    each => isPair(each) && isScalar(each.key) && String(each.key.value) === String(path.at(-1)),
  );
  return pair !== undefined && isScalar(pair.key) ? pair.key : undefined;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
