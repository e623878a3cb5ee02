import {
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  parseDocument,
  type Scalar,
  visit,
  type YAMLError,
} from 'yaml';
import type { z } from 'zod';
import { HangarError, messageOf } from '../errors.ts';

/** Something wrong in a file, at a place. */
export interface Problem {
  /** Character offset into the text. */
  readonly offset: number;
  readonly message: string;
}

export type YamlPath = readonly (string | number)[];

/** What is added to the message that a key is not known: which one may be meant. */
export type Suggest = (path: YamlPath, key: string) => string;

/** A YAML file that is being read: gathers what is wrong with it, and fails once. */
export class YamlFile {
  readonly path: string;
  readonly text: string;
  readonly document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #problems: Problem[] = [];
  /** Ranges of the text that no message shows. */
  readonly #concealed: (readonly [number, number])[] = [];
  /** All that stands in the file; undefined where that cannot be said. */
  readonly #value: unknown;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    this.document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: true });
    const { errors, warnings } = this.document;
    for (const error of firstOfEachLine([...errors, ...warnings], this.#lines))
      this.#problems.push({ offset: error.pos[0], message: syntaxMessage(error, text) });
    if (errors.length === 0) this.#value = this.#read();
  }

  /** How many problems are known by now. */
  get problemCount(): number {
    return this.#problems.length;
  }

  /** Adds a problem with the value (or, with `atKey`, the key) at `path`; the nearest place that exists counts. */
  add(path: YamlPath, message: string, { atKey = false, within = 0 } = {}): void {
    this.#problems.push({
      offset: within > 0 ? this.#offsetWithin(path, within) : this.offsetOf(path, atKey),
      message,
    });
  }

  /** The value at `path` is a secret: no message shows it. */
  conceal(path: YamlPath): void {
    const value = this.document.getIn(path, true);
    if (isNode(value) && value.range) this.#concealed.push([value.range[0], value.range[1]]);
  }

  /** The file's value in the shape of `schema`; undefined when it has another, which is then told. */
  check<T>(schema: z.ZodType<T>, suggest: Suggest = () => ''): T | undefined {
    if (this.#value === undefined) return undefined;
    return this.checkValue(schema, this.#value, [], suggest);
  }

  /** The value that stands at `path`, in the shape of `schema`. */
  checkValue<T>(schema: z.ZodType<T>, value: unknown, path: YamlPath, suggest: Suggest = () => ''): T | undefined {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) this.#addIssue(issue, path, suggest);
    return undefined;
  }

  #read(): unknown {
    if (this.document.contents === null) this.add([], 'the file is empty');
    if (this.document.contents === null || this.#hasLostAlias()) return undefined;
    try {
      return this.document.toJS();
    } catch (error) {
      this.add([], messageOf(error));
      return undefined;
    }
  }

  /** `*name` of nothing. */
  #hasLostAlias(): boolean {
    let isLost = false;
    visit(this.document, {
      Alias: (_key, alias) => {
        if (alias.resolve(this.document) !== undefined) return;
        isLost = true;
        this.#problems.push({ offset: alias.range?.[0] ?? 0, message: `there is no "&${alias.source}" before this` });
      },
    });
    return isLost;
  }

  /** Where the character of a text stands in the file, which writes it with quotes, escapes, and indentation. */
  #offsetWithin(path: YamlPath, within: number): number {
    const start = this.offsetOf(path);
    const scalar = this.document.getIn(path, true);
    if (!isScalar(scalar) || typeof scalar.value !== 'string' || !scalar.range) return start;
    const before = scalar.value.slice(0, within).replaceAll(/\s/g, '').length;
    return start + offsetInSource(this.text.slice(start, scalar.range[1]), scalar.type, before);
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

  /** What follows the first line of a message follows the line of the file. */
  #describe({ offset, message }: Problem): string {
    const { line, col } = this.#lines.linePos(offset);
    const text = this.#shown(offset - (col - 1));
    const [first = '', ...rest] = message.split('\n');
    return [
      `${this.path}:${line}:${col}: ${first}`,
      `    ${text.trimEnd()}`,
      `    ${' '.repeat(Math.max(0, col - 1))}^`,
      ...rest,
    ].join('\n');
  }

  /** The line that begins there, without secrets. */
  #shown(start: number): string {
    const [line = ''] = this.text.slice(start).split(/\r?\n/, 1);
    // By code units, as offsets count.
    const units = line.split('');
    return units.map((each, at) => (this.#isConcealed(start + at) ? '*' : each)).join('');
  }

  #isConcealed(offset: number): boolean {
    return this.#concealed.some(([from, to]) => offset >= from && offset < to);
  }

  #addIssue(issue: z.core.$ZodIssue, above: YamlPath, suggest: Suggest): void {
    const path = [...above, ...issue.path.filter(part => typeof part !== 'symbol')];
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys)
        this.add([...path, key], `"${key}" is not known here${hintOf(key) ?? suggest(path, key)}`, { atKey: true });
    else if (issue.code === 'invalid_key')
      for (const each of issue.issues)
        this.add(path, `"${String(path.at(-1))}": ${lowerFirst(each.message)}`, { atKey: true });
    else if (issue.code === 'invalid_union') this.#addUnion(issue, path, suggest);
    else this.add(path, this.#messageOf(issue, path));
  }

  /** Of a list or map the branch that is one too, else what the union says of itself, else the nearest branch. */
  #addUnion(issue: z.core.$ZodIssueInvalidUnion, path: YamlPath, suggest: Suggest): void {
    const nearest = nearestBranch(issue.errors, this.#valueAt(path));
    if (nearest.length === 0 || (isOwn(issue) && !isDeep(nearest))) this.add(path, this.#messageOf(issue, path));
    else for (const each of nearest) this.#addIssue(each, path, suggest);
  }

  #messageOf(issue: z.core.$ZodIssue, path: YamlPath): string {
    const value = this.#valueAt(path);
    if (value === undefined && path.length > 0) return `"${String(path.at(-1))}" is missing`;
    const expected = isOwn(issue) ? lowerFirst(issue.message) : expectedBy(issue);
    if (expected === undefined) return lowerFirst(issue.message);
    const isSecret = this.#isConcealed(this.offsetOf(path));
    const isWhole =
      isSecret || issue.code === 'custom' || !expected.startsWith('expected ') || expected.endsWith('not empty');
    return isWhole ? expected : `${expected}, found ${shownValue(value)}`;
  }

  #valueAt(path: YamlPath): unknown {
    return path.reduce<unknown>(
      (value, part) =>
        typeof value === 'object' && value !== null
          ? Object.getOwnPropertyDescriptor(value, String(part))?.value
          : undefined,
      this.#value,
    );
  }
}

