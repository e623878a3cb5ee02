/** The lines of a transcript that begin with `word`, without it, in order; status files of /proc put a tab behind it. */
export function linesOf(lines: readonly string[], word: string, space = ' '): readonly string[] {
  const prefix = `${word}${space}`;
  return lines.filter(line => line.startsWith(prefix)).map(line => line.slice(prefix.length));
}

/** The first line that begins with `word`, without it; undefined: none, or nothing behind it. */
export function lineOf(lines: readonly string[], word: string, space?: string): string | undefined {
  const text = linesOf(lines, word, space)[0]?.trim();
  return text === '' ? undefined : text;
}

/** As `lineOf`, a decimal number. */
export function numberOf(lines: readonly string[], word: string): number | undefined {
  return toNumber(lineOf(lines, word));
}

export function toNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^-?\d+(\.\d+)?$/.test(text)) return undefined;
  return Number(text);
}

/** `name=value` words: `pid=7 user=ops`. */
export function fieldsOf(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text
      .split(' ')
      .map(word => [word, word.indexOf('=')] as const)
      .filter(([, at]) => at > 0)
      .map(([word, at]) => [word.slice(0, at), word.slice(at + 1)]),
  );
}
