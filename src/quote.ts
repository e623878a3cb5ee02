/** The text as one word of a POSIX shell's command line (POSIX.1-2024, Shell Command Language, 2.2.2 Single-Quotes). */
export function quote(text: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
