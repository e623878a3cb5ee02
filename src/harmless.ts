/**
 * Text from a process or a host, made harmless on one line of a terminal: control characters (C0, DEL, C1), line and
 * paragraph separators, and bidirectional overrides (Unicode UAX 9) become visible escapes.
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

/** Harmless as HTML text and within a quoted attribute. */
export function escapeHtml(text: string): string {
  return neutralise(text).replaceAll(/[&<>"']/g, character => entities[character] ?? '');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Every ASCII punctuation that means something is escaped (CommonMark 2.4); bare addresses do not become links. */
export function escapeMarkdown(text: string): string {
  return neutralise(text)
    .replaceAll(/[\\`*_{}[\]()#+!|<>&~$^=-]/g, '\\$&')
    .replaceAll(/^(\d+)([.)])/g, '$1\\$2')
    .replaceAll(/(https?|ftp):/gi, '$1\\:')
    .replaceAll(/www\./gi, found => `${found.slice(0, 3)}\\.`)
    .replaceAll('@', '\\@');
}

/** JSON whose bytes cannot steer a terminal: what JSON allows bare and `neutralise` does not is escaped too. */
export function harmlessJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replaceAll(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
