import { compareVersions } from './debian-version.ts';
import { saidText } from './units.ts';

/** What a text must be: all of these that are given. */
export interface Matcher {
  readonly equals?: string | number | undefined;
  /** Regular expression; `^` and `$` are those of a line. */
  readonly matches?: string | undefined;
  readonly contains?: string | undefined;
  /** Numbers as numbers, texts in the order of Debian versions. */
  readonly atLeast?: string | number | undefined;
  readonly atMost?: string | number | undefined;
}

/** Whether the text is what the matcher asks for; white space around it does not count. */
export function isMatch(matcher: Matcher, text: string): boolean {
  const { equals, matches, contains, atLeast, atMost } = matcher;
  const value = text.trim();
  return (
    (equals === undefined || value === String(equals).trim()) &&
    (matches === undefined || expression(matches).test(value)) &&
    (contains === undefined || text.includes(contains)) &&
    (atLeast === undefined || compare(value, atLeast) >= 0) &&
    (atMost === undefined || compare(value, atMost) <= 0)
  );
}

/** @throws SyntaxError the pattern is none */
export function expression(pattern: string): RegExp {
  return new RegExp(pattern, 'mu');
}

/** In words, after the name of what it is asked of. */
export function matcherText({ equals, matches, contains, atLeast, atMost }: Matcher): string {
  return [
    ...(equals === undefined ? [] : [`is "${saidText(String(equals), 60)}"`]),
    ...(matches === undefined ? [] : [`matches /${saidText(matches, 60)}/`]),
    ...(contains === undefined ? [] : [`contains "${saidText(contains, 60)}"`]),
    ...(atLeast === undefined ? [] : [`is at least ${atLeast}`]),
    ...(atMost === undefined ? [] : [`is at most ${atMost}`]),
  ].join(' and ');
}

/** What is no number is neither more nor less than one. */
function compare(value: string, bound: string | number): number {
  if (typeof bound === 'string') return compareVersions(value, bound);
  return value === '' ? Number.NaN : Number(value) - bound;
}
