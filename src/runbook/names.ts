/** CEL reads `a-b` as a difference, so names are camelCase. */
export const identifier = /^[a-z][a-zA-Z0-9]*$/;

/** Words of CEL that cannot be names in it. */
const celWords = ['true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if'];
const celWordsToo = ['import', 'let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while'];

/** Why a name cannot be one. */
export function whyNoName(name: string): string {
  return identifier.test(name) ? `"${name}" is a word of CEL: use another name` : `"${name}" is no name: use camelCase`;
}

export function isIdentifier(name: string): boolean {
  return identifier.test(name) && !celWords.includes(name) && !celWordsToo.includes(name);
}

/** Options of the command line itself; a param of that name would hide one (contract, `Command line`). */
const options = [
  'host',
  'except',
  'state',
  'fleet',
  'format',
  'output',
  'write',
  'events',
  'verbose',
  'quiet',
  'dryRun',
  'wait',
  'help',
  'version',
];

const commands = [
  'help',
  'list',
  'validate',
  'schema',
  'hosts',
  'runs',
  'show',
  'resume',
  'cancel',
  'approve',
  'analyze',
  'serve',
  'completion',
  'prune',
  'version',
];

export function isReservedParam(name: string): boolean {
  return options.includes(name) || /^no[A-Z]/.test(name);
}

export function isReservedRunbook(name: string): boolean {
  return commands.includes(name);
}

/** `onCaptureFailure` as the command line has it: `on-capture-failure`. */
export function kebabCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}

/** `; did you mean "state"?` where one of the names is near, else the names there are. */
export function suggestion(name: string, names: Iterable<string>): string {
  const all = [...new Set(names)];
  const near = nearSuggestion(name, all);
  if (near !== '') return near;
  return all.length > 0 ? `; there is ${all.join(', ')}` : '';
}

/** `; did you mean "state"?` where one of the names is near. */
export function nearSuggestion(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

/** The name within two typing mistakes (one for short names); the nearest one. */
function nearest(name: string, names: readonly string[]): string | undefined {
  const limit = name.length <= 4 ? 1 : 2;
  const [best] = names
    .map(each => ({ each, mistakes: distance(name.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, mistakes }) => mistakes <= limit && mistakes < each.length)
    .sort((a, b) => a.mistakes - b.mistakes);
  return best?.each;
}

/** Damerau–Levenshtein distance with adjacent transpositions (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((rows[i - 1]?.[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (rows[i - 1]?.[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

/** `an integer`, `a size`. */
export function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}