/** One mistake makes a parser stumble more than once. */
function firstOfEachLine(errors: readonly YAMLError[], lines: LineCounter): readonly YAMLError[] {
  const seen = new Set<number>();
  return [...errors]
    .sort((a, b) => a.pos[0] - b.pos[0])
    .filter(({ pos }) => {
      const { line } = lines.linePos(pos[0]);
      return !seen.has(line) && seen.add(line);
    });
}

/** What the parser says, in terms of what to do. */
function syntaxMessage({ code, message, pos }: YAMLError, text: string): string {
  switch (code) {
    case 'MULTIPLE_DOCS':
      return 'a file holds one document: no second "---"';
    case 'DUPLICATE_KEY':
      return `"${/^[^\s:]*/.exec(text.slice(pos[0]))?.[0]}" stands here twice`;
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'no map can begin here: quote a text that holds ": ", and begin the keys of a map in one column';
    case 'UNEXPECTED_TOKEN':
      return `${lowerFirst(message).replace(/\.$/, '')}: quote a text that holds { } [ ] or quotes`;
    default:
      return lowerFirst(message).replace(/\.$/, '');
  }
}

/** How far into its source a text's character is, before which so many stand that are no white space. */
function offsetInSource(source: string, type: Scalar['type'], before: number): number {
  const isBlock = type === 'BLOCK_LITERAL' || type === 'BLOCK_FOLDED';
  const isQuoted = type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE';
  const start = isBlock ? source.indexOf('\n') + 1 : isQuoted ? 1 : 0;
  let left = before;
  for (const { 0: written, index } of source.slice(start).matchAll(charactersOf(type))) {
    if (/^(\s|\\[nrt\s])/.test(written)) continue;
    if (left-- === 0) return start + index;
  }
  return source.trimEnd().length - (isQuoted ? 1 : 0);
}

/** A character as it is written. */
function charactersOf(type: Scalar['type']): RegExp {
  if (type === 'QUOTE_DOUBLE') return /\\(?:x..|u.{4}|U.{8}|[^])|[^]/g;
  return type === 'QUOTE_SINGLE' ? /''|[^]/g : /[^]/g;
}

/** A key that is the rest of a text. */
function hintOf(key: string): string | undefined {
  return /[\s"'(){}[\],$]/.test(key) ? ': quote a text that holds "," or ": "' : undefined;
}

/** Of a union the branch that fits the kind of the value that is there (a map: the object's, else the scalar's). */
function nearestBranch(branches: readonly z.core.$ZodIssue[][], value: unknown): readonly z.core.$ZodIssue[] {
  const deep = branches.filter(issues => !issues.some(each => each.code === 'invalid_type' && each.path.length === 0));
  const fitting = typeof value === 'object' && value !== null ? deep : branches;
  return [...fitting].sort((a, b) => a.length - b.length)[0] ?? [];
}

function isDeep(issues: readonly z.core.$ZodIssue[]): boolean {
  return issues.every(({ code, path }) => path.length > 0 || code === 'unrecognized_keys' || code === 'too_small');
}

/** The schema says itself what is wrong. */
function isOwn({ message }: z.core.$ZodIssue): boolean {
  return !/^(Invalid (input|option|key|element|string)|Too (big|small)|Unrecognized)/.test(message);
}

/** `expected …`; undefined where the words of the schema do. */
function expectedBy(issue: z.core.$ZodIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${kinds[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `expected ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`;
    case 'invalid_union':
      return 'expected another value';
    case 'too_small':
      if (issue.origin === 'string') return 'expected a text that is not empty';
      return issue.origin === 'array' ? 'expected a list that is not empty' : undefined;
    default:
      return undefined;
  }
}

const kinds: Readonly<Partial<Record<string, string>>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function shownValue(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a map' : JSON.stringify(value);
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
