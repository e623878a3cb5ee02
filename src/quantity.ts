const secondsOf: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
const bytesOf: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

/** Seconds of `30s`, `1m30s`, `500ms`, `14d`; undefined where the text is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g);
  const sum = [...parts].reduce((total, [, number, unit]) => total + Number(number) * (secondsOf[unit ?? ''] ?? 0), 0);
  const seconds = Math.round(sum * 1000) / 1000;
  return Number.isFinite(seconds) ? seconds : undefined;
}

/** Bytes of `4GiB`, `100MB`, `512`; undefined where the text is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([KMGT]i?B|B)?$/.exec(text);
  if (!match) return undefined;
  const bytes = Math.round(Number(match[1]) * (bytesOf[match[2] ?? 'B'] ?? 1));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
