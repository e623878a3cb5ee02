/** The text as one word of a POSIX shell's command line, whatever it holds but NUL (POSIX.1-2024, 2.2.2 Single-Quotes). */
export function quote(text: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
