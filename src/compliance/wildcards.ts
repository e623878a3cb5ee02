/** Whether a text fits a pattern in which `*` is any text. */
export function fits(pattern: string, text: string): boolean {
  const source = pattern.split('*').map(part => part.replaceAll(/[.+^${}()|[\]\\?]/g, String.raw`\$&`));
  return new RegExp(`^${source.join('.*')}$`, 's').test(text);
}
