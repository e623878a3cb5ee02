/**
 * Text from a process, made harmless on one line of a terminal: control characters (C0, DEL, C1), line and paragraph
 * separators, and bidirectional overrides (Unicode UAX 9) become visible escapes.
 */
export function neutralise(text: string): string {
  return text.replaceAll(dangerous, escaped);
}

// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const dangerous = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function escaped(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}
