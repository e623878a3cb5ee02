/** Takes secrets out of whatever is shown or kept. */
export type Mask = <T>(value: T) => T;

const masked = '<masked>';

/**
 * Replaces each secret, as it is and as it is written in JSON, URLs and Base64, in every text of a value, keys of maps
 * included. Each line of a secret with several counts, too.
 */
export function maskOf(secrets: readonly string[]): Mask {
  const forms = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  if (forms.length === 0) return value => value;
  const pattern = new RegExp(forms.map(escape).join('|'), 'g');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same shape, with other texts in it
  return <T>(value: T): T => maskDeep(value, pattern) as T;
}

function maskDeep(value: unknown, pattern: RegExp): unknown {
  if (typeof value === 'string') return value.replace(pattern, masked);
  if (Array.isArray(value)) return value.map(each => maskDeep(each, pattern));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key.replace(pattern, masked), maskDeep(each, pattern)]),
  );
}

function formsOf(secret: string): readonly string[] {
  const lines = secret.split(/\r?\n/).filter(line => line.length >= 4);
  return [secret, ...lines].flatMap(text => [
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text),
    ...base64Forms(text),
  ]);
}

/** What Base64 makes of it at each of the three places it may have in a text, without what its neighbours decide. */
function base64Forms(text: string): readonly string[] {
  const bytes = Buffer.from(text);
  return [0, 1, 2].flatMap(shift => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    const inner = encoded.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6));
    return inner.length >= 8 ? [inner] : [];
  });
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
